//! Jobs and iterators in a rayon pool, beside threads that ask for permits themselves.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use dynaphore::{
    Semaphore,
    throttle::{Throttle, ThrottleExt, ThrottlePermit},
};
use rayon::{Scope, ThreadPool, ThreadPoolBuilder, prelude::*};

use crate::{
    Faults, LARGEST,
    faults::{Draw, End, Inside, Tally},
    semaphore,
};

const CALLERS: u64 = 3;
/// So many jobs may wait. More would only make the end of an epoch longer.
const MANY: usize = 200;

/// What a job holds on to until it has run, or has been dropped.
struct Job(Arc<AtomicUsize>);

impl Job {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// What callers and jobs share for one epoch.
#[derive(Clone)]
struct Shop {
    semaphore: Arc<Semaphore>,
    pool: Arc<ThreadPool>,
    inside: Arc<Inside>,
    jobs: Arc<AtomicUsize>,
}

impl Shop {
    fn new() -> Self {
        // Like a job, a panic that nobody waits for ends here.
        let pool = ThreadPoolBuilder::new()
            .num_threads(3)
            .panic_handler(|_| ())
            .build();
        Self {
            semaphore: Arc::new(Semaphore::new(LARGEST)),
            pool: Arc::new(pool.expect("threads")),
            inside: Arc::default(),
            jobs: Arc::default(),
        }
    }

    /// A job, a scope or an iterator; or a thread's own request.
    fn one(&self, draw: &mut Draw, tally: &Tally) {
        let since = Instant::now();
        let n = 1 + draw.below(3) as u32;
        match draw.below(4) {
            0 if self.jobs.load(SeqCst) < MANY => {
                let (job, inside) = (Job::new(&self.jobs), Arc::clone(&self.inside));
                let mut drawn = draw.fork();
                let throttle =
                    Throttle::in_pool(Arc::clone(&self.semaphore), Arc::clone(&self.pool));
                let told = throttle.spawn_many(n, move |permit| {
                    let _job = job;
                    inside.hold(permit, n as usize, LARGEST, &mut drawn);
                });
                if told.is_err() {
                    tally.ended(End::Closed, since);
                }
            }
            1 => {
                let draw = Mutex::new(draw.fork());
                let told = self.pool.install(|| {
                    let items = (0..20).into_par_iter().with_max_len(1);
                    items.throttle_for_each(&self.semaphore, |_| self.hold(1, &draw))
                });
                tally.ended(told.map_or(End::Closed, |()| End::Granted), since);
            }
            2 => {
                let draw = &Mutex::new(draw.fork());
                let mut refused = false;
                self.pool.scope(|scope| {
                    let jobs = Throttle::new(Arc::clone(&self.semaphore)).scoped();
                    for _ in 0..5 {
                        let job = move |_: &Scope<'_>, permit: ThrottlePermit<'_>| {
                            self.hold(n, draw);
                            drop(permit);
                        };
                        refused |= jobs.spawn_many(scope, n, job).is_err();
                    }
                });
                let how = if refused { End::Closed } else { End::Granted };
                tally.ended(how, since);
            }
            _ => semaphore::come_and_go(&self.semaphore, &self.inside, draw, tally),
        }
    }

    /// Within `n` permits that somebody else gives back.
    fn hold(&self, n: u32, draw: &Mutex<Draw>) {
        let mut draw = draw.lock().unwrap_or_else(PoisonError::into_inner).fork();
        self.inside.hold((), n as usize, LARGEST, &mut draw);
    }
}

pub fn epoch(draw: &mut Draw, tally: &Tally) {
    let shop = Shop::new();
    let faults = Faults::new();
    let closes = draw.once_in(2);
    thread::scope(|scope| {
        let (shop, faults) = (&shop, &faults);
        for _ in 0..CALLERS {
            let mut draw = draw.fork();
            scope.spawn(move || {
                while !faults.are_over() {
                    tally.survive(|| shop.one(&mut draw, tally));
                }
            });
        }
        let change = |draw: &mut Draw| {
            shop.semaphore
                .set_max(draw.below(LARGEST as u64 + 1) as usize);
        };
        faults.go_on(draw, tally, change, || {
            if closes {
                shop.semaphore.close();
            }
        });
        tally.survive(|| shop.semaphore.set_max(LARGEST));
    });
    // Nobody waits for the jobs but this.
    while shop.jobs.load(SeqCst) > 0 {
        thread::sleep(Duration::from_micros(50));
    }
    shop.semaphore.blocking_idle();
    let now = shop.semaphore.snapshot();
    assert_eq!((now.active, now.waiting), (0, 0), "{:?}", shop.semaphore);
    assert_eq!(now.closed, closes);
}
