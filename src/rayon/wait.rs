//! Waiting on a worker without blocking it, and the help of one that waits for another.
//!
//! Who waits here is on top of its thread's stack. It gives way again and again: to calls
//! that starve, for which it may have permits suspended beneath it; to other jobs of the
//! pool; or it naps, for a millisecond at most.
//!
//! # A call that starves
//!
//! A call that has waited for [`PATIENCE`] puts a [`Plea`] where all threads see it, and
//! has every worker of its pool look at the pleas, again and again at growing intervals:
//! rayon runs a broadcast before it goes to sleep, on top of whatever the worker waits in.
//! Who waits here looks by itself. Whoever finds permits suspended on its own stack that
//! help lends them, and waits until they are back.
//!
//! 1. A plea is there only while the call that made it naps. So a loan is taken up at once,
//!    and not by somebody who is busy with something else.
//! 2. A loan is put into the plea, and the plea taken back, under one lock: none is lost.
//! 3. The lender cannot return to what is suspended before the loan is back. What it runs
//!    meanwhile lies on top, and may use the permits as soon as they are back.

use std::{
    sync::{Arc, PoisonError},
    task::Wake,
    time::Duration,
};

use rayon::Yield;

use super::{
    frames::{self, Entered},
    source::Id,
};
use crate::sync::{
    Acquire, AtomicBool, AtomicUsize, Condvar, Instant, Mutex, MutexGuard, Relaxed, Release,
    statics, thread,
};

/// After this a call starves.
pub(super) const PATIENCE: Duration = if cfg!(dynaphore_shuttle) {
    Duration::from_micros(20)
} else {
    Duration::from_micros(200)
};

/// The longest nap.
const NAP: Duration = Duration::from_millis(1);

/// Looks are repeated at growing intervals, up to this.
const RARE: Duration = Duration::from_millis(32);

/// So many calls on one stack look for other jobs as often as they can.
const SHALLOW: u32 = 32;

statics! {
    static PLEAS: Mutex<Vec<Plea>> = Mutex::new(Vec::new());
    /// How many there are.
    static COUNT: AtomicUsize = AtomicUsize::new(0);
}

mod depth {
    use std::cell::Cell;

    use crate::sync::thread_local;

    thread_local! {
        static DEPTH: Cell<u32> = const { Cell::new(0) };
    }

    /// Changes how many waits lie on this thread's stack.
    pub(super) fn change(by: i32) -> u32 {
        let changed = DEPTH.try_with(|depth| {
            depth.set(depth.get().wrapping_add_signed(by));
            depth.get()
        });
        changed.unwrap_or(0)
    }
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in this module panics while a mutex of its own is locked.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where a thread naps.
#[derive(Debug, Default)]
pub(super) struct Parker {
    woken: Mutex<bool>,
    changed: Condvar,
}

impl Parker {
    pub(super) fn unpark(&self) {
        *locked(&self.woken) = true;
        self.changed.notify_one();
    }

    fn park(&self, at_most: Duration) {
        let woken = locked(&self.woken);
        let waited = self
            .changed
            .wait_timeout_while(woken, at_most, |woken| !*woken);
        let (mut woken, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *woken = false;
    }
}

/// Permits that somebody waits for: in the semaphore's line, or to come back from a loan.
#[derive(Debug)]
pub(super) struct Awaited {
    parker: Arc<Parker>,
    are_there: AtomicBool,
}

impl Awaited {
    pub(super) fn new(parker: &Arc<Parker>) -> Arc<Self> {
        Arc::new(Self {
            parker: Arc::clone(parker),
            are_there: AtomicBool::new(false),
        })
    }

    pub(super) fn is_there(&self) -> bool {
        // ORDERING: pairs with the Release of the one who gives them.
        self.are_there.load(Acquire)
    }
}

impl Wake for Awaited {
    fn wake(self: Arc<Self>) {
        // ORDERING: Release, for `is_there`: a lender goes on with what is suspended.
        self.are_there.store(true, Release);
        self.parker.unpark();
    }
}

/// A wait on this thread's stack.
#[derive(Debug)]
pub(super) struct Wait {
    pub(super) parker: Arc<Parker>,
    pub(super) is_worker: bool,
    /// How often other jobs are looked for; `None` for never.
    every: Option<Duration>,
    looked: Instant,
    /// Since something was last done.
    rounds: u32,
    /// When the pool was last asked to look at the pleas, and when it is to be again.
    asked: Option<Instant>,
    again: Duration,
}

impl Wait {
    pub(super) fn new(parker: Arc<Parker>) -> Self {
        let depth = depth::change(1);
        let doublings = depth.saturating_sub(SHALLOW);
        Self {
            parker,
            is_worker: rayon::current_thread_index().is_some(),
            every: Some(match doublings {
                0 => Duration::ZERO,
                n => Duration::from_millis(1 << n.min(20)),
            }),
            looked: Instant::now(),
            rounds: 0,
            asked: None,
            again: PATIENCE,
        }
    }

    /// Looks for other jobs no more often than `every` so long, or never.
    pub(super) fn looking_every(mut self, every: Option<Duration>) -> Self {
        self.every = self.every.and_then(|own| every.map(|every| own.max(every)));
        self
    }

    /// What it waits for is another thing now.
    pub(super) fn begin_again(&mut self) {
        (self.rounds, self.asked, self.again) = (0, None, PATIENCE);
    }

    fn is_due(&mut self) -> bool {
        let Some(every) = self.every else {
            return false;
        };
        if !every.is_zero() {
            let now = Instant::now();
            if now.duration_since(self.looked) < every {
                return false;
            }
            self.looked = now;
        }
        true
    }

    /// Lends to who starves, or runs another job of the pool. False if there is neither.
    pub(super) fn look(&mut self) -> bool {
        let found = self.is_worker
            && (lend() || self.is_due() && rayon::yield_now() == Some(Yield::Executed));
        if found {
            self.rounds = 0;
        }
        found
    }

    /// Naps until something happens, and not for long.
    pub(super) fn nap(&mut self) {
        self.rounds = self.rounds.saturating_add(1);
        match self.rounds {
            0..16 => thread::yield_now(),
            rounds => {
                let at_most = Duration::from_micros(50) * (1 << (rounds - 16).min(5));
                self.parker.park(at_most.min(NAP));
            }
        }
    }

    /// The same, as number `number` with a plea for `least` permits or more. Returns a
    /// loan if it is answered.
    pub(super) fn nap_starving(&mut self, id: Id, number: u64, least: u32) -> Option<Loan> {
        let plea = Plea {
            id,
            number,
            least,
            loan: None,
            parker: Arc::clone(&self.parker),
        };
        change_pleas(|pleas| pleas.push(plea));
        let now = Instant::now();
        if self
            .asked
            .is_none_or(|asked| now.duration_since(asked) >= self.again)
        {
            self.asked = Some(now);
            self.again = (2 * self.again).min(RARE);
            rayon::spawn_broadcast(|_| _ = lend());
        }
        self.nap();
        change_pleas(|pleas| {
            let is_own = |plea: &Plea| Arc::ptr_eq(&plea.parker, &self.parker);
            let own = pleas.iter().position(is_own)?;
            pleas.swap_remove(own).loan
        })
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        depth::change(-1);
    }
}

/// Of a call that starves.
#[derive(Debug)]
struct Plea {
    id: Id,
    number: u64,
    least: u32,
    loan: Option<Loan>,
    parker: Arc<Parker>,
}

fn change_pleas<R>(change: impl FnOnce(&mut Vec<Plea>) -> R) -> R {
    let mut pleas = locked(&PLEAS);
    let changed = change(&mut pleas);
    COUNT.store(pleas.len(), Relaxed);
    changed
}

/// Permits that are suspended on another thread. Given back on drop.
#[derive(Debug)]
pub(super) struct Loan {
    pub(super) permits: u32,
    lender: Arc<Awaited>,
}

impl Drop for Loan {
    fn drop(&mut self) {
        Arc::clone(&self.lender).wake();
    }
}

/// Lends what is suspended on this thread to a call that starves, if there is one that it
/// helps, and waits until it is back.
fn lend() -> bool {
    if COUNT.load(Relaxed) == 0 || frames::are_none() {
        return false;
    }
    let parker = Arc::default();
    let lent = locked(&PLEAS).iter_mut().find_map(|plea| {
        if plea.loan.is_some() {
            return None;
        }
        let borrowed = frames::borrow(plea.id, plea.number, u32::MAX, None)?;
        if borrowed.permits < plea.least {
            return None;
        }
        let lender = Awaited::new(&parker);
        plea.loan = Some(Loan {
            permits: borrowed.permits,
            lender: Arc::clone(&lender),
        });
        plea.parker.unpark();
        Some((plea.id, borrowed, lender))
    });
    let Some((id, borrowed, lender)) = lent else {
        return false;
    };
    let mut wait = Wait::new(parker);
    let _suspended = Entered::waiting(id, borrowed.number, borrowed.permits, &lender, None);
    while !lender.is_there() {
        if !wait.look() {
            wait.nap();
        }
    }
    true
}
