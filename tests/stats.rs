//! What is counted of a semaphore's requests, and that intervals lose nothing.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use dynaphore::{AcquireError, AcquireTimeoutError, Fairness, Interval, LongWait, Semaphore};
use tokio_test::{assert_pending, assert_ready, task::spawn};

mod common;
use common::{Random, until, watchdog};

fn semaphore(max: usize) -> Semaphore {
    Semaphore::builder(max).stats(true).build()
}

/// Acquired, of these waited, rejected, timed out, cancelled, closed.
fn counts(interval: &Interval) -> [u64; 6] {
    [
        interval.acquired,
        interval.waited(),
        interval.rejected,
        interval.timed_out,
        interval.cancelled,
        interval.closed,
    ]
}

fn take(semaphore: &Semaphore) -> [u64; 6] {
    counts(&semaphore.stats().blocking_take())
}

#[test]
fn every_way_to_acquire_counts_once() {
    let semaphore = Arc::new(semaphore(9));
    let soon = Duration::from_secs(60);
    futures::executor::block_on(async {
        let _held = [
            semaphore.try_acquire().unwrap(),
            semaphore.try_acquire_many(2).unwrap(),
            semaphore.acquire().await.unwrap(),
            semaphore.blocking_acquire().unwrap(),
            semaphore.blocking_acquire_timeout(soon).unwrap(),
        ];
        let _owned = [
            semaphore.clone().try_acquire_owned().unwrap(),
            semaphore.clone().acquire_owned().await.unwrap(),
            semaphore.clone().blocking_acquire_owned().unwrap(),
        ];
        assert_eq!(semaphore.active(), 9);
    });
    assert_eq!(take(&semaphore), [8, 0, 0, 0, 0, 0]);
}

#[test]
fn a_try_in_vain_is_rejected() {
    let semaphore = semaphore(1);
    let _held = semaphore.try_acquire();
    assert!(semaphore.try_acquire().is_err());
    assert!(semaphore.try_acquire_many(3).is_err());
    assert_eq!(take(&semaphore), [1, 0, 2, 0, 0, 0]);
}

#[test]
fn a_future_that_waits_counts_when_it_is_served() {
    let semaphore = semaphore(1);
    let held = semaphore.try_acquire();
    let mut waiter = spawn(semaphore.acquire());
    assert_pending!(waiter.poll());
    assert_eq!(take(&semaphore), [1, 0, 0, 0, 0, 0]);
    drop(held);
    assert_eq!(take(&semaphore), [0; 6], "granted, and it does not know");
    let permit = assert_ready!(waiter.poll());
    assert_eq!(take(&semaphore), [1, 1, 0, 0, 0, 0]);
    drop((permit, waiter));
    assert_eq!(take(&semaphore), [0; 6]);
}

#[test]
fn one_that_is_overdue_counts_as_that() {
    let builder = Semaphore::builder(1).overdue(Duration::ZERO, Duration::ZERO);
    let semaphore = builder.stats(true).build();
    let _held = semaphore.try_acquire();
    assert!(semaphore.blocking_acquire().is_err());
    let interval = semaphore.stats().blocking_take();
    assert_eq!(counts(&interval), [1, 0, 0, 0, 0, 0]);
    assert_eq!(interval.overdue, 1);
}

#[test]
fn a_thread_that_waits_counts_in_every_fairness() {
    for fairness in [Fairness::Fifo, Fairness::Eventual, Fairness::Barging] {
        watchdog(move || {
            let semaphore = Semaphore::builder(1).fairness(fairness).stats(true).build();
            thread::scope(|scope| {
                let held = semaphore.try_acquire();
                scope.spawn(|| drop(semaphore.blocking_acquire().unwrap()));
                until(|| semaphore.waiting() == 1);
                drop(held);
            });
            assert_eq!(take(&semaphore), [2, 1, 0, 0, 0, 0], "{fairness:?}");
        });
    }
}

#[test]
fn a_deadline_that_comes_first_is_a_time_out() {
    let semaphore = semaphore(0);
    assert!(semaphore.blocking_acquire_timeout(Duration::ZERO).is_err());
    let soon = Duration::from_millis(1);
    assert!(semaphore.blocking_acquire_timeout(soon).is_err());
    assert_eq!(take(&semaphore), [0, 0, 0, 2, 0, 0]);
}

#[test]
fn a_future_that_gives_up_when_it_is_told_to_is_a_time_out() {
    let semaphore = Arc::new(semaphore(0));
    let (ends, end) = futures::channel::oneshot::channel::<()>();
    let mut borrowed = spawn(semaphore.acquire().until(end));
    let mut owned = spawn(
        semaphore
            .clone()
            .acquire_owned()
            .until(std::future::ready(())),
    );
    assert_pending!(borrowed.poll());
    assert_eq!(
        assert_ready!(owned.poll()).unwrap_err(),
        AcquireTimeoutError::Timeout
    );
    assert_eq!(semaphore.waiting(), 1);
    ends.send(()).unwrap();
    assert!(borrowed.is_woken());
    assert_eq!(
        assert_ready!(borrowed.poll()).unwrap_err(),
        AcquireTimeoutError::Timeout
    );
    assert_eq!(semaphore.waiting(), 0);
    assert_eq!(take(&semaphore), [0, 0, 0, 2, 0, 0]);
}

#[test]
fn a_permit_that_is_there_comes_before_the_end() {
    let semaphore = semaphore(1);
    let held = semaphore.try_acquire().unwrap();
    let (ends, end) = futures::channel::oneshot::channel::<()>();
    let mut waiter = spawn(semaphore.acquire().until(end));
    assert_pending!(waiter.poll());
    ends.send(()).unwrap();
    drop(held);
    drop(assert_ready!(waiter.poll()).unwrap());
    assert_eq!(take(&semaphore), [2, 1, 0, 0, 0, 0]);

    let held = semaphore.try_acquire().unwrap();
    let (_ends, end) = futures::channel::oneshot::channel::<()>();
    let mut waiter = spawn(semaphore.acquire().until(end));
    assert_pending!(waiter.poll());
    drop(waiter);
    drop(held);
    assert_eq!(take(&semaphore), [1, 0, 0, 0, 1, 0], "dropped");
}

#[test]
fn a_future_is_cancelled_only_if_it_waited() {
    let semaphore = semaphore(1);
    drop(semaphore.acquire());
    assert_eq!(take(&semaphore), [0; 6], "never polled");
    let held = semaphore.try_acquire();
    let (mut waits, mut granted) = (spawn(semaphore.acquire()), spawn(semaphore.acquire()));
    assert_pending!(granted.poll());
    assert_pending!(waits.poll());
    drop(waits);
    assert_eq!(take(&semaphore), [1, 0, 0, 0, 1, 0]);
    drop(held);
    drop(granted);
    assert_eq!(take(&semaphore), [0, 0, 0, 0, 1, 0]);
    assert_eq!(semaphore.active(), 0);
}

#[test]
fn those_who_are_told_of_the_end_are_closed() {
    let semaphore = semaphore(0);
    let mut waiter = spawn(semaphore.acquire());
    assert_pending!(waiter.poll());
    semaphore.close();
    assert!(assert_ready!(waiter.poll()).is_err());
    assert_eq!(take(&semaphore), [0, 0, 0, 0, 0, 1]);
    drop(waiter);
    assert!(semaphore.try_acquire().is_err());
    assert!(semaphore.blocking_acquire().is_err());
    assert!(assert_ready!(spawn(semaphore.acquire()).poll()).is_err());
    assert_eq!(take(&semaphore), [0, 0, 0, 0, 0, 3]);
}

#[test]
fn a_wait_is_as_long_as_what_was_slept_meanwhile_at_least() {
    let semaphore = semaphore(1);
    let held = semaphore.try_acquire();
    let mut waiter = spawn(semaphore.acquire());
    assert_pending!(waiter.poll());
    let slept = Duration::from_millis(5);
    thread::sleep(slept);
    drop(held);
    let _permit = assert_ready!(waiter.poll());
    let interval = semaphore.stats().blocking_take();
    let (median, longest) = (interval.wait_time(0.5), interval.wait_time(1.0));
    assert!(median >= Some(slept), "{median:?}");
    assert_eq!(median, longest, "there is one only");
    assert_eq!(semaphore.stats().blocking_take().wait_time(0.5), None);
}

/// How many permits that are back were timed.
fn held(semaphore: &Semaphore) -> u64 {
    semaphore.stats().blocking_take().holds().count()
}

#[test]
fn a_hold_is_told_when_it_ends_however_it_began() {
    let semaphore = Arc::new(semaphore(1));
    let soon = Duration::from_secs(60);
    futures::executor::block_on(async {
        let permit = semaphore.try_acquire();
        assert_eq!(held(&semaphore), 0, "it has not ended");
        drop(permit);
        assert_eq!(held(&semaphore), 1);
        drop(semaphore.acquire().await);
        drop(semaphore.clone().acquire_owned().await);
        drop(semaphore.clone().try_acquire_owned());
        assert_eq!(held(&semaphore), 3);
        drop(semaphore.blocking_acquire());
        drop(semaphore.blocking_acquire_timeout(soon));
        assert_eq!(held(&semaphore), 2);
    });
    let permit = semaphore.try_acquire();
    let mut waiter = spawn(semaphore.acquire());
    assert_pending!(waiter.poll());
    drop(permit);
    drop(assert_ready!(waiter.poll()));
    assert_eq!(held(&semaphore), 2, "who waits does not hold");
}

#[test]
fn a_request_that_never_held_has_no_hold() {
    let semaphore = semaphore(1);
    let permit = semaphore.try_acquire();
    assert!(semaphore.try_acquire().is_err());
    let mut granted = spawn(semaphore.acquire());
    assert_pending!(granted.poll());
    drop(permit);
    assert_eq!(held(&semaphore), 1);
    drop(granted);
    assert_eq!(held(&semaphore), 0, "granted, and it never knew");
}

#[test]
fn a_hold_ends_by_forget_and_by_a_panic() {
    let semaphore = semaphore(3);
    semaphore.try_acquire().unwrap().forget();
    assert_eq!((held(&semaphore), semaphore.max()), (1, 2));
    let holder = thread::scope(|scope| {
        let holder = scope.spawn(|| {
            let _permit = semaphore.try_acquire();
            std::panic::resume_unwind(Box::new(()));
        });
        holder.join()
    });
    assert!(holder.is_err());
    assert_eq!((held(&semaphore), semaphore.active()), (1, 0));
}

#[test]
fn permits_that_are_timed_split_and_merge_as_ever() {
    let semaphore = semaphore(100_000);
    let mut all = semaphore.try_acquire_many(9).unwrap();
    let mut part = all.split(4).unwrap();
    assert!(all.split(6).is_none());
    assert_eq!((all.num_permits(), part.num_permits()), (5, 4));
    assert!(format!("{all:?}").contains("permits: 5"));
    assert_eq!(all.generation(), None);
    assert_eq!(semaphore.active(), 9);
    part.merge(semaphore.try_acquire_many(2).unwrap());
    assert_eq!(held(&semaphore), 0, "it goes on in what it was merged into");
    part.merge(semaphore.try_acquire().unwrap());
    assert_eq!(held(&semaphore), 1, "there is room for one start");
    assert_eq!(part.num_permits(), 7);
    all.merge(part);
    assert_eq!(held(&semaphore), 1);
    assert_eq!((all.num_permits(), semaphore.active()), (12, 12));
    all.extend_up_to(13);
    assert_eq!((all.num_permits(), held(&semaphore)), (13, 0));
    // Too many for one that is timed.
    all.merge(semaphore.try_acquire_many(70_000).unwrap());
    assert_eq!((all.num_permits(), held(&semaphore)), (70_013, 1));
    drop(all);
    assert_eq!((held(&semaphore), semaphore.active()), (0, 0));
}

#[test]
fn a_hold_is_as_long_as_what_was_slept_meanwhile_at_least() {
    let semaphore = semaphore(1);
    let permit = semaphore.try_acquire();
    let slept = Duration::from_millis(5);
    thread::sleep(slept);
    drop(permit);
    let interval = semaphore.stats().blocking_take();
    let holds = interval.holds();
    // Known to 64 ns.
    assert!(holds.sum() + Duration::from_nanos(64) >= slept, "{holds:?}");
    assert!(holds.quantile(0.5) >= holds.mean());
    assert_eq!(holds.buckets().map(|(_, count)| count).sum::<u64>(), 1);
}

#[test]
fn holds_that_are_too_short_to_time_each_are_counted_all_the_same() {
    let semaphore = semaphore(1);
    for _ in 0..100_000 {
        drop(semaphore.try_acquire());
    }
    let counted = held(&semaphore);
    assert!(counted.abs_diff(100_000) < 256, "{counted}");
}

#[test]
fn permits_do_not_grow_by_it() {
    let words = size_of::<&Semaphore>() + size_of::<u64>();
    assert_eq!(size_of::<dynaphore::SemaphorePermit<'_>>(), words);
    assert_eq!(size_of::<dynaphore::OwnedSemaphorePermit>(), words);
}

#[test]
fn permits_that_know_their_generation_are_not_timed() {
    let semaphore = Semaphore::builder(1).generations(true).stats(true).build();
    drop(semaphore.try_acquire());
    let interval = semaphore.stats().blocking_take();
    assert_eq!((interval.acquired, interval.holds().count()), (1, 0));
}

#[test]
fn the_longest_wait_is_that_of_the_first_who_still_waits() {
    let semaphore = semaphore(1);
    let held = semaphore.try_acquire();
    assert_eq!(semaphore.stats().longest_wait(), None);
    let (mut first, mut second) = (spawn(semaphore.acquire()), spawn(semaphore.acquire()));
    assert_pending!(first.poll());
    thread::sleep(Duration::from_millis(3));
    let began = std::time::Instant::now();
    assert_pending!(second.poll());
    assert!(semaphore.stats().longest_wait() >= Some(Duration::from_millis(3)));
    drop(first);
    assert!(semaphore.stats().longest_wait().unwrap() <= began.elapsed());
    drop(held);
    drop(assert_ready!(second.poll()));
    assert_eq!(semaphore.stats().longest_wait(), None);
}

/// Waits that were told of.
fn told(semaphore: &Semaphore, after: Duration) -> Arc<std::sync::Mutex<Vec<LongWait>>> {
    let told = Arc::<std::sync::Mutex<Vec<_>>>::default();
    let list = told.clone();
    semaphore
        .stats()
        .warn_after(after, move |wait| list.lock().unwrap().push(wait));
    told
}

#[test]
fn a_wait_that_is_long_is_told_of_once_by_who_comes_by() {
    let semaphore = semaphore(1);
    let after = Duration::from_millis(1);
    let told = told(&semaphore, after);
    let count = || told.lock().unwrap().len();
    let held = semaphore.try_acquire();
    let mut first = spawn(semaphore.acquire());
    assert_pending!(first.poll());
    thread::sleep(2 * after);
    assert_eq!(count(), 0, "nobody has come by");
    let mut second = spawn(semaphore.acquire());
    assert_pending!(second.poll());
    assert_eq!(count(), 1);
    assert!(told.lock().unwrap()[0].waited >= 2 * after);
    thread::sleep(2 * after);
    let _ = semaphore.stats().longest_wait();
    assert_eq!(count(), 2, "the second, and not the first again");
    drop(held);
    drop(assert_ready!(first.poll()));
    drop(assert_ready!(second.poll()));
    assert_eq!(count(), 2);
}

#[test]
fn a_wait_that_was_long_is_told_of_by_its_own_end() {
    let after = Duration::from_millis(1);
    for end in ["served", "dropped", "timed out", "closed"] {
        let semaphore = semaphore(1);
        let told = told(&semaphore, after);
        let held = semaphore.try_acquire();
        let (ends, over) = futures::channel::oneshot::channel::<()>();
        let mut waiter = spawn(semaphore.acquire().until(over));
        assert_pending!(waiter.poll());
        thread::sleep(2 * after);
        match end {
            "served" => drop(held),
            "dropped" => {}
            "timed out" => ends.send(()).unwrap(),
            _ => semaphore.close(),
        }
        if end != "dropped" {
            drop(assert_ready!(waiter.poll()));
        }
        drop(waiter);
        assert_eq!(told.lock().unwrap().len(), 1, "{end}");
        assert_eq!(semaphore.stats().longest_wait(), None, "{end}");
    }
}

#[test]
fn nobody_is_told_of_a_wait_that_is_not_long() {
    let semaphore = semaphore(0);
    let told = told(&semaphore, Duration::from_secs(3600));
    let mut waiter = spawn(semaphore.acquire());
    assert_pending!(waiter.poll());
    let _ = semaphore.stats().longest_wait();
    drop(waiter);
    assert!(told.lock().unwrap().is_empty());
}

#[test]
fn who_is_told_of_a_long_wait_knows_how_many_wait_and_what_is_not_taken() {
    let soon = Duration::from_millis(1);
    for by_task in [false, true] {
        let semaphore = Semaphore::builder(1)
            .stats(true)
            .grant_to_tasks(by_task)
            .build();
        let held = semaphore.try_acquire().unwrap();
        let mut kept = spawn(semaphore.acquire());
        let mut others = [spawn(semaphore.acquire()), spawn(semaphore.acquire())];
        assert_pending!(kept.poll());
        for other in &mut others {
            assert_pending!(other.poll());
        }
        drop(held);
        thread::sleep(2 * soon);
        let told = told(&semaphore, soon);
        let _ = semaphore.stats().longest_wait();
        let waits = told.lock().unwrap();
        // The one that has its permit does not know it, and so it waits.
        assert!(waits.len() == 3 && waits.iter().all(|wait| wait.waiting == 3));
        for wait in waits.iter() {
            let unclaimed = wait
                .unclaimed
                .map(|grants| (grants.requests, grants.longest));
            match unclaimed {
                Some((1, Some(longest))) if by_task => assert!(longest >= 2 * soon),
                None if !by_task => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn who_is_told_may_use_the_semaphore_and_panic() {
    let semaphore = Arc::new(semaphore(1));
    let weak = Arc::downgrade(&semaphore);
    let is_told = Arc::new(AtomicBool::new(false));
    let once = is_told.clone();
    semaphore.stats().warn_after(Duration::ZERO, move |_| {
        if once.swap(true, SeqCst) {
            return;
        }
        let semaphore = weak.upgrade().unwrap();
        assert!(semaphore.stats().longest_wait().is_some());
        let _ = semaphore.stats().blocking_take();
        let mut waiter = spawn(semaphore.acquire());
        assert_pending!(waiter.poll());
        std::panic::resume_unwind(Box::new("told"));
    });
    let held = semaphore.try_acquire();
    let mut waiter = spawn(semaphore.acquire());
    assert_pending!(waiter.poll());
    thread::sleep(Duration::from_millis(1));
    let _ = semaphore.stats().longest_wait();
    assert!(is_told.load(SeqCst));
    drop(held);
    drop(assert_ready!(waiter.poll()).unwrap());
    assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
}

/// It replaces itself while it is told, so it goes when it returns, and what it owns panics.
#[test]
fn who_is_told_may_panic_when_it_is_dropped() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            std::panic::resume_unwind(Box::new("dropped"));
        }
    }
    let semaphore = Arc::new(semaphore(1));
    let (weak, owned) = (Arc::downgrade(&semaphore), Panics);
    semaphore.stats().warn_after(Duration::ZERO, move |_| {
        let _ = &owned;
        let semaphore = weak.upgrade().unwrap();
        semaphore.stats().warn_after(Duration::MAX, |_| {});
    });
    let held = semaphore.try_acquire();
    let mut waiter = spawn(semaphore.acquire());
    assert_pending!(waiter.poll());
    thread::sleep(Duration::from_millis(1));
    drop(held);
    drop(assert_ready!(waiter.poll()).unwrap());
    assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
}

#[test]
fn a_time_out_that_a_waker_interrupts_waits_no_longer() {
    struct Panics;
    impl std::task::Wake for Panics {
        fn wake(self: Arc<Self>) {
            std::panic::resume_unwind(Box::new("woken"));
        }
    }
    let semaphore = semaphore(1);
    let held = semaphore.try_acquire();
    let (ends, over) = futures::channel::oneshot::channel::<()>();
    let mut heavy = spawn(semaphore.acquire_many(2).until(over));
    semaphore.set_max(2);
    assert_pending!(heavy.poll());
    // Served as the first gives up: there is one permit for it.
    let waker = Arc::new(Panics).into();
    let mut light = Box::pin(semaphore.acquire());
    let mut context = std::task::Context::from_waker(&waker);
    assert!(light.as_mut().poll(&mut context).is_pending());
    ends.send(()).unwrap();
    let poll = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| heavy.poll()));
    assert!(poll.is_err());
    drop((heavy, light, held));
    assert_eq!(semaphore.stats().longest_wait(), None);
    assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
}

#[test]
#[should_panic = "a quantile must be in 0.0 to 1.0, not 1.5"]
fn a_quantile_above_one_panics() {
    let _ = semaphore(1).stats().blocking_take().wait_time(1.5);
}

#[test]
#[should_panic = "`stats` needs a semaphore that was built with `stats(true)`"]
fn without_stats_there_are_none() {
    let _ = Semaphore::builder(1).generations(true).build().stats();
}

#[test]
fn stats_and_generations_go_together() {
    for semaphore in [
        Semaphore::builder(1).generations(true).stats(true).build(),
        Semaphore::builder(1).stats(true).generations(true).build(),
    ] {
        let permit = semaphore.try_acquire().unwrap();
        assert_eq!(permit.generation(), Some(0));
        assert_eq!(semaphore.stats().blocking_take().acquired, 1);
    }
}

/// What a thread has seen of its own requests is what the intervals say in all.
fn the_intervals_add_up(threads: usize, rounds: u32) {
    let semaphore = Arc::new(semaphore(2));
    let over = Arc::new(AtomicBool::new(false));
    let taker = {
        let (semaphore, over) = (semaphore.clone(), over.clone());
        thread::spawn(move || {
            let (mut sum, mut takes) = ([0; 6], 0_u64);
            loop {
                let last = over.load(SeqCst);
                let taken = take(&semaphore);
                sum.iter_mut().zip(taken).for_each(|(sum, one)| *sum += one);
                takes += 1;
                if last {
                    return (sum, takes);
                }
                thread::yield_now();
            }
        })
    };
    let workers: Vec<_> = (0..threads)
        .map(|number| {
            let semaphore = semaphore.clone();
            thread::spawn(move || {
                let mut random = Random::new(number);
                let mut seen = [0; 6];
                for _ in 0..rounds {
                    let n = 1 + random.below(2);
                    match random.below(4) {
                        0 => match semaphore.try_acquire_many(n) {
                            Ok(_) => seen[0] += 1,
                            Err(_) => seen[2] += 1,
                        },
                        1 => match semaphore.blocking_acquire_timeout(Duration::ZERO) {
                            Ok(_) => seen[0] += 1,
                            Err(_) => seen[3] += 1,
                        },
                        2 => {
                            let mut future = spawn(semaphore.acquire_many(n));
                            let served = future.poll().is_ready();
                            seen[if served { 0 } else { 4 }] += 1;
                        }
                        _ => {
                            let _permit = semaphore.blocking_acquire().unwrap();
                            thread::yield_now();
                            seen[0] += 1;
                        }
                    }
                }
                seen
            })
        })
        .collect();
    let mut seen = [0; 6];
    for worker in workers {
        let of_one = worker.join().unwrap();
        seen.iter_mut()
            .zip(of_one)
            .for_each(|(sum, one)| *sum += one);
    }
    over.store(true, SeqCst);
    let (sum, takes) = taker.join().unwrap();
    assert!(takes >= 2 || sum[0] > 0);
    assert!(sum[1] <= sum[0], "who waited was served");
    seen[1] = sum[1]; // Callers cannot see whether they had to wait.
    assert_eq!(sum, seen);
    assert_eq!(
        sum.iter().sum::<u64>() - sum[1],
        threads as u64 * u64::from(rounds)
    );
}

#[test]
fn intervals_add_up_while_a_few_threads_go_on() {
    watchdog(|| the_intervals_add_up(3, 3_000));
}

/// More threads than there are stripes, so that some have to share.
#[test]
fn intervals_add_up_where_threads_share_stripes() {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    watchdog(move || the_intervals_add_up(2 * cores + 4, 300));
}

#[test]
fn takers_that_race_share_what_there_is() {
    let semaphore = semaphore(1);
    for _ in 0..200 {
        let _ = semaphore.try_acquire();
    }
    let taken: u64 = thread::scope(|scope| {
        let takers: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| semaphore.stats().blocking_take().acquired))
            .collect();
        takers.into_iter().map(|taker| taker.join().unwrap()).sum()
    });
    assert_eq!(taken, 200);
}

#[test]
fn an_interval_is_taken_inside_a_runtime() {
    let semaphore = semaphore(1);
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(async {
        let _ = semaphore.try_acquire();
        assert_eq!(semaphore.stats().take().await.acquired, 1);
        let _ = semaphore.try_acquire();
        let interval = semaphore.stats().try_take();
        assert_eq!(interval.expect("nobody counts").acquired, 1);
        let _ = semaphore.try_acquire();
        assert_eq!(semaphore.stats().blocking_take().acquired, 1);
    });
}

#[test]
fn those_that_are_overdue_are_shown() {
    let nothing = Duration::ZERO;
    let semaphore = Semaphore::builder(1).stats(true).overdue(nothing, nothing);
    let semaphore = semaphore.build();
    let _held = semaphore.try_acquire().unwrap();
    assert_eq!(
        semaphore.blocking_acquire().unwrap_err(),
        AcquireError::Overdue
    );
    let interval = semaphore.stats().blocking_take();
    assert_eq!(interval.overdue, 1);
    let shown = interval.to_string();
    assert!(shown.ends_with(", 0 closed, 1 overdue"), "{shown}");
}
