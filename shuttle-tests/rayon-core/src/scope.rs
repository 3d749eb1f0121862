//! Jobs that end before what they borrow.

use std::{
    marker::PhantomData,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use crate::{
    Panic, caught, forget_lifetime,
    registry::{Latch, Registry, Worker},
    unwrapped,
};

pub struct Scope<'scope> {
    shared: Arc<Shared>,
    #[allow(clippy::type_complexity)]
    marker: PhantomData<Box<dyn FnOnce(&Scope<'scope>) + Send + Sync + 'scope>>,
}

struct Shared {
    registry: Arc<Registry>,
    /// That of the thread that waits.
    waits: Arc<Registry>,
    /// The scope itself and its jobs.
    pending: AtomicUsize,
    done: Latch,
    panic: Mutex<Option<Panic>>,
}

impl Shared {
    fn complete<R>(&self, result: Result<R, Panic>) -> Option<R> {
        let result = match result {
            Ok(result) => Some(result),
            Err(panic) => {
                self.panic.lock().unwrap().get_or_insert(panic);
                None
            }
        };
        let last = || self.pending.fetch_sub(1, Relaxed) == 1;
        self.waits.set_if(&self.done, last);
        result
    }
}

impl<'scope> Scope<'scope> {
    pub fn spawn(&self, job: impl FnOnce(&Scope<'scope>) + Send + 'scope) {
        self.shared.pending.fetch_add(1, Relaxed);
        let scope = Scope {
            shared: Arc::clone(&self.shared),
            marker: PhantomData,
        };
        let job = move || {
            let result = caught(|| job(&scope));
            scope.shared.complete(result);
        };
        // SAFETY: the scope does not end before the job has, nor does what
        // 'scope is.
        let job = unsafe { forget_lifetime(Box::new(job)) };
        self.shared.registry.spawn(job);
    }
}

/// On a worker.
pub fn scope<'scope, R>(op: impl FnOnce(&Scope<'scope>) -> R + Send) -> R {
    in_place_scope(op)
}

pub fn in_place_scope<'scope, R>(op: impl FnOnce(&Scope<'scope>) -> R) -> R {
    let registry = Worker::expect().registry;
    in_place(&registry, op)
}

pub(crate) fn in_place<'scope, R>(
    registry: &Arc<Registry>,
    op: impl FnOnce(&Scope<'scope>) -> R,
) -> R {
    let worker = Worker::current();
    let waits = worker.as_ref().map_or(registry, |worker| &worker.registry);
    let shared = Arc::new(Shared {
        registry: Arc::clone(registry),
        waits: Arc::clone(waits),
        pending: AtomicUsize::new(1),
        done: Latch::default(),
        panic: Mutex::default(),
    });
    let scope = Scope {
        shared: Arc::clone(&shared),
        marker: PhantomData,
    };
    let result = caught(|| op(&scope));
    let result = shared.complete(result);
    match worker {
        Some(worker) => drop(worker.wait(&shared.done, None)),
        None => registry.block(&shared.done),
    }
    if let Some(panic) = shared.panic.lock().unwrap().take() {
        unwrapped::<()>(Err(panic));
    }
    result.expect("no panic")
}
