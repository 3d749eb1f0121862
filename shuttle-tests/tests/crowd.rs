//! Many threads and tasks that come in every way there is, hold, give up, resize
//! and close. At each entry no more are in than some max of that time; in the
//! end nobody sleeps, nothing is lost, and nobody's waker is kept.

use std::{
    sync::{Arc, Mutex},
    time::Instant,
};

use dynaphore::AcquireTimeoutError;
use dynaphore_shuttle_tests::{
    Count, Guest, House, Kind, Waiter, below, block_on, explore, join, lock, spawn, yield_now,
};

/// What else goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weather {
    Calm,
    /// max goes up and down, to 0 and below what is asked for.
    Resized,
    /// Permits leave for good, and as many new ones come.
    Forgetful,
    Closed,
}

struct Crowd {
    house: Arc<House>,
    weather: Weather,
    wakers: Mutex<Vec<Arc<Count>>>,
}

const MAX: usize = 4;

/// No request is for more.
const HEAVIEST: usize = 3;

impl Crowd {
    /// Comes in one of all ways. `None`: it gave up, or has been told of the
    /// close.
    fn come(&self) -> Option<Guest> {
        let n = (1 + below(HEAVIEST)) as u32;
        let house = &self.house;
        // These two do not give up: all that can come between is the close.
        let served = match below(6) {
            0 => house.enter(|s| s.clone().blocking_acquire_many_owned(n)),
            1 => house.enter(|s| Waiter::new(s, n).wait()),
            2 => {
                let polls = below(4);
                let waits = |s: &_| Waiter::new(s, n).wait_for(polls).and_then(Result::ok);
                return house.enter(|s| waits(s).ok_or(())).ok();
            }
            3 => {
                // It waits in line for as long as a thread lingers.
                let now = Instant::now();
                let guest = house.enter(|s| s.clone().blocking_acquire_many_owned_deadline(n, now));
                if let Err(AcquireTimeoutError::Closed) = guest {
                    assert!(house.is_closed());
                }
                return guest.ok();
            }
            4 => return house.enter(|s| s.clone().try_acquire_many_owned(n)).ok(),
            _ => return house.enter(|s| self.look_in(s, n).ok_or(())).ok(),
        };
        assert!(served.is_ok() || self.weather == Weather::Closed);
        served.ok()
    }

    /// Polls some times, woken or not, and goes.
    fn look_in(
        &self,
        semaphore: &Arc<dynaphore::Semaphore>,
        n: u32,
    ) -> Option<dynaphore::OwnedSemaphorePermit> {
        let mut waiter = Waiter::new(semaphore, n);
        lock(&self.wakers).push(waiter.waker());
        for _ in 0..=below(3) {
            if let std::task::Poll::Ready(permit) = waiter.poll() {
                return permit.ok();
            }
            yield_now();
        }
        None
    }

    fn stay(&self, mut guest: Guest) {
        for _ in 0..below(3) {
            yield_now();
        }
        match below(4) {
            0 => guest.split_and_merge(1),
            1 => guest.give_back(1),
            2 if self.weather == Weather::Forgetful => {
                let n = guest.num_permits();
                guest.forget();
                self.house.add_permits(n);
            }
            _ => {}
        }
    }

    fn resize(&self) {
        for _ in 0..4 {
            self.house.set_max(below(MAX + 3));
            if below(2) == 0 {
                self.house.blocking_settled();
            }
        }
        self.house.set_max(MAX);
        block_on(self.house.settled());
    }
}

fn crowd(kind: Kind, weather: Weather) {
    let crowd = Arc::new(Crowd {
        house: House::new(kind, MAX),
        weather,
        wakers: Mutex::default(),
    });
    let guests = 6 + below(7);
    let mut threads: Vec<_> = (0..guests)
        .map(|_| {
            let crowd = crowd.clone();
            spawn(move || {
                for _ in 0..2 {
                    if let Some(guest) = crowd.come() {
                        crowd.stay(guest);
                    }
                }
            })
        })
        .collect();
    let theirs = crowd.clone();
    match weather {
        Weather::Resized => threads.push(spawn(move || theirs.resize())),
        Weather::Closed => threads.push(spawn(move || {
            for _ in 0..below(20) {
                yield_now();
            }
            theirs.house.close();
            theirs.house.blocking_idle();
        })),
        Weather::Calm | Weather::Forgetful => {}
    }
    join(threads);
    crowd.house.assert_at_rest();
    assert!(crowd.house.is_closed() || crowd.house.max() == MAX);
    for waker in lock(&crowd.wakers).iter() {
        assert_eq!(Arc::strong_count(waker), 1, "a waker is kept");
    }
}

#[test]
fn calm() {
    explore(6000, || crowd(Kind::any(), Weather::Calm));
}

#[test]
fn resized() {
    explore(6000, || crowd(Kind::any(), Weather::Resized));
}

#[test]
fn forgetful() {
    explore(4000, || crowd(Kind::any(), Weather::Forgetful));
}

#[test]
fn closed() {
    explore(4000, || crowd(Kind::any(), Weather::Closed));
}
