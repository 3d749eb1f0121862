//! The shapes of lost wake-ups that other semaphores had, in lines that are too
//! long for loom.

use std::{sync::Arc, time::Duration};

use dynaphore::Semaphore;
use dynaphore_shuttle_tests::{
    House, Kind, Waiter, assert_at_rest, below, block_on, explore, join, lock, shuffled, spawn,
    take, yield_now,
};

/// Semaphore of `max` permits, all taken, one by one.
fn taken(kind: Kind, max: usize) -> (Arc<Semaphore>, Vec<dynaphore::OwnedSemaphorePermit>) {
    let s = kind.semaphore(max);
    let held = (0..max).map(|_| take(&s, 1)).collect();
    (s, held)
}

/// Many releases with no poll in between wake as many waiters.
#[test]
fn releases_do_not_run_together() {
    explore(4000, || {
        let many = 2 + below(9);
        let kind = Kind::any();
        let (s, held) = taken(kind, many);
        let mut waiters: Vec<_> = (0..many).map(|_| Waiter::queued(&s, 1)).collect();
        join(held.into_iter().map(|held| spawn(move || drop(held))));
        // Before a poll of one can wake another.
        assert!(waiters.iter().all(|waiter| waiter.woken() == 1));
        match kind {
            Kind::Fifo | Kind::Eventual(Duration::ZERO) => assert_eq!(s.active(), many),
            Kind::Barging(_) => assert_eq!(s.active(), 0, "called, not granted"),
            Kind::Eventual(_) => {}
        }
        let permits: Vec<_> = waiters.iter_mut().map(Waiter::granted).collect();
        drop(permits);
        assert_at_rest(&s);
    });
}

/// Futures that are finished and kept hold up nobody.
#[test]
fn finished_futures_are_kept() {
    explore(4000, || {
        let (s, held) = taken(Kind::any(), 2);
        let tasks = (0..8).map(|_| {
            let s = s.clone();
            spawn(move || {
                let mut waiter = Waiter::new(&s, 1);
                drop(block_on(std::future::poll_fn(|cx| waiter.poll_with(cx))).unwrap());
                waiter
            })
        });
        let tasks: Vec<_> = tasks.collect();
        drop(held);
        let kept = join(tasks);
        assert_at_rest(&s);
        drop(kept);
        assert_at_rest(&s);
    });
}

/// Nobody has ever waited before.
#[test]
fn first_waits_against_first_release() {
    explore(6000, || {
        let (s, held) = taken(Kind::any(), 1);
        let arrivals: Vec<_> = (0..6)
            .map(|who| {
                let s = s.clone();
                spawn(move || match who % 2 {
                    0 => drop(s.blocking_acquire().unwrap()),
                    _ => drop(block_on(s.acquire()).unwrap()),
                })
            })
            .collect();
        drop(held);
        join(arrivals);
        assert_at_rest(&s);
    });
}

/// Ten of ten, which come back one by one from ten threads. The light ones behind
/// do not snatch them, nor do newcomers.
#[test]
fn heavy_front_is_served_when_all_is_there() {
    explore(3000, || {
        let (s, held) = taken(Kind::Fifo, 10);
        let heavy = Arc::new(std::sync::Mutex::new(Waiter::queued(&s, 10)));
        let light: Vec<_> = (0..3).map(|_| Waiter::queued(&s, 1)).collect();
        let begun = Arc::new(std::sync::Mutex::new(0));
        let releases = held.into_iter().map(|held| {
            let (s, heavy, begun) = (s.clone(), heavy.clone(), begun.clone());
            spawn(move || {
                assert!(s.try_acquire().is_err());
                *lock(&begun) += 1;
                drop(held);
                let early = *lock(&begun) < 10;
                assert!(!early || lock(&heavy).woken() == 0);
            })
        });
        join(releases);
        assert!(light.iter().all(|waiter| waiter.woken() == 0));
        drop(lock(&heavy).granted());
        light
            .into_iter()
            .for_each(|mut waiter| drop(waiter.granted()));
        assert_at_rest(&s);
    });
}

/// Heavy ones at the head give up while too little for them comes back.
#[test]
fn heavy_heads_give_up() {
    explore(4000, || {
        let (s, mut held) = taken(Kind::any(), 6);
        let heavy: Vec<_> = (0..3).map(|_| Waiter::queued(&s, 6)).collect();
        let light: Vec<_> = (0..5).map(|_| Waiter::queued(&s, 1)).collect();
        let last = held.pop();
        let cancels = heavy.into_iter().map(|heavy| spawn(move || drop(heavy)));
        let releases = held.into_iter().map(|held| spawn(move || drop(held)));
        let threads: Vec<_> = shuffled(cancels.chain(releases).collect());
        let light = light
            .into_iter()
            .map(|waiter| spawn(move || waiter.wait().unwrap()));
        let permits = join(light.collect::<Vec<_>>());
        join(threads);
        drop((permits, last));
        assert_at_rest(&s);
    });
}

/// Each that is woken is dropped before it is polled, all at once: the permits
/// end with the last.
#[test]
fn woken_waiters_are_dropped() {
    explore(4000, || {
        let max = 1 + below(3);
        let (s, held) = taken(Kind::any(), max);
        let quitters: Vec<_> = (0..8).map(|_| Waiter::queued(&s, 1)).collect();
        let last = Waiter::queued(&s, max as u32);
        let release = spawn(move || drop(held));
        let cancels = shuffled(quitters).into_iter();
        let cancels = cancels.map(|waiter| spawn(move || drop(waiter)));
        join(cancels.chain([release]));
        drop(last.wait().unwrap());
        assert_at_rest(&s);
    });
}

/// Some wait for permits, some for idleness, some for a shrink to be through.
#[test]
fn watchers_and_waiters_together() {
    explore(4000, || {
        let (s, held) = taken(Kind::any(), 3);
        let waiters: Vec<_> = (0..4)
            .map(|who| {
                let s = s.clone();
                spawn(move || drop(block_on(s.acquire_many(1 + who % 2)).unwrap()))
            })
            .collect();
        let watchers: Vec<_> = (0..4)
            .map(|who| {
                let s = s.clone();
                spawn(move || match who {
                    0 => s.blocking_idle(),
                    1 => block_on(s.idle()),
                    2 => s.blocking_settled(),
                    _ => block_on(s.settled()),
                })
            })
            .collect();
        s.set_max(2);
        let releases: Vec<_> = held
            .into_iter()
            .map(|held| spawn(move || drop(held)))
            .collect();
        join(releases.into_iter().chain(waiters).chain(watchers));
        assert_at_rest(&s);
    });
}

/// Nobody in line, and nothing comes back: only growth can tell who waits for a
/// shrink to be through.
#[test]
fn growth_tells_watchers() {
    explore(2000, || {
        let (s, held) = taken(Kind::any(), 5);
        s.set_max(1);
        let watchers: Vec<_> = (0..4)
            .map(|who| {
                let s = s.clone();
                spawn(move || match who % 2 {
                    0 => s.blocking_settled(),
                    _ => block_on(s.settled()),
                })
            })
            .collect();
        let growth = (0..4).map(|_| {
            let s = s.clone();
            spawn(move || s.add_permits(1))
        });
        join(growth);
        join(watchers);
        drop(held);
        assert_at_rest(&s);
    });
}

/// Half gathered or not, a heavy one that goes leaves all to the others.
#[test]
fn heavy_waiters_come_and_go() {
    explore(4000, || {
        let house = House::new(Kind::any(), 6);
        let heavy = (0..4).map(|_| {
            let house = house.clone();
            spawn(move || {
                for _ in 0..2 {
                    let polls = below(5);
                    let waits =
                        house.enter(|s| Waiter::new(s, 6).wait_for(polls).ok_or(())?.map_err(drop));
                    drop(waits);
                }
            })
        });
        let light = (0..6).map(|_| {
            let house = house.clone();
            spawn(move || {
                for _ in 0..2 {
                    let guest = house.enter(|s| Waiter::new(s, 1 + below(2) as u32).wait());
                    yield_now();
                    drop(guest.unwrap());
                }
            })
        });
        join(heavy.chain(light).collect::<Vec<_>>());
        house.assert_at_rest();
    });
}

/// A thread behind a heavy front that nobody may pass: what is free and would do
/// for it does not keep it awake, or it would run in circles until the heavy one
/// is served.
#[test]
fn thread_behind_an_overdue_heavy_front_sleeps() {
    explore(2000, || {
        let (s, held) = taken(Kind::Eventual(Duration::ZERO), 4);
        let heavy = Waiter::queued(&s, 4);
        let behind = (0..3).map(|_| {
            let s = s.clone();
            spawn(move || drop(s.blocking_acquire().unwrap()))
        });
        let behind: Vec<_> = behind.collect();
        held.into_iter().for_each(drop);
        drop(heavy.wait().unwrap());
        join(behind);
        assert_at_rest(&s);
    });
}

/// Threads that wait while the closer has closed, and has not told them yet.
#[test]
fn threads_sleep_until_the_closer_tells() {
    explore(2000, || {
        let (s, held) = taken(Kind::any(), 2);
        let threads = (0..4).map(|_| {
            let s = s.clone();
            spawn(move || drop(s.blocking_acquire()))
        });
        let threads: Vec<_> = threads.collect();
        let theirs = s.clone();
        let close = spawn(move || theirs.close());
        drop(held);
        join(threads.into_iter().chain([close]));
        assert_at_rest(&s);
    });
}

/// One that is overdue is woken and does not come, so newcomers leave it what is free. When
/// it comes after all, it takes one of two: the other is for the newcomer that has left it.
#[test]
fn what_an_overdue_waiter_leaves_is_for_who_left_it() {
    explore(4000, || {
        let kind = Kind::Eventual(Duration::from_micros(5));
        let (s, mut held) = taken(kind, 2);
        let mut overdue = Waiter::queued(&s, 1);
        drop(held.pop());
        // It is woken by this, and each of those passes it.
        while let Ok(permit) = s.try_acquire() {
            drop(permit);
        }
        drop(held);
        let newcomer = Waiter::new(&s, 1);
        let newcomer = spawn(move || {
            let mut newcomer = newcomer;
            let answer = newcomer.poll();
            (newcomer, answer)
        });
        let served = spawn(move || overdue.granted());
        let (mut newcomer, answer) = newcomer.join().unwrap();
        let _served = served.join().unwrap();
        if answer.is_pending() {
            drop(newcomer.granted());
        }
    });
}
