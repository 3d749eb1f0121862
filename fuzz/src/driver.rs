//! Makes the calls of a script on the semaphore and on the model, and compares.

use std::{
    mem::{forget, take},
    sync::Arc,
    task::Poll,
};

use dynaphore::{AcquireTimeoutError, Semaphore};

use crate::{
    handles::{Pending, Permit},
    model::{Answer, Id, Model, WakerId, Want},
    script::{Op, Script, With},
    wakers::Wakers,
};

mod compare;

/// Runs a script.
///
/// # Panics
///
/// When the semaphore and the model disagree.
pub fn run(script: &Script) {
    let semaphore = Arc::new(script.mode.builder(script.max).build());
    let mut driver = Driver::new(&semaphore, script);
    driver.compare();
    for (step, &op) in script.ops.iter().enumerate() {
        driver.now = Some((step, op));
        driver.step(op);
        driver.compare();
    }
    driver.now = None;
    if script.mode.competes() {
        // Those woken come at last: nobody may be left beside free permits.
        driver.heed();
    }
    driver.drop_all(script.end);
    drop(driver);
    assert_eq!(Arc::strong_count(&semaphore), 1, "somebody kept the Arc");
}

/// A permit, and how many it must be.
struct Held<'a> {
    permit: Permit<'a>,
    n: usize,
}

/// A future; kept when it is done, since that must not keep others waiting.
struct Asked<'a> {
    id: Id,
    want: Want,
    future: Pending<'a>,
    last: Option<WakerId>,
    done: bool,
}

struct Driver<'a> {
    semaphore: &'a Arc<Semaphore>,
    model: Model,
    permits: Vec<Held<'a>>,
    futures: Vec<Asked<'a>>,
    wakers: Wakers,
    shared: WakerId,
    next_id: Id,
    /// For messages. `None`: the end, where everything is dropped.
    now: Option<(usize, Op)>,
}

impl<'a> Driver<'a> {
    fn new(semaphore: &'a Arc<Semaphore>, script: &Script) -> Self {
        let mut driver = Self {
            semaphore,
            model: Model::new(script.mode, script.max),
            permits: Vec::new(),
            futures: Vec::new(),
            wakers: Wakers::default(),
            shared: 0,
            next_id: 0,
            now: None,
        };
        driver.shared = driver.new_waker();
        driver
    }

    fn step(&mut self, op: Op) {
        let semaphore = self.semaphore;
        match op {
            Op::Try { n, owned } => self.try_acquire(n, owned),
            Op::Block { n, owned } => self.block(n, owned),
            Op::Start {
                n,
                owned,
                with,
                many,
            } => self.start(n, owned, with, many),
            Op::Watch { idle, with } => {
                let (want, future) = if idle {
                    (Want::Idle, Pending::idle(semaphore))
                } else {
                    (Want::Settled, Pending::settled(semaphore))
                };
                self.ask(want, future, with);
            }
            Op::Poll { which, with } => {
                if let Some(at) = pick(&self.futures, which) {
                    self.poll(at, with);
                }
            }
            Op::Heed => self.heed(),
            Op::Cancel { which, many } => {
                for _ in 0..many {
                    let Some(at) = pick(&self.futures, which) else {
                        break;
                    };
                    self.cancel(at);
                    self.compare();
                }
            }
            Op::Release { which } => {
                if let Some(at) = pick(&self.permits, which) {
                    self.release(at);
                }
            }
            Op::Forget { which } => {
                if let Some(at) = pick(&self.permits, which) {
                    let Held { permit, n } = self.permits.remove(at);
                    permit.forget();
                    self.model.forget_held(n);
                }
            }
            Op::Split { which, n } => self.split(which, n),
            Op::Merge { into, from } => self.merge(into, from),
            Op::SetMax { n } => match self.model.set_max(n) {
                Some(before) => self.same("set_max", semaphore.set_max(n), before),
                None => self.refused(|| semaphore.set_max(n)),
            },
            Op::AddPermits { n } => match self.model.add_permits(n) {
                Some(()) => semaphore.add_permits(n),
                None => self.refused(|| semaphore.add_permits(n)),
            },
            Op::ForgetPermits { n } => {
                let gone = self.model.forget_permits(n);
                self.same("forget_permits", semaphore.forget_permits(n), gone);
            }
            Op::Print => self.print(),
            Op::Close => {
                semaphore.close();
                self.model.close();
            }
        }
    }

    fn try_acquire(&mut self, n: usize, owned: bool) {
        let semaphore = self.semaphore;
        let take = || Permit::acquire_now(semaphore, narrow(n), owned);
        if n > Semaphore::MAX_PERMITS {
            return self.refused(take);
        }
        let model = self.model.take(n);
        let taken = take().map(|permit| self.hold(permit, n));
        self.same("try_acquire", taken, model);
    }

    fn block(&mut self, n: usize, owned: bool) {
        let semaphore = self.semaphore;
        let take = || Permit::acquire_blocking(semaphore, narrow(n), owned);
        if n > Semaphore::MAX_PERMITS {
            return self.refused(take);
        }
        // Its waker is the thread's.
        let (id, waker) = (self.new_id(), self.new_waker());
        let model = match self.model.block(id, n, waker) {
            Poll::Ready(Answer::Granted) => Ok(()),
            Poll::Ready(Answer::Closed) => Err(AcquireTimeoutError::Closed),
            Poll::Pending => Err(AcquireTimeoutError::Timeout),
        };
        let taken = take().map(|permit| self.hold(permit, n));
        self.same("blocking_acquire_timeout", taken, model);
    }

    fn start(&mut self, n: usize, owned: bool, with: Option<With>, many: usize) {
        let semaphore = self.semaphore;
        let future = || Pending::acquire(semaphore, narrow(n), owned);
        if n > Semaphore::MAX_PERMITS {
            return self.refused(future);
        }
        for _ in 0..many {
            self.ask(Want::Permits(n), future(), with);
            self.compare();
        }
    }

    fn ask(&mut self, want: Want, future: Pending<'a>, with: Option<With>) {
        let id = self.new_id();
        self.futures.push(Asked {
            id,
            want,
            future,
            last: None,
            done: false,
        });
        if let Some(with) = with {
            self.poll(self.futures.len() - 1, with);
        }
    }

    fn poll(&mut self, at: usize, with: With) {
        if self.futures[at].done {
            return;
        }
        let waker = match (with, self.futures[at].last) {
            (With::Last, Some(last)) => last,
            (With::Shared, _) => self.shared,
            _ => self.new_waker(),
        };
        let asked = &mut self.futures[at];
        asked.last = Some(waker);
        let model = self.model.poll(asked.id, asked.want, waker);
        let polled = asked.future.poll(&self.wakers.get(waker));
        asked.done = polled.is_ready();
        let want = asked.want;
        let answer = polled.map(|polled| match (polled, want) {
            (Err(_), _) => Answer::Closed,
            (Ok(None), _) => Answer::Granted,
            (Ok(Some(permit)), Want::Permits(n)) => {
                self.hold(permit, n);
                Answer::Granted
            }
            (Ok(Some(_)), _) => unreachable!("a permit for waiting for a state"),
        });
        self.same("poll", answer, model);
    }

    /// Nobody has to come more often than once: no permit comes back meanwhile.
    fn heed(&mut self) {
        for _ in 0..self.futures.len() {
            let mut ids = self.futures.iter().map(|asked| asked.id);
            let Some(at) = ids.position(|id| self.model.is_awake(id)) else {
                return;
            };
            self.poll(at, With::Last);
            self.compare();
        }
        let mut ids = self.futures.iter().map(|asked| asked.id);
        let awake = ids.any(|id| self.model.is_awake(id));
        self.same("somebody woken has not come", awake, false);
    }

    fn cancel(&mut self, at: usize) {
        let Asked {
            id,
            want,
            future,
            done,
            ..
        } = self.futures.remove(at);
        drop(future);
        if !done {
            self.model.cancel(id, want);
        }
    }

    fn release(&mut self, at: usize) {
        let Held { permit, n } = self.permits.remove(at);
        drop(permit);
        self.model.release(n);
    }

    fn split(&mut self, which: usize, n: usize) {
        let Some(at) = pick(&self.permits, which) else {
            return;
        };
        let held = &mut self.permits[at];
        let split = held.permit.split(n);
        let rest = held.n.checked_sub(n);
        let found = split.as_ref().map(Permit::num_permits);
        held.n = rest.unwrap_or(held.n);
        self.same("split", found, rest.map(|_| n));
        if let Some(permit) = split {
            self.hold(permit, n);
        }
    }

    fn merge(&mut self, into: usize, from: usize) {
        let Some(from) = pick(&self.permits, from) else {
            return;
        };
        let Held { permit, n } = self.permits.remove(from);
        let Some(into) = pick(&self.permits, into) else {
            return self.hold(permit, n);
        };
        match self.permits[into].permit.merge(permit) {
            Ok(()) => self.permits[into].n += n,
            Err(permit) => self.hold(permit, n),
        }
    }

    fn print(&self) {
        let permits: Vec<_> = self.permits.iter().map(|held| &held.permit).collect();
        let futures: Vec<_> = self.futures.iter().map(|asked| &asked.future).collect();
        let text = format!("{:?} {permits:?} {futures:?}", self.semaphore);
        assert!(!text.is_empty());
    }

    /// Drops what is left, in an order that `end` picks.
    fn drop_all(&mut self, mut end: usize) {
        loop {
            let left = self.permits.len() + self.futures.len();
            if left == 0 {
                break;
            }
            let at = end % left;
            end /= left;
            match at.checked_sub(self.permits.len()) {
                None => self.release(at),
                Some(at) => self.cancel(at),
            }
            self.compare();
        }
        self.same("active at the end", self.semaphore.active(), 0);
        self.same("waiting at the end", self.semaphore.waiting(), 0);
    }

    fn hold(&mut self, permit: Permit<'a>, n: usize) {
        self.permits.push(Held { permit, n });
    }

    fn new_id(&mut self) -> Id {
        self.next_id += 1;
        self.next_id
    }

    fn new_waker(&mut self) -> WakerId {
        self.model.wakes.push(0);
        self.wakers.add()
    }
}

impl Drop for Driver<'_> {
    /// After a disagreement a permit may panic as well, and the second panic
    /// would abort before proptest can look for a shorter script.
    fn drop(&mut self) {
        if std::thread::panicking() {
            forget((take(&mut self.permits), take(&mut self.futures)));
        }
    }
}

/// Which of `all` the script means, counting around.
fn pick<T>(all: &[T], which: usize) -> Option<usize> {
    which.checked_rem(all.len())
}

/// More than `u32` holds is as refused as `u32::MAX` is.
fn narrow(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
