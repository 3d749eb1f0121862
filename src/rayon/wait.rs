//! Waiting on a worker without blocking it, and the help of one that waits for another.
//!
//! Who waits here is on top of its thread's stack. It gives way again and again: to calls
//! that starve, for which it may have permits suspended beneath it; to other jobs of the
//! pool; or it naps, for a millisecond at most.
//!
//! # A call that starves
//!
//! A call that has waited for a millisecond makes a [`Plea`] that all threads can see, and
//! has every worker of its pool look at the pleas once: rayon runs a broadcast before it
//! goes to sleep, on top of whatever the worker waits in. Who waits here looks by itself.
//! Whoever finds permits suspended on its own stack offers them, and waits until they
//! have been given back.
//!
//! 1. A plea is open only while the call that made it naps. So who has an offer accepted
//!    knows that the call takes it up at once, and not that it is busy with something else.
//! 2. An offer, and the end of a nap, are steps under the plea's lock: no offer is lost.
//! 3. The lender cannot return to what is suspended before the loan is back; what it runs
//!    meanwhile lies on top.

use std::{
    sync::{Arc, PoisonError, Weak},
    task::Wake,
    time::Duration,
};

use rayon::Yield;

use super::{frames, source::Id};
use crate::sync::{
    Acquire, AtomicBool, AtomicUsize, Condvar, Instant, Mutex, MutexGuard, Relaxed, Release,
    statics, thread,
};

/// After this a call starves.
pub(super) const PATIENCE: Duration = Duration::from_millis(1);

/// The longest nap.
const NAP: Duration = Duration::from_millis(1);

/// Looks are repeated at growing intervals, up to this.
const RARE: Duration = Duration::from_millis(64);

/// So many calls on one stack look for other jobs as often as they can.
const SHALLOW: u32 = 12;

statics! {
    static PLEAS: Mutex<Vec<Arc<Plea>>> = Mutex::new(Vec::new());
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

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while one of these is locked.
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

/// Who is told of a request's answer.
#[derive(Debug)]
pub(super) struct Grantee {
    parker: Weak<Parker>,
    granted: AtomicBool,
}

impl Grantee {
    pub(super) fn new(parker: &Arc<Parker>) -> Arc<Self> {
        Arc::new(Self {
            parker: Arc::downgrade(parker),
            granted: AtomicBool::new(false),
        })
    }

    pub(super) fn is_granted(&self) -> bool {
        self.granted.load(Relaxed)
    }
}

impl Wake for Grantee {
    fn wake(self: Arc<Self>) {
        self.granted.store(true, Relaxed);
        if let Some(parker) = self.parker.upgrade() {
            parker.unpark();
        }
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
}

impl Wait {
    pub(super) fn new() -> Self {
        let depth = depth::change(1);
        let doublings = depth.saturating_sub(SHALLOW);
        Self {
            parker: Arc::default(),
            is_worker: rayon::current_thread_index().is_some(),
            every: Some(match doublings {
                0 => Duration::ZERO,
                n => Duration::from_millis(1 << n.min(20)),
            }),
            looked: Instant::now(),
            rounds: 0,
        }
    }

    /// Looks for other jobs no more often than `every` so long, or never.
    pub(super) fn looking_every(mut self, every: Option<Duration>) -> Self {
        self.every = self.every.and_then(|own| every.map(|every| own.max(every)));
        self
    }

    /// Something has been done.
    pub(super) fn restart(&mut self) {
        self.rounds = 0;
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
            self.restart();
        }
        found
    }

    /// Naps until something happens, and not for long. Returns a loan if `plea` is
    /// answered by one of `least` permits or more.
    pub(super) fn nap(&mut self, plea: Option<(&Plea, u32)>) -> Option<Loan> {
        if let Some((plea, least)) = plea {
            plea.open(least);
        }
        self.rounds = self.rounds.saturating_add(1);
        match self.rounds {
            0..16 => thread::yield_now(),
            rounds => {
                let at_most = Duration::from_micros(50) * (1 << (rounds - 16).min(5));
                self.parker.park(at_most.min(NAP));
            }
        }
        plea.and_then(|(plea, _)| plea.shut())
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        depth::change(-1);
    }
}

/// A call that starves.
#[derive(Debug)]
pub(super) struct Plea {
    id: Id,
    number: u64,
    state: Mutex<State>,
    parker: Arc<Parker>,
}

#[derive(Debug)]
enum State {
    Shut,
    Open { least: u32 },
    Lent(Loan),
}

/// Permits that are suspended on another thread. Given back on drop.
#[derive(Debug)]
pub(super) struct Loan {
    pub(super) permits: u32,
    lender: Arc<Lender>,
}

#[derive(Debug)]
struct Lender {
    is_back: AtomicBool,
    parker: Arc<Parker>,
}

impl Drop for Loan {
    fn drop(&mut self) {
        // ORDERING: Release, for the lender, which goes on with what is suspended.
        self.lender.is_back.store(true, Release);
        self.lender.parker.unpark();
    }
}

impl Plea {
    fn open(&self, least: u32) {
        *locked(&self.state) = State::Open { least };
    }

    fn shut(&self) -> Option<Loan> {
        match std::mem::replace(&mut *locked(&self.state), State::Shut) {
            State::Lent(loan) => Some(loan),
            State::Shut | State::Open { .. } => None,
        }
    }

    /// How many permits are asked for at least, if any are.
    fn least(&self) -> Option<u32> {
        match *locked(&self.state) {
            State::Open { least } => Some(least),
            State::Shut | State::Lent(_) => None,
        }
    }

    /// Returns the loan if it is not taken.
    fn offer(&self, loan: Loan) -> Option<Loan> {
        {
            let mut state = locked(&self.state);
            if !matches!(*state, State::Open { least } if least <= loan.permits) {
                return Some(loan);
            }
            *state = State::Lent(loan);
        }
        self.parker.unpark();
        None
    }
}

/// A plea as its call has it, until this is dropped.
#[derive(Debug)]
pub(super) struct Starving {
    pub(super) plea: Arc<Plea>,
    asked: Instant,
    again: Duration,
}

impl Starving {
    pub(super) fn new(id: Id, number: u64, parker: &Arc<Parker>) -> Self {
        let plea = Arc::new(Plea {
            id,
            number,
            state: Mutex::new(State::Shut),
            parker: Arc::clone(parker),
        });
        let mut pleas = locked(&PLEAS);
        pleas.push(Arc::clone(&plea));
        COUNT.store(pleas.len(), Relaxed);
        drop(pleas);
        ask();
        Self {
            plea,
            asked: Instant::now(),
            again: PATIENCE,
        }
    }

    /// Has all workers look again, if it is time.
    pub(super) fn go_on(&mut self, now: Instant) {
        if now.duration_since(self.asked) >= self.again {
            (self.asked, self.again) = (now, (2 * self.again).min(RARE));
            ask();
        }
    }
}

fn ask() {
    rayon::spawn_broadcast(|_| _ = lend());
}

impl Drop for Starving {
    fn drop(&mut self) {
        let mut pleas = locked(&PLEAS);
        pleas.retain(|plea| !Arc::ptr_eq(plea, &self.plea));
        COUNT.store(pleas.len(), Relaxed);
    }
}

/// Lends what is suspended on this thread to a call that starves, if there is one that it
/// helps, and waits until it is back.
fn lend() -> bool {
    if COUNT.load(Relaxed) == 0 || frames::are_none() {
        return false;
    }
    let pleas = locked(&PLEAS).clone();
    for plea in pleas {
        let Some(least) = plea.least() else {
            continue;
        };
        let Some(borrowed) = frames::borrow(plea.id, plea.number, least, u32::MAX) else {
            continue;
        };
        let mut wait = Wait::new();
        let lender = Arc::new(Lender {
            is_back: AtomicBool::new(false),
            parker: Arc::clone(&wait.parker),
        });
        let loan = Loan {
            permits: borrowed.permits,
            lender: Arc::clone(&lender),
        };
        if plea.offer(loan).is_some() {
            continue;
        }
        // ORDERING: pairs with the Release of the one that gives it back.
        while !lender.is_back.load(Acquire) {
            if !wait.look() {
                wait.nap(None);
            }
        }
        drop(borrowed);
        return true;
    }
    false
}
