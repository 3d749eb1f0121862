//! The workers of a pool, and what they have to do.

use std::{
    cell::RefCell,
    collections::VecDeque,
    sync::{
        Arc, LockResult, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use shuttle::{
    future,
    rand::{Rng, thread_rng},
    sync::{Condvar, Mutex, MutexGuard},
};

use crate::{Job, Outcome, Panic, caught, forget_lifetime};

pub(crate) struct Registry {
    state: Mutex<State>,
    /// Told of everything.
    changed: Condvar,
    workers: usize,
    numbers: AtomicU64,
}

#[derive(Default)]
struct State {
    /// Of each worker, the newest last.
    own: Vec<VecDeque<(u64, Job)>>,
    broadcasts: Vec<VecDeque<Job>>,
    injected: VecDeque<Job>,
    terminated: bool,
}

/// Who this thread is.
#[derive(Clone)]
pub(crate) struct Worker {
    pub(crate) registry: Arc<Registry>,
    pub(crate) index: usize,
}

/// Something that somebody waits for.
#[derive(Clone, Default)]
pub(crate) struct Latch(Arc<AtomicBool>);

impl Latch {
    fn is_set(&self) -> bool {
        self.0.load(Relaxed)
    }
}

shuttle::thread_local! {
    static WORKER: RefCell<Option<Worker>> = RefCell::new(None);
}

/// shuttle's locks are poisoned also by whoever takes them while it unwinds.
fn sound<T>(locked: LockResult<T>) -> T {
    locked.unwrap_or_else(PoisonError::into_inner)
}

impl Worker {
    pub(crate) fn current() -> Option<Self> {
        WORKER.with(|worker| worker.borrow().clone())
    }

    pub(crate) fn expect() -> Self {
        Self::current().expect("there is no global pool")
    }

    /// Spawns a job that only this call waits for, and that it may take back.
    pub(crate) fn push(&self, job: Job) -> u64 {
        let number = self.registry.numbers.fetch_add(1, Relaxed);
        self.registry.lock().own[self.index].push_back((number, job));
        self.registry.changed.notify_all();
        number
    }

    /// One of its own jobs, or a broadcast.
    pub(crate) fn take_local(&self) -> Option<Job> {
        self.registry
            .lock()
            .next_local(self.index)
            .map(|(_, job)| job)
    }

    /// Whatever it does next.
    pub(crate) fn take_any(&self) -> Option<Job> {
        self.registry.lock().next(self.index).map(|(_, job)| job)
    }

    /// Does other jobs until `latch` is set, or until it meets its own job
    /// `wanted`, which is left to the caller.
    pub(crate) fn wait(&self, latch: &Latch, wanted: Option<u64>) -> Option<Job> {
        loop {
            let next = {
                let mut state = self.registry.lock();
                loop {
                    if latch.is_set() {
                        return None;
                    }
                    if let Some(next) = state.next(self.index) {
                        break next;
                    }
                    state = sound(self.registry.changed.wait(state));
                }
            };
            match next {
                (Some(number), job) if Some(number) == wanted => return Some(job),
                (_, job) => job(),
            }
        }
    }
}

impl State {
    fn next_local(&mut self, index: usize) -> Option<(Option<u64>, Job)> {
        if let Some((number, job)) = self.own[index].pop_back() {
            return Some((Some(number), job));
        }
        self.broadcasts[index].pop_front().map(|job| (None, job))
    }

    /// What worker number `index` does next.
    fn next(&mut self, index: usize) -> Option<(Option<u64>, Job)> {
        if let Some(next) = self.next_local(index) {
            return Some(next);
        }
        let victims = self.own.len();
        let first = thread_rng().gen_range(0..victims);
        for victim in (first..victims).chain(0..first) {
            if let Some((number, job)) = self.own[victim].pop_front() {
                return Some((Some(number), job));
            }
        }
        self.injected.pop_front().map(|job| (None, job))
    }
}

impl Registry {
    pub(crate) fn new(workers: usize) -> Arc<Self> {
        let mut state = State::default();
        state.own.resize_with(workers, VecDeque::new);
        state.broadcasts.resize_with(workers, VecDeque::new);
        let registry = Arc::new(Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
            workers,
            numbers: AtomicU64::new(0),
        });
        for index in 0..workers {
            let registry = Arc::clone(&registry);
            // A task, since shuttle waits for all threads to end, and nobody waits
            // for this.
            drop(future::spawn(async move { registry.work(index) }));
        }
        registry
    }

    fn work(self: Arc<Self>, index: usize) {
        let worker = Worker {
            registry: self,
            index,
        };
        WORKER.with(|current| *current.borrow_mut() = Some(worker.clone()));
        loop {
            let (_, job) = {
                let mut state = worker.registry.lock();
                loop {
                    if let Some(next) = state.next(index) {
                        break next;
                    }
                    if state.terminated {
                        // The registry would be kept alive by its own worker.
                        drop(state);
                        WORKER.with(|current| *current.borrow_mut() = None);
                        return;
                    }
                    state = sound(worker.registry.changed.wait(state));
                }
            };
            job();
        }
    }

    pub(crate) fn workers(&self) -> usize {
        self.workers
    }

    pub(crate) fn spawn(self: &Arc<Self>, job: Job) {
        match Worker::current() {
            Some(worker) if Arc::ptr_eq(&worker.registry, self) => drop(worker.push(job)),
            _ => self.inject(job),
        }
    }

    fn inject(&self, job: Job) {
        self.lock().injected.push_back(job);
        self.changed.notify_all();
    }

    pub(crate) fn broadcast(&self, job: impl Fn(usize) + Send + Sync + 'static) {
        let job = Arc::new(job);
        {
            let mut state = self.lock();
            for (index, broadcasts) in state.broadcasts.iter_mut().enumerate() {
                let job = Arc::clone(&job);
                broadcasts.push_back(Box::new(move || job(index)));
            }
        }
        // No job is dropped under the lock.
        drop(job);
        self.changed.notify_all();
    }

    pub(crate) fn terminate(&self) {
        self.lock().terminated = true;
        self.changed.notify_all();
    }

    /// Sets `latch`, for which somebody waits who belongs to this registry, or
    /// to none and waits for this one.
    pub(crate) fn set(&self, latch: &Latch) {
        self.set_if(latch, || true);
    }

    /// Sets it if `last`, which is asked under the lock.
    pub(crate) fn set_if(&self, latch: &Latch, last: impl FnOnce() -> bool) {
        {
            let _state = self.lock();
            if !last() {
                return;
            }
            latch.0.store(true, Relaxed);
        }
        self.changed.notify_all();
    }

    /// Blocks a thread that is no worker.
    pub(crate) fn block(&self, latch: &Latch) {
        let state = self.lock();
        let waited = self.changed.wait_while(state, |_| !latch.is_set());
        drop(sound(waited));
    }

    /// Runs `op` on a worker of this pool.
    pub(crate) fn install<R: Send>(
        self: &Arc<Self>,
        op: impl FnOnce() -> R + Send,
    ) -> Result<R, Panic> {
        let current = Worker::current();
        if let Some(worker) = &current {
            if Arc::ptr_eq(&worker.registry, self) {
                return caught(op);
            }
        }
        let (latch, outcome) = (Latch::default(), Outcome::new());
        let whose = current.as_ref().map_or(self, |worker| &worker.registry);
        let job = {
            let (latch, outcome, whose) = (latch.clone(), outcome.clone(), Arc::clone(whose));
            move || {
                outcome.set(caught(op));
                whose.set(&latch);
            }
        };
        // SAFETY: this call does not return before the job has run.
        self.inject(unsafe { forget_lifetime(Box::new(job)) });
        match current {
            Some(worker) => drop(worker.wait(&latch, None)),
            None => self.block(&latch),
        }
        outcome.take()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        sound(self.state.lock())
    }
}
