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
//! Who waits here looks by itself, and has its own pool look too: the plea may be of another
//! one. Whoever finds permits suspended on its own stack that help lends them, and waits until
//! they are back.
//!
//! 1. A plea is there only while the call that made it naps. So a loan is taken up at once,
//!    and not by somebody who is busy with something else.
//! 2. A loan is put into the plea, and the plea taken back, under one lock: none is lost.
//! 3. The lender cannot return to what is suspended before the loan is back. What it runs
//!    meanwhile lies on top, and may use the permits as soon as they are back.

use std::{cell::Cell, sync::Arc, task::Wake, time::Duration};

use rayon::Yield;

use super::{
    frames::{self, Awaited, Entered, Parker, locked},
    source::Id,
};
use crate::sync::{Instant, Mutex, statics, thread, thread_local};

/// After this a call starves.
pub(super) const PATIENCE: Duration = if cfg!(dynaphore_shuttle) {
    Duration::from_micros(20)
} else {
    Duration::from_micros(200)
};

/// So many naps are yields.
const YIELDS: u32 = 15;

/// The longest nap.
const NAP: Duration = Duration::from_millis(1);

/// Other workers are asked to look at growing intervals, up to so many naps if they do.
const RARE: u32 = 32;

/// How often other jobs are looked for by one who has a reason not to.
pub(super) const SELDOM: Duration = Duration::from_millis(20);

/// So many calls on one stack look for other jobs as often as they can.
const SHALLOW: u32 = 32;

statics! {
    static PLEAS: Mutex<Vec<Plea>> = Mutex::new(Vec::new());
}

thread_local! {
    /// The last job that was run here on behalf of those who starve could not help.
    static FOUND_NO_PLEA: Cell<bool> = const { Cell::new(false) };
    /// One reference more for each time that others were asked from here, and not all have
    /// looked yet.
    static ASKED: Arc<()> = Arc::default();
}

/// A wait on this thread's stack.
#[derive(Debug)]
pub(super) struct Wait {
    pub(super) parker: Arc<Parker>,
    pub(super) is_worker: bool,
    /// How often other jobs are looked for; `None` for never.
    every: Option<Duration>,
    looked: Instant,
    /// Naps since something was last done.
    naps: u32,
    /// Those of a call that starves, since others were asked, and when they are again.
    starved: u32,
    pause: u32,
}

impl Wait {
    /// Looks for other jobs as often as it can.
    pub(super) fn new() -> Self {
        Self::looking_every(Some(Duration::ZERO))
    }

    /// Looks for other jobs no more often than `every` so long, or never.
    pub(super) fn looking_every(every: Option<Duration>) -> Self {
        let own = match frames::change_waits(1).saturating_sub(SHALLOW) {
            0 => Duration::ZERO,
            doublings => Duration::from_millis(1 << doublings.min(20)),
        };
        Self {
            parker: Parker::of_this_thread(),
            is_worker: rayon::current_thread_index().is_some(),
            every: every.map(|every| every.max(own)),
            looked: Instant::now(),
            naps: 0,
            starved: 0,
            pause: 1,
        }
    }

    /// What it waits for is another thing now.
    pub(super) fn begin_again(&mut self) {
        (self.naps, self.starved, self.pause) = (0, 0, 1);
    }

    fn is_due(&mut self) -> bool {
        let is_due = |every| self.looked.elapsed() >= every;
        let is_due = self.every.is_some_and(is_due);
        if is_due {
            self.looked = Instant::now();
        }
        is_due
    }

    /// Is a look worth something? Whoever found something the last time finds more.
    pub(super) fn may_find(&self) -> bool {
        let is_due = |every: Duration| self.naps == 0 || self.looked.elapsed() >= every.max(SELDOM);
        let may_lend = || frames::have_permits() && !locked(&PLEAS).is_empty();
        may_lend() || self.every.is_some_and(is_due)
    }

    /// Lends to who starves, or runs another job of the pool. False if there is neither.
    pub(super) fn look(&mut self) -> bool {
        let found = self.is_worker && (lend() || self.is_due() && run_another());
        if found {
            self.naps = 0;
        }
        found
    }

    /// Naps until something happens, and not for long.
    pub(super) fn nap(&mut self) {
        // Who starves may be of another pool, and asks there only.
        if self.is_worker && self.naps >= YIELDS && !locked(&PLEAS).is_empty() {
            self.ask_others();
        }
        self.rest();
    }

    fn rest(&mut self) {
        self.naps = self.naps.saturating_add(1);
        match self.naps {
            0..=YIELDS => thread::yield_now(),
            naps => {
                let at_most = Duration::from_micros(50) * (1 << (naps - YIELDS - 1).min(5));
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
        locked(&PLEAS).push(plea);
        self.ask_others();
        self.rest();
        let mut pleas = locked(&PLEAS);
        let is_own = |plea: &Plea| Arc::ptr_eq(&plea.parker, &self.parker);
        let own = pleas.iter().position(is_own)?;
        pleas.swap_remove(own).loan
    }

    /// Has all workers look at the pleas, at growing intervals. For one that does not come to
    /// it that piles up: the more of it there is, the less is added.
    fn ask_others(&mut self) {
        // A thread whose locals are gone may wait, too.
        let asked = ASKED.try_with(Arc::clone).unwrap_or_default();
        let rarer = (Arc::strong_count(&asked) as u32 - 1).min(RARE);
        self.starved += 1;
        if self.starved < self.pause * rarer {
            return;
        }
        self.starved = 0;
        self.pause = (2 * self.pause).min(RARE);
        rayon::spawn_broadcast(move |_| {
            let _heard = &asked;
            FOUND_NO_PLEA.with(|cell| cell.set(!lend()));
        });
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        frames::change_waits(-1);
    }
}

/// Runs another job of the pool, if there is one: one that looks at the pleas and finds none
/// to answer is none. Where many starve, each would keep all the others from their naps.
fn run_another() -> bool {
    while rayon::yield_now() == Some(Yield::Executed) {
        if !FOUND_NO_PLEA.with(Cell::take) {
            return true;
        }
    }
    false
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

/// Permits that are suspended on another thread. Given back on drop.
#[derive(Debug)]
pub(super) struct Loan {
    pub(super) permits: u32,
    /// Of the youngest item that they belong to.
    pub(super) number: u64,
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
    if !frames::have_permits() {
        return false;
    }
    let parker = Parker::of_this_thread();
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
            number: borrowed.number,
            lender: Arc::clone(&lender),
        });
        plea.parker.unpark();
        Some((plea.id, borrowed, lender))
    });
    let Some((id, borrowed, lender)) = lent else {
        return false;
    };
    // Only now: who finds nobody to lend to, which is often, waits for nothing.
    let mut wait = Wait::new();
    let _suspended = Entered::waiting(id, borrowed.number, borrowed.permits, &lender, None);
    while !lender.is_there() {
        if !wait.look() {
            wait.nap();
        }
    }
    true
}

#[cfg(all(test, not(any(dynaphore_loom, dynaphore_shuttle))))]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::{Semaphore, throttle::source::Source};

    #[test]
    fn a_worker_that_does_not_look_is_asked_less_and_less() {
        let semaphore = Semaphore::new(0);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build();
        let pool = pool.unwrap();
        let (ends, end) = mpsc::channel::<()>();
        pool.spawn(move || assert!(end.recv().is_err()));
        let asked = pool.install(|| {
            let mut wait = Wait::new();
            for _ in 0..10_000 {
                // It does not nap for long.
                wait.parker.unpark();
                assert!(wait.nap_starving((&semaphore).id(), 0, 1).is_none());
            }
            ASKED.with(Arc::strong_count) - 1
        });
        drop(ends);
        assert!((10..50).contains(&asked), "{asked}");
    }
}
