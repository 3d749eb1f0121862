//! Makes the calls of a script on the pool and on the model, and compares.

use std::{
    fmt::Debug,
    future::Future,
    mem::{forget, take},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use dynaphore::{
    Lease, LeasePool,
    error::{LeaseError, LeaseTimeoutError, TryLeaseError},
    future::{AcquireLease, Idle, Stopped},
};

use super::{
    KEYS, Key,
    model::{Answer, Model, Want},
    script::{Op, Script},
};
use crate::{
    model::{Id, WakerId},
    script::With,
    wakers::Wakers,
};

/// Runs a script.
///
/// # Panics
///
/// When the pool and the model disagree.
pub fn run(script: &Script) {
    let pool = LeasePool::new();
    let mut driver = Driver::new(&pool);
    driver.compare();
    for (step, &op) in script.ops.iter().enumerate() {
        driver.now = Some((step, op));
        driver.step(op);
        driver.compare();
    }
    driver.now = None;
    driver.drop_all(script.end);
}

/// A future of the pool's.
#[derive(Debug)]
enum Pending<'a> {
    Lease(Pin<Box<AcquireLease<Key>>>),
    Idle(Pin<Box<Idle<'a>>>),
    Stopped(Pin<Box<Stopped<'a>>>),
}

impl Pending<'_> {
    /// Those that wait for a state return no lease.
    fn poll(&mut self, waker: &Waker) -> Poll<Result<Option<Lease<Key>>, LeaseError>> {
        let cx = &mut Context::from_waker(waker);
        match self {
            Self::Lease(future) => future.as_mut().poll(cx).map_ok(Some),
            Self::Idle(future) => future.as_mut().poll(cx).map(|()| Ok(None)),
            Self::Stopped(future) => future.as_mut().poll(cx).map(|()| Ok(None)),
        }
    }
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
    pool: &'a LeasePool<Key>,
    model: Model,
    leases: Vec<Lease<Key>>,
    futures: Vec<Asked<'a>>,
    wakers: Wakers,
    shared: WakerId,
    next_id: Id,
    /// For messages. `None`: the end, where everything is dropped.
    now: Option<(usize, Op)>,
}

impl<'a> Driver<'a> {
    fn new(pool: &'a LeasePool<Key>) -> Self {
        let mut driver = Self {
            pool,
            model: Model::default(),
            leases: Vec::new(),
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
        let pool = self.pool;
        match op {
            Op::Set { key, target } => match self.model.set(key, target) {
                Some(before) => self.same("set", pool.set(key, target), before),
                None => self.refused(|| pool.set(key, target)),
            },
            Op::Try => {
                let model = self.model.try_acquire();
                let taken = pool.try_acquire().map(|lease| self.hold(lease));
                self.same("try_acquire", taken, model);
            }
            Op::Block => {
                let model = self.model.try_acquire().map_err(|error| match error {
                    TryLeaseError::Stopped => LeaseTimeoutError::Stopped,
                    _ => LeaseTimeoutError::Timeout,
                });
                let taken = pool.blocking_acquire_timeout(Duration::ZERO);
                let taken = taken.map(|lease| self.hold(lease));
                self.same("blocking_acquire_timeout", taken, model);
            }
            Op::Start { with, many } => {
                for _ in 0..many {
                    let future = Pending::Lease(Box::pin(pool.acquire()));
                    self.ask(Want::Lease, future, with);
                    self.compare();
                }
            }
            Op::Watch { idle: true, with } => {
                self.ask(Want::Idle, Pending::Idle(Box::pin(pool.idle())), with);
            }
            Op::Watch { idle: false, with } => {
                let future = Pending::Stopped(Box::pin(pool.stopped()));
                self.ask(Want::Stopped, future, with);
            }
            Op::Poll { which, with } => {
                if let Some(at) = which.checked_rem(self.futures.len()) {
                    self.poll(at, with);
                }
            }
            Op::Cancel { which, many } => {
                for _ in 0..many {
                    let Some(at) = which.checked_rem(self.futures.len()) else {
                        break;
                    };
                    self.cancel(at);
                    self.compare();
                }
            }
            Op::Release { which } => {
                if let Some(at) = which.checked_rem(self.leases.len()) {
                    self.release(at);
                }
            }
            Op::ReleaseExcess { which } => {
                if let Some(at) = which.checked_rem(self.leases.len()) {
                    self.release_excess(at);
                }
            }
            Op::Print => self.print(),
            Op::Stop => {
                pool.stop();
                self.model.stop();
            }
        }
    }

    fn ask(&mut self, want: Want, future: Pending<'a>, with: Option<With>) {
        let id = self.next_id;
        self.next_id += 1;
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
            (With::Last | With::New, _) => self.new_waker(),
            (With::Shared, _) => self.shared,
        };
        let asked = &mut self.futures[at];
        asked.last = Some(waker);
        let model = self.model.poll(asked.id, asked.want, waker);
        let polled = asked.future.poll(&self.wakers.get(waker));
        asked.done = polled.is_ready();
        let answer = polled.map(|polled| match polled {
            Err(_) => Answer::Refused,
            Ok(None) => Answer::Met,
            Ok(Some(lease)) => self.hold(lease),
        });
        self.same("poll", answer, model);
    }

    fn cancel(&mut self, at: usize) {
        let Asked {
            id, future, done, ..
        } = self.futures.remove(at);
        drop(future);
        if !done {
            self.model.cancel(id);
        }
    }

    fn release(&mut self, at: usize) {
        let lease = self.leases.remove(at);
        let key = *lease.key();
        drop(lease);
        self.model.release(key);
    }

    fn release_excess(&mut self, at: usize) {
        let lease = self.leases.remove(at);
        let key = *lease.key();
        let excessive = self.model.counts(key).excess() > 0;
        let kept = lease.release_excess();
        self.same("given up", kept.is_none(), excessive);
        match kept {
            Some(lease) => self.leases.push(lease),
            None => self.model.release(key),
        }
    }

    fn print(&self) {
        let futures: Vec<_> = self.futures.iter().map(|asked| &asked.future).collect();
        let text = format!("{:?} {:?} {futures:?}", self.pool, self.leases);
        assert!(!text.is_empty());
    }

    /// Drops what is left, in an order that `end` picks.
    fn drop_all(&mut self, mut end: usize) {
        loop {
            let left = self.leases.len() + self.futures.len();
            if left == 0 {
                break;
            }
            let at = end % left;
            end /= left;
            match at.checked_sub(self.leases.len()) {
                None => self.release(at),
                Some(at) => self.cancel(at),
            }
            self.compare();
        }
        for key in 0..KEYS {
            let before = self.model.set(key, 0);
            self.same("set", Some(self.pool.set(key, 0)), before);
        }
        self.same("keys at the end", self.pool.len(), 0);
        self.same("active at the end", self.pool.active(), 0);
        self.same("waiting at the end", self.pool.waiting(), 0);
    }

    fn hold(&mut self, lease: Lease<Key>) -> Answer {
        let answer = Answer::Lease(*lease.key(), lease.id());
        self.leases.push(lease);
        answer
    }

    fn new_waker(&mut self) -> WakerId {
        self.model.wakes.push(0);
        self.wakers.add()
    }

    /// The call must panic and name the reason; `compare` sees that nothing has
    /// changed. Left out under libFuzzer, which aborts at any panic.
    fn refused<T>(&self, call: impl FnOnce() -> T) {
        if cfg!(fuzzing) {
            return;
        }
        let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(call()))) else {
            panic!("{}: accepted more than MAX_LEASES", self.place());
        };
        let message = panic
            .downcast::<String>()
            .map_or_else(|_| String::new(), |text| *text);
        self.same("names the bound", message.contains("MAX_LEASES"), true);
    }

    /// Compares all that can be seen without a call that changes something.
    fn compare(&self) {
        let (pool, model) = (self.pool, &self.model);
        for key in 0..KEYS {
            self.same("counts", pool.counts(&key), model.counts(key));
        }
        let mut snapshot = pool.snapshot();
        snapshot.sort_unstable_by_key(|(key, _)| *key);
        self.same("snapshot", snapshot, model.snapshot());
        self.same("len", pool.len(), model.snapshot().len());
        self.same("active", pool.active(), model.active());
        self.same("waiting", pool.waiting(), model.waiting());
        self.same("is_stopped", pool.is_stopped(), model.is_stopped());
        for lease in &self.leases {
            self.same(
                "a lease's counts",
                lease.counts(),
                model.counts(*lease.key()),
            );
        }
        self.same("wakes", &self.wakers.wakes(), &model.wakes);
        let registered = model.registered();
        self.same("clones of wakers", &self.wakers.clones(), &registered);
    }

    #[track_caller]
    fn same<T: PartialEq + Debug>(&self, what: &str, found: T, model: T) {
        assert!(
            found == model,
            "{}: {what}: the pool says {found:?}, the model {model:?}",
            self.place()
        );
    }

    fn place(&self) -> String {
        match self.now {
            Some((step, op)) => format!("call {step}, {op:?}"),
            None => "at the end".to_owned(),
        }
    }
}

impl Drop for Driver<'_> {
    /// After a disagreement a lease may panic as well, and the second panic
    /// would abort before proptest can look for a shorter script.
    fn drop(&mut self) {
        if std::thread::panicking() {
            forget((take(&mut self.leases), take(&mut self.futures)));
        }
    }
}
