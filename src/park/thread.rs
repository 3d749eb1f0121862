//! Blocking a thread until a future-like step has an answer.
//!
//! Each wait has a flag of its own, since waits nest: a waker that runs on the waiting
//! thread may block that thread itself. The inner wait then eats an unpark that was meant
//! for the outer one. The outer one is not lost: its flag says that it has been woken, and
//! it looks at that before it parks.

use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{
            AtomicBool,
            Ordering::{Acquire, Release},
        },
    },
    task::{Poll, Wake, Waker},
    time::{Duration, Instant},
};

use super::Wait;
use crate::sync::thread::{self, Thread};

/// One wait of one thread.
struct Sleeper {
    thread: Thread,
    // std's, also in models: it only says whose unpark it was.
    woken: AtomicBool,
    #[cfg(dynaphore_loom)]
    asleep: AtomicBool,
}

impl Sleeper {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            thread: thread::current(),
            woken: AtomicBool::new(false),
            #[cfg(dynaphore_loom)]
            asleep: AtomicBool::new(false),
        })
    }

    /// Sleeps until it is woken, or for `at_most` so long.
    fn sleep(&self, at_most: Option<Duration>) {
        // ORDERING: Acquire, pairs with the Release in `wake_by_ref`.
        while !self.woken.swap(false, Acquire) {
            #[cfg(dynaphore_loom)]
            self.asleep.store(true, Release);
            match at_most {
                None => thread::park(),
                Some(time) => return park_timeout(time),
            }
            #[cfg(dynaphore_loom)]
            self.asleep.store(false, Release);
        }
    }
}

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // ORDERING: Release, pairs with the Acquire in `sleep`.
        self.woken.store(true, Release);
        // loom's `unpark` also lets a thread go on that waits for a lock.
        #[cfg(dynaphore_loom)]
        if !self.asleep.load(Acquire) {
            return;
        }
        self.thread.unpark();
    }
}

thread_local! {
    /// The sleeper of the last wait of this thread, for the next one: there is none during
    /// a wait, so one that nests takes a new one. Gone while the thread's locals are being
    /// dropped.
    static SPARE: Cell<Option<Arc<Sleeper>>> = const { Cell::new(None) };
}

/// The threads of a model share one real thread, and its locals.
const SPARES: bool = cfg!(not(any(dynaphore_loom, dynaphore_shuttle)));

/// Polls until there is an answer, parking the thread in between. `None` if the deadline
/// comes first.
///
/// It may use up an unpark that was meant for the caller.
pub(crate) fn wait<W: Wait>(wait: &mut W, deadline: Option<Instant>) -> Option<W::Answer> {
    let spare = SPARE.try_with(Cell::take).ok().flatten();
    let sleeper = spare.unwrap_or_else(Sleeper::new);
    let waker = Waker::from(Arc::clone(&sleeper));
    let answer = wait_with(&sleeper, &waker, wait, deadline);
    if SPARES {
        let _ = SPARE.try_with(|spare| spare.set(Some(sleeper)));
    }
    answer
}

fn wait_with<W: Wait>(
    sleeper: &Sleeper,
    waker: &Waker,
    wait: &mut W,
    deadline: Option<Instant>,
) -> Option<W::Answer> {
    loop {
        if let Poll::Ready(answer) = wait.poll(waker) {
            return Some(answer);
        }
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        match left {
            Some(Duration::ZERO) => return None,
            // Beside busy threads, to yield is to be late by many milliseconds.
            Some(_) => {}
            None => yield_first(|| wait.may_be_ready()),
        }
        if !wait.may_be_ready() {
            sleeper.sleep(left.into_iter().chain(wait.max_sleep()).min());
        }
    }
}

/// Lets other threads run for some microseconds, or until `told`.
///
/// In strict order a permit that goes to a thread that sleeps lies idle until
/// the kernel has woken it, and so for each in turn. A waiter that yields for a
/// moment first was served several times faster in the workload `blocking_8t`.
#[cfg(not(dynaphore_loom))]
fn yield_first(told: impl Fn() -> bool) {
    for _ in 0..6 {
        if told() {
            return;
        }
        thread::yield_now();
    }
}

#[cfg(dynaphore_loom)]
fn yield_first(_: impl Fn() -> bool) {}

#[cfg(not(dynaphore_loom))]
use thread::park_timeout;

/// loom knows no time: other threads run, and then it is over.
#[cfg(dynaphore_loom)]
fn park_timeout(_: Duration) {
    thread::yield_now();
}

/// A time too far to be told is never.
pub(crate) fn after(timeout: Duration) -> Option<Instant> {
    Instant::now().checked_add(timeout)
}

#[cfg(all(test, not(any(dynaphore_loom, dynaphore_shuttle))))]
mod tests {
    use super::*;

    struct Polled(usize);

    /// A waker that it woke, or another call, has used up its thread's unpark.
    impl Wait for Polled {
        type Answer = usize;

        fn poll(&mut self, waker: &Waker) -> Poll<usize> {
            self.0 += 1;
            if self.0 == 3 {
                return Poll::Ready(self.0);
            }
            waker.wake_by_ref();
            thread::park();
            Poll::Pending
        }

        fn may_be_ready(&self) -> bool {
            false
        }
    }

    #[test]
    fn a_wait_that_has_been_woken_does_not_depend_on_the_unpark() {
        let (done, wait_for) = std::sync::mpsc::channel();
        thread::spawn(move || done.send(wait(&mut Polled(0), None)));
        let polled = wait_for.recv_timeout(Duration::from_secs(60));
        assert_eq!(polled.expect("it hangs"), Some(3));
    }

    struct Never(usize);

    impl Wait for Never {
        type Answer = ();

        fn poll(&mut self, _: &Waker) -> Poll<()> {
            self.0 += 1;
            Poll::Pending
        }

        fn may_be_ready(&self) -> bool {
            panic!("it looks again, so it has yielded");
        }
    }

    #[test]
    fn a_wait_whose_time_is_over_looks_once_and_does_not_yield() {
        let mut never = Never(0);
        assert_eq!(wait(&mut never, Some(Instant::now())), None);
        assert_eq!(never.0, 1);
    }
}
