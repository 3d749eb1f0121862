//! The shapes of resizing that other semaphores got wrong, with more waiters,
//! holders and newcomers than loom can bear.

use std::{collections::HashMap, sync::Arc};

use dynaphore_shuttle_tests::{
    House, Kind, Waiter, assert_at_rest, below, block_on, explore, join, spawn, take, yield_now,
};

/// From 0 to k, in one step or in several that race, with more than k waiters:
/// the first k are in, and no newcomer.
#[test]
fn growth_from_a_pause_admits_as_many_as_fit() {
    explore(4000, || {
        let s = Kind::Fifo.semaphore(0);
        let many = 3 + below(10);
        let mut waiters: Vec<_> = (0..many).map(|_| Waiter::queued(&s, 1)).collect();
        let k = 1 + below(many - 1);
        let newcomers = (0..2).map(|_| {
            let s = s.clone();
            spawn(move || assert!(s.try_acquire().is_err()))
        });
        let newcomers: Vec<_> = newcomers.collect();
        if below(2) == 0 {
            s.set_max(k);
        } else {
            let steps = (0..k).map(|_| {
                let s = s.clone();
                spawn(move || s.add_permits(1))
            });
            join(steps);
        }
        join(newcomers);
        for (at, waiter) in waiters.iter().enumerate() {
            assert_eq!(waiter.woken(), usize::from(at < k));
        }
        assert_eq!((s.active(), s.waiting()), (k, many - k));
        let permits: Vec<_> = waiters[..k].iter_mut().map(Waiter::granted).collect();
        drop((permits, waiters));
        assert_at_rest(&s);
    });
}

/// However it competes: who waits is served up to k, and k are in.
#[test]
fn growth_wakes_as_many_as_fit_in_competition() {
    explore(3000, || {
        let s = Kind::competing().semaphore(0);
        let waiters: Vec<_> = (0..6)
            .map(|_| {
                let s = s.clone();
                spawn(move || s.blocking_acquire_owned().unwrap())
            })
            .collect();
        let newcomers = (0..2).map(|_| {
            let s = s.clone();
            spawn(move || drop(s.try_acquire()))
        });
        let newcomers: Vec<_> = newcomers.collect();
        s.set_max(2);
        s.add_permits(4);
        // All at once.
        let permits = join(waiters);
        join(newcomers);
        assert_eq!(s.active(), 6);
        drop(permits);
        assert_at_rest(&s);
    });
}

/// Five are in; max goes to 1 and to 3. Nobody enters until fewer than three are
/// in.
#[test]
fn nobody_enters_before_a_shrink_is_paid() {
    explore(4000, || {
        let s = Kind::any().semaphore(5);
        let held: Vec<_> = (0..5).map(|_| take(&s, 1)).collect();
        s.set_max(1);
        s.set_max(3);
        let left = Arc::new(std::sync::atomic::AtomicUsize::new(5));
        let arrivals: Vec<_> = (0..4)
            .map(|who| {
                let (s, left) = (s.clone(), left.clone());
                spawn(move || {
                    let permit = match who % 2 {
                        0 => s.blocking_acquire_owned().unwrap(),
                        _ => Waiter::new(&s, 1).wait().unwrap(),
                    };
                    let left = left.load(std::sync::atomic::Ordering::Relaxed);
                    assert!(left < 3, "{left} are left of those before");
                    drop(permit);
                })
            })
            .collect();
        for held in held {
            left.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
            drop(held);
            yield_now();
        }
        join(arrivals);
        assert_at_rest(&s);
    });
}

/// Ten, eight of them out, shrunk by four while some come back: as soon as the
/// call has returned nothing is to be had beyond the new max.
#[test]
fn idle_permits_are_gone_at_once() {
    explore(4000, || {
        let s = Kind::any().semaphore(10);
        let held: Vec<_> = (0..4).map(|_| take(&s, 2)).collect();
        let releases: Vec<_> = held
            .into_iter()
            .map(|held| spawn(move || drop(held)))
            .collect();
        assert_eq!(s.set_max(6), 10);
        let mut taken = Vec::new();
        while let Ok(permit) = s.clone().try_acquire_owned() {
            taken.push(permit);
            assert!(s.active() <= 6);
        }
        assert!(taken.len() <= 6);
        join(releases);
        drop(taken);
        assert_at_rest(&s);
    });
}

/// Permits keep coming back and somebody always waits: the shrink is through all
/// the same, and holds.
#[test]
fn shrink_takes_effect_under_load() {
    explore(3000, || {
        let house = House::new(Kind::any(), 5);
        let visitors = (0..8).map(|_| {
            let house = house.clone();
            spawn(move || {
                for _ in 0..3 {
                    let guest = house.enter(|s| Waiter::new(s, 1).wait());
                    yield_now();
                    drop(guest.unwrap());
                }
            })
        });
        let visitors: Vec<_> = visitors.collect();
        house.set_max(2);
        house.blocking_settled();
        for _ in 0..4 {
            assert!(house.active() <= 2);
            yield_now();
        }
        join(visitors);
        house.assert_at_rest();
    });
}

/// When a pause has begun nothing is granted; when it ends all are served.
#[test]
fn pause_and_resume() {
    explore(4000, || {
        let s = Kind::any().semaphore(3);
        let visitors = (0..6).map(|who| {
            let s = s.clone();
            spawn(move || {
                for _ in 0..2 {
                    match who % 2 {
                        0 => drop(s.blocking_acquire().unwrap()),
                        _ => drop(block_on(s.acquire_many(2)).unwrap()),
                    }
                }
            })
        });
        let visitors: Vec<_> = visitors.collect();
        s.set_max(0);
        assert!(s.try_acquire().is_err());
        block_on(s.idle());
        for _ in 0..3 {
            assert_eq!(s.active(), 0);
            assert!(s.try_acquire().is_err());
        }
        s.set_max(3);
        join(visitors);
        assert_at_rest(&s);
    });
}

/// More than max: they wait, the others go on, and growth serves them all.
#[test]
fn requests_for_more_than_max_hold_up_nobody() {
    explore(4000, || {
        let s = Kind::any().semaphore(3);
        let heavy: Vec<_> = (0..3)
            .map(|who| {
                let s = s.clone();
                spawn(move || drop(block_on(s.acquire_many(4 + who)).unwrap()))
            })
            .collect();
        let light = (0..5).map(|_| {
            let s = s.clone();
            spawn(move || {
                for n in 1..=3 {
                    drop(s.blocking_acquire_many(n).unwrap());
                }
            })
        });
        // Only these: nothing but the growth below serves the heavy ones.
        join(light);
        assert_eq!(s.active(), 0);
        for max in [5, 4, 6] {
            s.set_max(max);
        }
        join(heavy);
        assert_at_rest(&s);
    });
}

/// A shrink leaves some in line that are too heavy now, and a growth has them
/// back before those that came later.
#[test]
fn made_too_heavy_and_possible_again() {
    explore(4000, || {
        let s = Kind::Fifo.semaphore(4);
        let held = take(&s, 4);
        let mut heavy = [3, 4].map(|n| Waiter::queued(&s, n));
        let light = [1, 2].map(|n| Waiter::queued(&s, n));
        assert_eq!(s.set_max(2), 4);
        let release = spawn(move || drop(held));
        let light = light.map(|waiter| spawn(move || drop(waiter.wait().unwrap())));
        join(light.into_iter().chain([release]));
        let held = take(&s, 2);
        let mut later = Waiter::queued(&s, 1);
        let theirs = s.clone();
        let grow = spawn(move || assert_eq!(theirs.set_max(4), 2));
        let newcomer = s.try_acquire();
        assert!(newcomer.is_err());
        join([grow]);
        drop(held);
        assert_eq!(
            [heavy[0].woken(), heavy[1].woken(), later.woken()],
            [1, 0, 0]
        );
        drop(heavy[0].granted());
        drop(heavy[1].granted());
        drop(later.granted());
        assert_at_rest(&s);
    });
}

/// max goes down below what the first two want, and up again at the same moment:
/// the second does not pass the first while that steps aside.
#[test]
fn growth_against_stepping_aside() {
    explore(6000, || {
        let s = Kind::Fifo.semaphore(3);
        let held = take(&s, 1);
        let mut waiters = [3, 3, 2].map(|n| Waiter::queued(&s, n));
        let calls = [1, 4].map(|max| {
            let s = s.clone();
            spawn(move || {
                s.set_max(max);
            })
        });
        join(calls);
        // Whichever was the last.
        s.set_max(4);
        assert_eq!(waiters.each_ref().map(Waiter::woken), [1, 0, 0]);
        for waiter in &mut waiters {
            drop(waiter.granted());
        }
        drop(held);
        assert_at_rest(&s);
    });
}

/// Each call returns the max that it replaced: together they are one chain.
#[test]
fn racing_set_max() {
    explore(3000, || {
        let s = Kind::any().semaphore(0);
        let visitors = (0..3).map(|_| {
            let s = s.clone();
            spawn(move || drop(Waiter::new(&s, 2).wait_for(below(6))))
        });
        let visitors: Vec<_> = visitors.collect();
        let calls = (0..4).map(|who| {
            let s = s.clone();
            spawn(move || {
                let values = (0..3).map(|call| 1 + 3 * who + call);
                values.map(|max| (s.set_max(max), max)).collect::<Vec<_>>()
            })
        });
        let replaced: HashMap<_, _> = join(calls).into_iter().flatten().collect();
        assert_eq!(replaced.len(), 12, "each was replaced once");
        let chain = std::iter::successors(Some(&0), |max| replaced.get(max));
        assert_eq!(chain.clone().count(), 13);
        assert_eq!(chain.last(), Some(&s.max()));
        join(visitors);
        assert_at_rest(&s);
    });
}
