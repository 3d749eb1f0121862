//! What can be waited for, by a future or by a thread; and how a thread waits.

use core::{
    task::{Poll, Waker},
    time::Duration,
};

#[cfg(feature = "std")]
pub(crate) use self::thread::{after, wait};

/// Something that can be waited for.
pub(crate) trait Wait {
    type Answer;

    /// Gets the answer, or sees to it that `waker` is woken.
    fn poll(&mut self, waker: &Waker) -> Poll<Self::Answer>;

    /// For calls that block: is it worth while to poll again? Costs no lock.
    #[cfg(feature = "std")]
    fn may_be_ready(&self) -> bool;

    /// The longest sleep after which to poll again even if nobody has woken the
    /// thread. Usually there is none: waking is reliable.
    fn max_sleep(&mut self) -> Option<Duration> {
        None
    }
}

/// Panics inside a tokio runtime, if that was asked for.
#[inline]
#[track_caller]
pub(crate) fn assert_may_block(refuse_in_runtime: bool) {
    if refuse_in_runtime {
        #[cfg(feature = "tokio")]
        assert_outside_runtime();
    }
}

/// Panics inside a tokio runtime, in tokio's own words: its mutex can tell. But not while
/// the thread's locals are being dropped, where it would panic for want of its own. A thread
/// that looks for the first time there is not known to be there.
#[cfg(feature = "tokio")]
#[track_caller]
fn assert_outside_runtime() {
    struct Local;

    impl Drop for Local {
        fn drop(&mut self) {}
    }

    thread_local! {
        // Made after the first look, so after tokio's locals: those made last go first.
        static LOCAL: Local = const { Local };
        static IS_MADE: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    }

    if IS_MADE.get() && LOCAL.try_with(|_| ()).is_err() {
        return;
    }
    drop(tokio::sync::Mutex::const_new(()).blocking_lock());
    IS_MADE.set(LOCAL.try_with(|_| ()).is_ok());
}

/// Blocking a thread until a future-like step has an answer.
///
/// Each wait has a flag of its own, since waits nest: a waker that runs on the waiting
/// thread may block that thread itself. The inner wait then eats an unpark that was meant
/// for the outer one. The outer one is not lost: its flag says that it has been woken, and
/// it looks at that before it parks.
#[cfg(feature = "std")]
mod thread {
    use std::{
        cell::Cell,
        sync::{
            Arc,
            atomic::{
                AtomicBool,
                Ordering::{Acquire, Release},
            },
        },
        task::Wake,
        time::Instant,
    };

    use super::*;
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
                    #[cfg(not(dynaphore_loom))]
                    Some(time) => return thread::park_timeout(time),
                    // It knows no time: other threads run, and then it is over.
                    #[cfg(dynaphore_loom)]
                    Some(_) => return thread::yield_now(),
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
        let answer = loop {
            if let Poll::Ready(answer) = wait.poll(&waker) {
                break Some(answer);
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            match left {
                Some(Duration::ZERO) => break None,
                // Beside busy threads, to yield is to be late by many milliseconds.
                Some(_) => {}
                None => yield_first(|| wait.may_be_ready()),
            }
            if !wait.may_be_ready() {
                sleeper.sleep(left.into_iter().chain(wait.max_sleep()).min());
            }
        };
        if SPARES {
            let _ = SPARE.try_with(|spare| spare.set(Some(sleeper)));
        }
        answer
    }

    /// Lets other threads run for some microseconds, or until `told`.
    ///
    /// In strict order a permit that goes to a thread that sleeps lies idle until
    /// the kernel has woken it, and so for each in turn. A waiter that yields for a
    /// moment first was served several times faster in the workload `blocking_8t`.
    fn yield_first(told: impl Fn() -> bool) {
        // To loom it would only be more schedules.
        let turns = if cfg!(dynaphore_loom) { 0 } else { 6 };
        for _ in 0..turns {
            if told() {
                return;
            }
            thread::yield_now();
        }
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
}
