//! Jobs in a rayon scope, which may borrow what outlives it.

use std::{cell::Cell, fmt, sync::Arc};

use rayon::Scope;

use super::{
    call::{self, Call, Grant, Scoped, Work},
    frames,
    source::Source,
    spawn::{Throttle, ThrottlePermit},
};
use crate::{AcquireError, Semaphore};

/// Spawns jobs in a [`rayon::Scope`] that run when they have their permits, and
/// may borrow what outlives the scope.
///
/// Made by [`Throttle::scoped`], within the scope: it keeps the jobs that wait, so
/// it may not outlive what they borrow. Cloning it gives another handle, for jobs
/// that spawn jobs. It is for the jobs of one scope: where two use it at once, the
/// one may see to jobs of the other.
///
/// # Deadlocks
///
/// A job that waits for nested rayon work must hold no lock that another job of the scope
/// takes, also where max is 1: while it waits its thread may run that other job, under the
/// permit that lies idle beneath it, and then waits for itself.
///
/// # Fairness
///
/// The jobs that wait stand in the semaphore's line by one request at a time,
/// and run in the order in which they were spawned. A permit that a job gives
/// back goes to the next of them if nobody else waits. What else
/// [holds for a call](super::ThrottleExt#fairness) holds for a scope.
///
/// # Examples
///
/// ```
/// use std::sync::{Arc, atomic::{AtomicUsize, Ordering::Relaxed}};
/// use dynaphore::{Semaphore, throttle::Throttle};
///
/// let throttle = Throttle::new(Arc::new(Semaphore::new(2)));
/// let words = ["borrowed", "from", "the", "stack"];
/// let letters = AtomicUsize::new(0);
/// rayon::scope(|scope| {
///     let jobs = throttle.scoped();
///     for word in &words {
///         jobs.spawn(scope, |_scope, _permit| {
///             letters.fetch_add(word.len(), Relaxed);
///         }).unwrap();
///     }
/// });
/// assert_eq!(letters.load(Relaxed), 20);
/// ```
#[derive(Clone)]
pub struct ScopeThrottle<'scope, S: Source = Arc<Semaphore>> {
    call: Arc<Call<S, Job<'scope>>>,
}

type Job<'scope> = Box<dyn FnOnce(&Scope<'scope>, ThrottlePermit<'_>) + Send + 'scope>;

impl<S: Source + 'static> Throttle<S> {
    /// A throttle of the same semaphore for jobs in a [`rayon::Scope`], which
    /// run in the scope's pool. For one job there is also
    /// [`scope_spawn`](Self::scope_spawn).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use dynaphore::{Semaphore, throttle::Throttle};
    ///
    /// let disk = Throttle::new(Arc::new(Semaphore::new(1)));
    /// let mut squares = [1, 2, 3];
    /// rayon::scope(|scope| {
    ///     let jobs = disk.scoped();
    ///     for n in &mut squares {
    ///         jobs.spawn(scope, |_scope, _permit| *n *= *n).unwrap();
    ///     }
    /// });
    /// assert_eq!(squares, [1, 4, 9]);
    /// ```
    #[must_use]
    pub fn scoped<'scope>(&self) -> ScopeThrottle<'scope, S> {
        ScopeThrottle {
            call: Arc::new(Call::new(self.source.clone(), false)),
        }
    }

    /// Spawns `job` in `scope`, which runs with a permit as soon as there is one
    /// for it, and may borrow what outlives the scope. The scope, whose pool it
    /// runs in, does not end before.
    ///
    /// It must hold no lock [while it waits for nested rayon work](ScopeThrottle#deadlocks).
    ///
    /// For a job here and there: each has a place in line of its own. Where many may wait
    /// at once, take [`scoped`](Self::scoped), where one request stands in line for all.
    ///
    /// # Errors
    ///
    /// As for [`ScopeThrottle::spawn`].
    ///
    /// # Panics
    ///
    /// The scope does, as for [`ScopeThrottle::spawn`].
    ///
    /// # Fairness
    ///
    /// That of the semaphore, for each job by itself. Those that wait take their
    /// places in line as workers come to them, which need not be in the order of
    /// the calls.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use dynaphore::{Semaphore, throttle::Throttle};
    ///
    /// let disk = Throttle::new(Arc::new(Semaphore::new(1)));
    /// let (mut left, mut right) = (0, 0);
    /// rayon::scope(|scope| {
    ///     disk.scope_spawn(scope, |_scope, _permit| left = 1).unwrap();
    ///     disk.scope_spawn(scope, |_scope, _permit| right = 2).unwrap();
    /// });
    /// assert_eq!((left, right), (1, 2));
    /// ```
    pub fn scope_spawn<'scope, F>(&self, scope: &Scope<'scope>, job: F) -> Result<(), S::Error>
    where
        F: FnOnce(&Scope<'scope>, ThrottlePermit<'_>) + Send + 'scope,
    {
        self.scoped().spawn(scope, job)
    }
}

impl<'scope, S: Source + 'scope> ScopeThrottle<'scope, S> {
    /// Spawns `job` in `scope`, which runs with a permit as soon as there is one
    /// for it. The scope does not end before.
    ///
    /// The permit goes back when `job` ends or drops it, also by a panic; the
    /// panic is dealt with as for [`Scope::spawn`].
    ///
    /// It must hold no lock [while it waits for nested rayon work](Self#deadlocks).
    ///
    /// # Errors
    ///
    /// [`AcquireError`](crate::AcquireError) if the semaphore is closed: `job` has
    /// been dropped. So are the jobs that wait when it is closed later.
    ///
    /// It may also be refused because it would have to wait and
    /// [may not](crate::Builder::max_waiting), or its key may not be in use. If
    /// that is clear at once, it is returned, and `job` has been dropped. If it
    /// turns out later, when no job of these runs any more and there is no place
    /// to wait for another permit, those that wait are dropped. One that is
    /// [overdue](crate::Builder::overdue) asks again.
    ///
    /// # Panics
    ///
    /// In that case the scope does, with the reason, when its other jobs are done.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use dynaphore::{Semaphore, throttle::Throttle};
    ///
    /// let throttle = Throttle::new(Arc::new(Semaphore::new(1)));
    /// let mut words = [String::new(), String::new()];
    /// let [first, second] = &mut words;
    /// rayon::scope(|scope| {
    ///     let jobs = throttle.scoped();
    ///     let more = jobs.clone();
    ///     jobs.spawn(scope, move |scope, _permit| {
    ///         // This one has to wait for the permit of the one that spawns it.
    ///         more.spawn(scope, |_scope, _permit| second.push_str("world")).unwrap();
    ///         first.push_str("hello");
    ///     })
    ///     .unwrap();
    /// });
    /// assert_eq!(words, ["hello", "world"]);
    /// ```
    pub fn spawn<F>(&self, scope: &Scope<'scope>, job: F) -> Result<(), S::Error>
    where
        F: FnOnce(&Scope<'scope>, ThrottlePermit<'_>) + Send + 'scope,
    {
        self.spawn_many(scope, 1, job)
    }

    /// Spawns `job` in `scope`, which runs with `n` permits as soon as it can
    /// have them together. Otherwise like [`spawn`](Self::spawn). A job that
    /// waits for many holds up those of this scope that were spawned after it, for ever if
    /// `n` stays above max.
    ///
    /// # Errors
    ///
    /// As for [`spawn`](Self::spawn).
    ///
    /// # Panics
    ///
    /// When `n` is larger than [`Semaphore::MAX_PERMITS`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use dynaphore::{Semaphore, throttle::Throttle};
    ///
    /// let mut count = 0;
    /// let throttle = Throttle::new(Arc::new(Semaphore::new(4)));
    /// rayon::scope(|scope| {
    ///     let jobs = throttle.scoped();
    ///     jobs.spawn_many(scope, 3, |_, permit| count = permit.num_permits()).unwrap();
    /// });
    /// assert_eq!(count, 3);
    /// ```
    #[track_caller]
    pub fn spawn_many<F>(&self, scope: &Scope<'scope>, n: u32, job: F) -> Result<(), S::Error>
    where
        F: FnOnce(&Scope<'scope>, ThrottlePermit<'_>) + Send + 'scope,
    {
        assert!(
            n as usize <= Semaphore::MAX_PERMITS,
            "a job may not need more than MAX_PERMITS permits (2147483647)"
        );
        let source = &self.call.source;
        let refusal = match self.call.is_pending() {
            // Others have permits or a place in line, and it has a part in that.
            true => source.now().closed.then(|| AcquireError::Closed.into()),
            false => source.would_refuse(n),
        };
        if let Some(error) = refusal {
            return Err(error);
        }
        let number = frames::number_call();
        self.call.queue.push(n, number, Box::new(job));
        let call = &self.call;
        Scoped { call, scope }.tend();
        Ok(())
    }
}

impl<'scope, S: Source + 'scope> fmt::Debug for ScopeThrottle<'scope, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopeThrottle")
            .field("source", &self.call.source)
            .field("waiting", &self.call.queue.len())
            .finish()
    }
}

impl call::Job for Job<'_> {}

impl<'s, S: Source + 's> Work<'s, S> for Job<'s> {
    fn work(scoped: &Scoped<'_, 's, S, Self>, grant: Grant<S::Permit>) {
        let call = scoped.call;
        let need = grant.permits();
        let Some(job) = call.queue.take(1, need) else {
            return;
        };
        let grant = Cell::new(Some(grant));
        // The permits go to the next job in the scope, or back to the semaphore.
        let give_back = || {
            let grant = grant.take();
            let has_next = |grant: &Grant<_>| call.queue.len() > 0 && call.goes_on(grant);
            if let Some(permit) = grant.filter(has_next).and_then(Grant::into_own) {
                scoped.hire(&mut call.duty(), Some(permit));
            }
        };
        job(scoped.scope, ThrottlePermit::new(&give_back, need));
    }
}
