//! Makes the calls of a script on the keyed semaphore and on the model, and
//! compares.

use std::{
    future::Future,
    hash::{BuildHasherDefault, DefaultHasher},
    mem::{forget, take},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use dynaphore::{
    KeyedPermit, KeyedSemaphore, OwnedKeyedPermit,
    error::{KeyedAcquireError, KeyedAcquireTimeoutError, KeyedTryAcquireError},
    future::KeyedAcquireOwned,
};

use super::{
    KEYS, Op, Script,
    model::{Entered, Keyed, Refusal},
};
use crate::{
    model::{Answer, Id, WakerId},
    wakers::Wakers,
};

mod compare;

/// The same on every run.
type Hasher = BuildHasherDefault<DefaultHasher>;
type Semaphores = KeyedSemaphore<String, Hasher>;

/// Strings, since to clone and to drop one is not nothing.
const NAMES: [&str; KEYS as usize] = ["a", "b", "c", "d"];

fn name(key: u8) -> &'static str {
    NAMES[usize::from(key)]
}

/// Runs a script.
///
/// # Panics
///
/// When the keyed semaphore and the model disagree.
pub fn run(script: &Script) {
    let builder = KeyedSemaphore::builder(script.max).hasher(Hasher::default());
    let keyed: Arc<Semaphores> = Arc::new(
        builder
            .shards(2)
            .max_keys(script.max_keys)
            .max_waiters_per_key(script.max_waiters)
            .build(),
    );
    let mut driver = Driver::new(&keyed, script);
    driver.compare();
    for (step, &op) in script.ops.iter().enumerate() {
        driver.now = Some((step, op));
        driver.step(op);
        driver.compare();
    }
    driver.now = None;
    driver.drop_all(script.end);
    drop(driver);
    assert_eq!(Arc::strong_count(&keyed), 1, "somebody kept the Arc");
}

#[derive(Debug)]
enum Permit<'a> {
    Borrowed(KeyedPermit<'a, String, Hasher>),
    Owned(OwnedKeyedPermit<String, Hasher>),
}

impl Permit<'_> {
    fn num_permits(&self) -> usize {
        match self {
            Self::Borrowed(permit) => permit.num_permits(),
            Self::Owned(permit) => permit.num_permits(),
        }
    }

    fn key(&self) -> &str {
        match self {
            Self::Borrowed(permit) => permit.key(),
            Self::Owned(permit) => permit.key(),
        }
    }

    fn split(&mut self, n: usize) -> Option<Self> {
        match self {
            Self::Borrowed(permit) => permit.split(n).map(Self::Borrowed),
            Self::Owned(permit) => permit.split(n).map(Self::Owned),
        }
    }
}

/// A permit, what it must be, and of which key.
struct Held<'a> {
    permit: Permit<'a>,
    key: u8,
    n: usize,
}

type Pending = Pin<Box<KeyedAcquireOwned<String, &'static str, Hasher>>>;

/// Where a future is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    New,
    Waits,
    Done,
}

struct Asked {
    id: Id,
    key: u8,
    n: usize,
    future: Pending,
    stage: Stage,
}

struct Driver<'a> {
    keyed: &'a Arc<Semaphores>,
    model: Keyed,
    permits: Vec<Held<'a>>,
    futures: Vec<Asked>,
    wakers: Wakers,
    next_id: Id,
    /// For messages. `None`: the end, where everything is dropped.
    now: Option<(usize, Op)>,
}

impl<'a> Driver<'a> {
    fn new(keyed: &'a Arc<Semaphores>, script: &Script) -> Self {
        Self {
            keyed,
            model: Keyed::new(script),
            permits: Vec::new(),
            futures: Vec::new(),
            wakers: Wakers::default(),
            next_id: 0,
            now: None,
        }
    }

    fn step(&mut self, op: Op) {
        let keyed = self.keyed;
        match op {
            Op::Try { key, n, owned } => self.try_acquire(key, n, owned),
            Op::Block { key, n, owned } => self.block(key, n, owned),
            Op::Start { key, n, poll } => {
                let future = Arc::clone(keyed).acquire_many_owned(name(key), n as u32);
                self.futures.push(Asked {
                    id: self.next_id,
                    key,
                    n,
                    future: Box::pin(future),
                    stage: Stage::New,
                });
                self.next_id += 1;
                if poll {
                    self.poll(self.futures.len() - 1);
                }
            }
            Op::Poll { which } => {
                if let Some(at) = pick(&self.futures, which) {
                    self.poll(at);
                }
            }
            Op::Cancel { which } => {
                if let Some(at) = pick(&self.futures, which) {
                    self.cancel(at);
                }
            }
            Op::Release { which } => {
                if let Some(at) = pick(&self.permits, which) {
                    self.release(at);
                }
            }
            Op::Split { which, n } => self.split(which, n),
            Op::Merge { into, from } => self.merge(into, from),
            Op::SetMax { key, n } => {
                let model = self.model.set_max(key, n);
                self.same("set_max", keyed.set_max(name(key), n).ok(), model);
            }
            Op::ClearMax { key } => {
                let model = self.model.clear_max(key);
                self.same("clear_max", keyed.clear_max(name(key)), model);
            }
            Op::SetDefault { n } => {
                let model = self.model.set_default(n);
                self.same("set_default_max", keyed.set_default_max(n), model);
            }
            Op::Close => {
                keyed.close();
                self.model.close();
            }
        }
    }

    fn try_acquire(&mut self, key: u8, n: usize, owned: bool) {
        let (keyed, name) = (self.keyed, name(key));
        let taken = if owned {
            let owner = Arc::clone(keyed);
            owner
                .try_acquire_many_owned(name, n as u32)
                .map(Permit::Owned)
        } else {
            keyed.try_acquire_many(name, n as u32).map(Permit::Borrowed)
        };
        let model = self.model.try_acquire(key, n).map_err(|why| match why {
            Refusal::Closed => KeyedTryAcquireError::Closed,
            Refusal::TooManyKeys => KeyedTryAcquireError::TooManyKeys,
            Refusal::Busy => KeyedTryAcquireError::NoPermits,
        });
        let found = taken.map(|permit| self.hold(permit, key, n));
        self.same("try_acquire_many", found, model);
    }

    fn block(&mut self, key: u8, n: usize, owned: bool) {
        const NOW: Duration = Duration::ZERO;
        let (keyed, name) = (self.keyed, name(key));
        let taken = if owned {
            let owner = Arc::clone(keyed);
            owner
                .blocking_acquire_many_owned_timeout(name, n as u32, NOW)
                .map(Permit::Owned)
        } else {
            keyed
                .blocking_acquire_many_timeout(name, n as u32, NOW)
                .map(Permit::Borrowed)
        };
        let model = match self.model.acquire(key, n) {
            Ok(Entered::Holds) => Ok(()),
            Ok(Entered::Waits) => {
                // It never comes to the line of the model.
                self.model.cancel(key, Id::MAX, n);
                Err(KeyedAcquireTimeoutError::Timeout)
            }
            Err(why) => Err(refused(why).into()),
        };
        let found = taken.map(|permit| self.hold(permit, key, n));
        self.same("blocking_acquire_many_timeout", found, model);
    }

    fn poll(&mut self, at: usize) {
        let Asked {
            id, key, n, stage, ..
        } = self.futures[at];
        if stage == Stage::Done {
            return;
        }
        let waker = self.new_waker();
        let entered = match stage {
            Stage::New => self.model.acquire(key, n),
            _ => Ok(Entered::Waits),
        };
        let model = match entered {
            Ok(Entered::Holds) => Poll::Ready(Ok(())),
            Ok(Entered::Waits) => self
                .model
                .poll(key, id, n, waker)
                .map(|answer| match answer {
                    Answer::Granted => Ok(()),
                    Answer::Closed => Err(KeyedAcquireError::Closed),
                }),
            Err(why) => Poll::Ready(Err(refused(why))),
        };
        let asked = &mut self.futures[at];
        let waker = self.wakers.get(waker);
        let polled = asked.future.as_mut().poll(&mut Context::from_waker(&waker));
        drop(waker);
        asked.stage = if polled.is_ready() {
            Stage::Done
        } else {
            Stage::Waits
        };
        let found = polled.map_ok(|permit| self.hold(Permit::Owned(permit), key, n));
        self.same("poll", found, model);
    }

    fn cancel(&mut self, at: usize) {
        let Asked {
            id,
            key,
            n,
            future,
            stage,
        } = self.futures.remove(at);
        drop(future);
        if stage == Stage::Waits {
            self.model.cancel(key, id, n);
        }
    }

    fn release(&mut self, at: usize) {
        let Held { permit, key, n } = self.permits.remove(at);
        drop(permit);
        self.model.release(key, n);
    }

    fn split(&mut self, which: usize, n: usize) {
        let Some(at) = pick(&self.permits, which) else {
            return;
        };
        let held = &mut self.permits[at];
        let key = held.key;
        let split = held.permit.split(n);
        let rest = held.n.checked_sub(n);
        held.n = rest.unwrap_or(held.n);
        self.same("split", split.is_some(), rest.is_some());
        if let Some(permit) = split {
            self.model.split(key);
            self.hold(permit, key, n);
        }
    }

    fn merge(&mut self, into: usize, from: usize) {
        let Some(from) = pick(&self.permits, from) else {
            return;
        };
        let from = self.permits.remove(from);
        let into = pick(&self.permits, into).filter(|&at| self.permits[at].key == from.key);
        let Some(into) = into.map(|at| &mut self.permits[at]) else {
            return self.permits.push(from);
        };
        match (&mut into.permit, from.permit) {
            (Permit::Borrowed(into), Permit::Borrowed(from)) => into.merge(from),
            (Permit::Owned(into), Permit::Owned(from)) => into.merge(from),
            (_, permit) => return self.permits.push(Held { permit, ..from }),
        }
        into.n += from.n;
        self.model.merge(from.key);
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
        for key in 0..KEYS {
            self.model.clear_max(key);
            self.keyed.clear_max(name(key));
            self.compare();
        }
        self.same("keys at the end", self.keyed.len(), 0);
    }

    fn hold(&mut self, permit: Permit<'a>, key: u8, n: usize) {
        self.permits.push(Held { permit, key, n });
    }

    fn new_waker(&mut self) -> WakerId {
        self.model.add_waker();
        self.wakers.add()
    }
}

impl Drop for Driver<'_> {
    /// As for the semaphore's.
    fn drop(&mut self) {
        if std::thread::panicking() {
            forget((take(&mut self.permits), take(&mut self.futures)));
        }
    }
}

fn refused(why: Refusal) -> KeyedAcquireError {
    match why {
        Refusal::Closed => KeyedAcquireError::Closed,
        Refusal::TooManyKeys => KeyedAcquireError::TooManyKeys,
        Refusal::Busy => KeyedAcquireError::TooManyWaiters,
    }
}

/// Which of `all` the script means, counting around.
fn pick<T>(all: &[T], which: usize) -> Option<usize> {
    which.checked_rem(all.len())
}
