//! The handle of a member.

use std::{
    fmt,
    hash::{BuildHasher, Hasher, RandomState},
    process,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
};

use dynaphore::Semaphore;
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    driver::{Command, Driver, Shared, State},
    error::{FleetError, StoreError},
    member::Member,
    message::FleetSnapshot,
    options::{Options, check_name, permits},
    store::Store,
};

/// One member of a fleet: processes that share one max.
///
/// It has a thread of its own, which renews the lease and moves shares, so that no
/// runtime that is busy makes it late. Its futures may be polled by any executor.
///
/// When it is dropped the member leaves in the background: what nobody holds goes back at
/// once, the rest as it comes back, and the semaphore is closed. A process that ends right
/// then has not left, and its share is back within the lease only: [`leave`](Self::leave) first.
///
/// The child of a process that forks has the semaphore and no thread that would lower its max:
/// it must not use that, and joins by itself.
///
/// # Examples
///
/// ```
/// use dynaphore_fleet::{Fleet, Memory, Options};
///
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// let fleet = Fleet::join(Memory::new(), "db", Options::new(64)).await?;
/// let permit = fleet.semaphore().acquire().await?;   // local, as ever
/// fleet.set_max(8).await?;                           // for all
/// drop(permit);
/// fleet.settled().await?;                            // no more than 8 are out anywhere
/// fleet.leave().await;
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Fleet {
    name: String,
    /// `shared` has it too: each acquire comes this way, and this is one step less.
    semaphore: Arc<Semaphore>,
    shared: Arc<Shared>,
    commands: mpsc::UnboundedSender<Command>,
}

impl Fleet {
    /// Joins the fleet `name`, or founds it, and waits for the first answer.
    ///
    /// The share may be 0 at first: others have to give theirs up. A store that may have
    /// forgotten members, a Redis that has started or in which nobody has founded the fleet
    /// before, grants nothing for one lease and grace.
    ///
    /// # Errors
    ///
    /// When the name or an option is not what it may be, when the store cannot be reached,
    /// lets nobody in or refuses, or when no thread can be started.
    ///
    /// # Cancel safety
    ///
    /// A member that has been half-way in leaves again, and closes its semaphore.
    pub async fn join(store: impl Store, name: &str, options: Options) -> Result<Self, FleetError> {
        check_name(name)?;
        let max = permits(options.max)?;
        let terms = options.terms()?;
        let semaphore = options
            .semaphore
            .unwrap_or_else(|| Arc::new(Semaphore::new(0)));
        semaphore.set_max(0);
        let shared = Arc::new(Shared {
            semaphore: Arc::clone(&semaphore),
            fence: AtomicU64::new(0),
            state: watch::Sender::new(State::Lost),
            last_error: Mutex::new(None),
        });
        let (commands, received) = mpsc::unbounded_channel();
        let (joined, answer) = oneshot::channel();
        let driver = Driver::new(
            store,
            name,
            Member::new(id(), max, terms),
            terms.lease,
            Arc::clone(&shared),
        );
        thread::Builder::new()
            .name("dynaphore-fleet".to_owned())
            .spawn(move || driver.run(received, joined))
            .map_err(|error| FleetError::Thread(Arc::new(error)))?;
        let fleet = Self {
            name: name.to_owned(),
            semaphore,
            shared,
            commands,
        };
        answer.await.map_err(|_| FleetError::Left)??;
        Ok(fleet)
    }

    /// The semaphore whose max is this member's share. Leave its max alone, and do not
    /// forget permits: all else is as with any other semaphore.
    #[must_use]
    pub fn semaphore(&self) -> &Arc<Semaphore> {
        &self.semaphore
    }

    /// The number of this member's life: larger than those of all lives before it, of any
    /// member. It changes when the lease has run out and the member has joined again.
    ///
    /// Read it *before* you acquire, and hand it to what you write to under the permit.
    /// What keeps the numbers of those that are members, as [`snapshot`](Self::snapshot)
    /// tells them, can turn away who has lost its lease and does not know yet.
    #[must_use]
    pub fn fence(&self) -> u64 {
        self.shared.fence.load(Relaxed)
    }

    /// Changes the fleet's max. Members that have more than their share of the new one
    /// let go as they hear of it, and their permits come back as holders drop them;
    /// [`settled`](Self::settled) waits for that.
    ///
    /// # Errors
    ///
    /// When `max` is more than [`Semaphore::MAX_PERMITS`], and when the store has no answer:
    /// the change may have been made then or not, or may be made later, also after one
    /// that you ask for next.
    pub async fn set_max(&self, max: usize) -> Result<(), FleetError> {
        let max = permits(max)?;
        self.ask(|answer| Command::SetMax(max, answer)).await
    }

    /// What the store knows of the fleet.
    ///
    /// # Errors
    ///
    /// When the store has no answer.
    pub async fn snapshot(&self) -> Result<FleetSnapshot, FleetError> {
        self.ask(Command::Snapshot).await
    }

    /// Waits until no more than the fleet's max are out, anywhere. After the store may have
    /// forgotten members that is a lease and a grace at least.
    ///
    /// # Errors
    ///
    /// When the store has no answer.
    pub async fn settled(&self) -> Result<(), FleetError> {
        self.ask(Command::Settled).await
    }

    /// How this member stands with the store.
    #[must_use]
    pub fn state(&self) -> State {
        *self.shared.state.borrow()
    }

    /// Waits until the member is in `state`, or has left: no state follows that. A state that
    /// it is in for a moment only may be missed.
    pub async fn wait_for(&self, state: State) {
        // The sender is here, so there is no error.
        let _ = self
            .shared
            .state
            .subscribe()
            .wait_for(|now| *now == state || *now == State::Left)
            .await;
    }

    /// Why the store had no answer when it had none last.
    #[must_use]
    pub fn last_error(&self) -> Option<StoreError> {
        self.shared
            .last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Leaves: closes the semaphore, gives back what nobody holds, and waits for the rest. A
    /// store that cannot be reached is waited for until the lease is over.
    ///
    /// # Cancel safety
    ///
    /// The member leaves all the same.
    pub async fn leave(self) {
        let mut state = self.shared.state.subscribe();
        let _ = self.commands.send(Command::Leave);
        let _ = state.wait_for(|now| *now == State::Left).await;
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Command,
    ) -> Result<T, FleetError> {
        let (answer, received) = oneshot::channel();
        self.commands
            .send(command(answer))
            .map_err(|_| FleetError::Left)?;
        Ok(received.await.map_err(|_| FleetError::Left)??)
    }
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fleet")
            .field("name", &self.name)
            .field("semaphore", &self.semaphore)
            .field("fence", &self.fence())
            .finish_non_exhaustive()
    }
}

/// Another one for each member, also after a fork.
fn id() -> u64 {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u32(process::id());
    if let Ok(time) = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH) {
        hasher.write_u128(time.as_nanos());
    }
    hasher.finish()
}

const _: () = {
    const fn assert_send_sync<T: Send + Sync>() {}
    assert_send_sync::<Fleet>();
};
