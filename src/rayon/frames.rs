//! Which permits this thread's stack holds.
//!
//! Whatever runs jobs under permits enters them here for as long as it does. A
//! thread does one thing at a time: who looks into its list finds jobs that are
//! suspended beneath, since otherwise it would not be running. What they hold
//! can be shared with a job that runs on top of them, on this thread or, for a
//! while in which nothing beneath can go on, on another ([`lend`]).

use std::{
    cell::RefCell,
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use super::{
    broker,
    census::Sum,
    loan::{Loan, Terms},
    mailbox::{Denial, Mailbox},
    source::Id,
    stuck,
};
#[cfg(shuttle)]
use crate::sync::WithBorrow as _;
use crate::sync::{AtomicU64, statics, thread, thread_local};

/// Permits in use on this thread.
struct Frame {
    /// Whose they are.
    id: Id,
    /// How many: 0 once they have been dropped early.
    permits: u32,
    /// How many calls had begun before.
    born: u64,
    /// They are those of a frame on another thread.
    borrowed: bool,
    /// Their latest loan.
    loan: Option<Arc<Terms>>,
}

impl Frame {
    fn is_out(&self) -> bool {
        self.loan.as_ref().is_some_and(|terms| !terms.is_back())
    }
}

thread_local! {
    /// The topmost last.
    static FRAMES: RefCell<Vec<Frame>> = const { RefCell::new(Vec::new()) };
}

statics! {
    /// Counts the throttled calls.
    static CALLS: AtomicU64 = AtomicU64::new(0);
}

/// The number of a call that begins now. What is nested in a job has a larger
/// one than the job's frame: one thing follows from the other.
pub(super) fn number_call() -> u64 {
    CALLS.fetch_add(1, Relaxed) + 1
}

/// A frame of this thread; gone when this is dropped.
#[derive(Debug)]
pub(super) struct Entered {
    depth: usize,
    /// Of one thread.
    not_send: PhantomData<*const ()>,
}

impl Entered {
    pub(super) fn new(id: Id, permits: u32, borrowed: bool) -> Self {
        let born = CALLS.load(Relaxed);
        let frame = Frame {
            id,
            permits,
            born,
            borrowed,
            loan: None,
        };
        let depth = FRAMES.with_borrow_mut(|frames| {
            frames.push(frame);
            frames.len() - 1
        });
        Self {
            depth,
            not_send: PhantomData,
        }
    }

    /// The frame has another number of permits from now on.
    pub(super) fn set(&self, permits: u32) {
        FRAMES.with_borrow_mut(|frames| frames[self.depth].permits = permits);
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let (frame, left) = FRAMES.with_borrow_mut(|frames| (frames.pop(), frames.len()));
        debug_assert_eq!(left, self.depth, "frames end in the order of their stack");
        // Outside of the borrow.
        drop(frame);
    }
}

/// Is this thread in no throttled job at all?
pub(super) fn are_none() -> bool {
    FRAMES.with_borrow(Vec::is_empty)
}

/// The most that one job can share of those that are suspended on this thread and
/// older than call number `born`: a call that began before may well have nothing to
/// do with them.
pub(super) fn shares(id: Id, born: u64) -> Option<u32> {
    FRAMES.with_borrow(|frames| {
        let shares = |frame: &&Frame| frame.id == id && frame.born < born && !frame.is_out();
        let permits = frames.iter().filter(shares).map(|frame| frame.permits);
        permits.max()
    })
}

/// What the jobs of this thread hold, lend and borrow.
pub(super) fn sum(id: Id) -> Sum {
    FRAMES.with_borrow(|frames| {
        let mut sum = Sum::default();
        for frame in frames.iter().filter(|frame| frame.id == id) {
            if frame.borrowed {
                sum.borrowed += 1;
            } else {
                sum.held += u64::from(frame.permits);
            }
            sum.lent += usize::from(frame.is_out());
        }
        sum
    })
}

/// What the jobs hold that are suspended on this thread, if they hold any.
pub(super) fn held(id: Id) -> Option<stuck::Beneath> {
    let held: Vec<u32> = FRAMES.with_borrow(|frames| {
        let own = |frame: &&Frame| frame.id == id && frame.permits > 0 && !frame.borrowed;
        frames
            .iter()
            .filter(own)
            .map(|frame| frame.permits)
            .collect()
    });
    (!held.is_empty()).then(|| stuck::Beneath {
        id,
        thread: thread::current().id(),
        held: held.into(),
    })
}

/// A call that found no permit asks every worker for a loan. Dropped when all
/// have heard it.
#[derive(Debug)]
pub(super) struct Plea {
    id: Id,
    need: u32,
    /// The number of the call.
    born: u64,
    /// Where the loan goes.
    mailbox: Arc<Mailbox>,
    /// There has been an answer, or one will come when some loan is back.
    answered: AtomicBool,
    /// See [`Denial`].
    most: AtomicU64,
    all: AtomicU64,
}

impl Plea {
    pub(super) fn new(id: Id, need: u32, born: u64, mailbox: Arc<Mailbox>) -> Self {
        Self {
            id,
            need,
            born,
            mailbox,
            answered: AtomicBool::new(false),
            most: AtomicU64::new(0),
            all: AtomicU64::new(0),
        }
    }
}

impl Drop for Plea {
    fn drop(&mut self) {
        if !*self.answered.get_mut() {
            self.mailbox.deny(Denial {
                need: self.need,
                most: self.most.load(Relaxed),
                all: self.all.load(Relaxed),
            });
        }
    }
}

/// Run by a worker with nothing better to do: lends the caller of the plea what
/// a job holds that is suspended on this thread and older than the call, and
/// keeps that job suspended until the loan is back.
pub(super) fn lend(plea: &Plea) {
    plea.all.fetch_add(sum(plea.id).held, Relaxed);
    if let Some(terms) = find(plea) {
        plea.answered.store(true, Relaxed);
        let loan = Loan::new(Arc::clone(&terms), plea.id, plea.need);
        if plea.mailbox.offer(loan) {
            broker::off_worker(|| terms.wait());
        }
    }
}

/// A frame to lend from, marked as lent.
fn find(plea: &Plea) -> Option<Arc<Terms>> {
    FRAMES.with_borrow_mut(|frames| {
        let mut held = 0;
        for frame in frames.iter_mut().rev() {
            if frame.id != plea.id || frame.permits == 0 || frame.born >= plea.born {
                continue;
            }
            held += u64::from(if frame.borrowed { 0 } else { frame.permits });
            if frame.permits < plea.need {
                continue;
            }
            if frame
                .loan
                .as_ref()
                .is_some_and(|terms| terms.want(&plea.mailbox))
            {
                plea.answered.store(true, Relaxed);
                continue;
            }
            let terms = Arc::new(Terms::default());
            frame.loan = Some(Arc::clone(&terms));
            return Some(terms);
        }
        plea.most.fetch_max(held, Relaxed);
        None
    })
}

/// Can `need` permits not be had while `held` are not given back?
pub(super) fn is_hopeless(need: u32, held: u64, max: usize) -> bool {
    // During a pause nothing can be had, and nothing is lost.
    max > 0 && u64::from(need) + held > max as u64
}

/// What is said when that is so.
pub(super) fn hopeless(need: u32, held: u64, max: usize) -> String {
    format!(
        "a throttled job that needs {need} permits is nested in others that hold {held} of the \
         semaphore's {max}: it would wait for ever"
    )
}
