//! Where a fleet's shares are kept.

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::{Stream, StreamExt, stream};
use tokio::sync::broadcast;

use crate::{
    error::StoreError,
    ledger::Ledger,
    message::{FleetSnapshot, Grant, Refusal, Report},
};

/// A future of a store.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The fences of members that should report soon, each time that somebody is short.
pub type Calls = Pin<Box<dyn Stream<Item = Vec<u64>> + Send>>;

/// Where shares are kept: applies each request as one step, by a clock of its own.
///
/// A request may be lost, or its answer, or it may be applied twice or late: the
/// protocol allows for that. All methods run on the member's own thread, inside a tokio
/// runtime, and must not block it: that thread stops at the end of the lease. What they have
/// to do is [`Ledger`]'s: a store holds one for each fleet.
pub trait Store: Send + 'static {
    /// [`Ledger::sync`].
    fn sync<'a>(
        &'a mut self,
        fleet: &'a str,
        report: &'a Report,
    ) -> BoxFuture<'a, Result<Grant, StoreError>>;

    /// [`Ledger::set_max`].
    fn set_max<'a>(&'a mut self, fleet: &'a str, max: u32)
    -> BoxFuture<'a, Result<(), StoreError>>;

    /// [`Ledger::snapshot`].
    fn snapshot<'a>(
        &'a mut self,
        fleet: &'a str,
    ) -> BoxFuture<'a, Result<FleetSnapshot, StoreError>>;

    /// Listens to calls. Some may be missed: what they would have brought about comes
    /// with the next renewal then. The stream ends when the store is lost.
    fn calls<'a>(&'a mut self, fleet: &'a str) -> BoxFuture<'a, Result<Calls, StoreError>>;
}

/// A clock: the time since any moment.
type Now = Box<dyn Fn() -> Duration + Send + Sync>;

struct Fleets {
    ledgers: Mutex<HashMap<String, Ledger>>,
    calls: broadcast::Sender<(String, Vec<u64>)>,
    now: Now,
}

/// The store inside the process: for members of one process, and for tests. Clones are
/// the same store.
///
/// # Examples
///
/// ```
/// use dynaphore_fleet::{Fleet, Memory, Options};
///
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// let store = Memory::new();
/// let a = Fleet::join(store.clone(), "db", Options::new(10)).await?;
/// let b = Fleet::join(store, "db", Options::new(10)).await?;
/// let _permit = b.semaphore().acquire().await?;
/// assert_eq!(a.snapshot().await?.members.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Memory(Arc<Fleets>);

impl Memory {
    /// A store with no fleet in it, by the monotonic clock.
    #[must_use]
    pub fn new() -> Self {
        let start = Instant::now();
        Self::with_clock(move || start.elapsed())
    }

    /// A store by a clock of yours: the time since any moment. Where it goes back the
    /// store takes it to stand still.
    #[must_use]
    pub fn with_clock(now: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self(Arc::new(Fleets {
            ledgers: Mutex::default(),
            calls: broadcast::channel(64).0,
            now: Box::new(now),
        }))
    }

    /// Forgets all fleets, as a server does that starts again with nothing. As with
    /// such a one, nothing grows for a lease and a grace.
    pub fn forget_all(&self, lease: Duration, grace: Duration) {
        let now = (self.0.now)();
        for ledger in self.lock().values_mut() {
            *ledger = Ledger::new();
            ledger.quiet(now, lease, grace);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Ledger>> {
        // Nothing in there panics half-way.
        self.0
            .ledgers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(
        &self,
        fleet: &str,
        change: impl FnOnce(&mut Ledger, Duration) -> Result<(T, Vec<u64>), Refusal>,
    ) -> Result<T, StoreError> {
        // It is the user's, so without the lock. The ledger's time does not go back.
        let now = (self.0.now)();
        let (answer, fences) = {
            let mut ledgers = self.lock();
            let ledger = ledgers.entry(fleet.to_owned()).or_default();
            change(ledger, now)?
        };
        if !fences.is_empty() {
            // Nobody may be listening.
            let _ = self.0.calls.send((fleet.to_owned(), fences));
        }
        Ok(answer)
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

impl Store for Memory {
    fn sync<'a>(
        &'a mut self,
        fleet: &'a str,
        report: &'a Report,
    ) -> BoxFuture<'a, Result<Grant, StoreError>> {
        Box::pin(async move { self.change(fleet, |ledger, now| ledger.sync(now, report)) })
    }

    fn set_max<'a>(
        &'a mut self,
        fleet: &'a str,
        max: u32,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(
            async move { self.change(fleet, |ledger, now| Ok(((), ledger.set_max(now, max)?))) },
        )
    }

    fn snapshot<'a>(
        &'a mut self,
        fleet: &'a str,
    ) -> BoxFuture<'a, Result<FleetSnapshot, StoreError>> {
        Box::pin(async move {
            self.change(fleet, |ledger, now| Ok((ledger.snapshot(now)?, Vec::new())))
        })
    }

    fn calls<'a>(&'a mut self, fleet: &'a str) -> BoxFuture<'a, Result<Calls, StoreError>> {
        let receiver = self.0.calls.subscribe();
        let fleet = fleet.to_owned();
        let calls = stream::unfold(receiver, |mut receiver| async {
            loop {
                match receiver.recv().await {
                    Ok(call) => return Some((call, receiver)),
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        });
        let mine = calls
            .filter_map(move |(to, fences)| std::future::ready((to == fleet).then_some(fences)));
        Box::pin(std::future::ready(Ok(Box::pin(mine) as Calls)))
    }
}
