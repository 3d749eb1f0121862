//! Making a keyed semaphore.

use std::{fmt, hash::RandomState, marker::PhantomData, thread, time::Duration};

use super::{
    semaphore::KeyedSemaphore,
    shards::{Settings, Shards},
};
use crate::{
    Fairness,
    error::SetMaxError,
    semaphore::{Policy, checked, try_checked},
};

const MAX_SHARDS: usize = 1 << 16;

/// Making one.
impl<K> KeyedSemaphore<K> {
    /// A keyed semaphore with `max` permits for each key, 0 to
    /// [`Semaphore::MAX_PERMITS`](crate::Semaphore::MAX_PERMITS).
    ///
    /// # Panics
    ///
    /// When `max` is larger than `MAX_PERMITS`.
    ///
    /// # Examples
    ///
    /// ```
    /// let users = dynaphore::KeyedSemaphore::<u64>::new(3);
    /// assert_eq!(users.max(&17), 3);
    /// ```
    #[must_use]
    #[track_caller]
    pub fn new(max: usize) -> Self {
        Self::builder(max).build()
    }

    /// Starts to make a keyed semaphore with `max` permits for each key, 0 to
    /// [`Semaphore::MAX_PERMITS`](crate::Semaphore::MAX_PERMITS), that is
    /// otherwise like one from [`new`](Self::new).
    ///
    /// # Panics
    ///
    /// When `max` is larger than `MAX_PERMITS`.
    ///
    /// # Examples
    ///
    /// ```
    /// use dynaphore::{Fairness, KeyedSemaphore};
    ///
    /// let clients = KeyedSemaphore::<String>::builder(8)
    ///     .fairness(Fairness::Eventual)
    ///     .max_keys(100_000)
    ///     .max_waiters_per_key(32)
    ///     .build();
    /// assert_eq!(clients.default_max(), 8);
    /// ```
    #[track_caller]
    pub fn builder(max: usize) -> KeyedBuilder<K> {
        Self::builder_of(checked(max))
    }

    /// [`builder`](Self::builder), for a number from outside.
    ///
    /// # Errors
    ///
    /// [`TooManyPermits`](SetMaxError::TooManyPermits) when `max` is larger than
    /// [`Semaphore::MAX_PERMITS`](crate::Semaphore::MAX_PERMITS).
    ///
    /// # Examples
    ///
    /// ```
    /// use dynaphore::KeyedSemaphore;
    ///
    /// let users = KeyedSemaphore::<u64>::try_builder(8)?.build();
    /// assert_eq!(users.default_max(), 8);
    /// assert!(KeyedSemaphore::<u64>::try_builder(usize::MAX).is_err());
    /// # Ok::<(), dynaphore::SetMaxError>(())
    /// ```
    pub fn try_builder(max: usize) -> Result<KeyedBuilder<K>, SetMaxError> {
        try_checked(max).map(Self::builder_of)
    }

    fn builder_of(max: u32) -> KeyedBuilder<K> {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        KeyedBuilder {
            settings: Settings {
                max,
                shards: (8 * threads).next_power_of_two().min(MAX_SHARDS),
                policy: Policy::FIFO,
                max_keys: usize::MAX,
                max_waiters: u32::MAX,
                refuse_in_runtime: false,
            },
            hasher: RandomState::new(),
            keys: PhantomData,
        }
    }
}

/// How to make a [`KeyedSemaphore`]; see [`KeyedSemaphore::builder`].
///
/// # Examples
///
/// ```
/// use dynaphore::{KeyedBuilder, KeyedSemaphore};
///
/// let few: KeyedBuilder<String> = KeyedSemaphore::builder(1).max_keys(1);
/// let hosts = few.build();
/// let _held = hosts.try_acquire("a.example").unwrap();
/// assert!(hosts.try_acquire("b.example").is_err());
/// ```
#[must_use = "a builder does nothing until `build` is called"]
#[derive(Clone)]
pub struct KeyedBuilder<K, S = RandomState> {
    settings: Settings,
    hasher: S,
    keys: PhantomData<fn() -> K>,
}

impl<K, S> KeyedBuilder<K, S> {
    /// Over how many shards to spread the keys: 1 to 65536, rounded up to a power
    /// of two. Eight for each core unless this is called. A shard takes 128 bytes,
    /// or up to twice as much on some machines.
    ///
    /// # Panics
    ///
    /// When `shards` is 0 or more than 65536.
    ///
    /// # Examples
    ///
    /// ```
    /// let users = dynaphore::KeyedSemaphore::<u64>::builder(1).shards(64).build();
    /// assert!(users.try_acquire(&17).is_ok());
    /// ```
    #[track_caller]
    pub fn shards(mut self, shards: usize) -> Self {
        assert!(
            (1..=MAX_SHARDS).contains(&shards),
            "a keyed semaphore has 1 to 65536 shards, not {shards}"
        );
        self.settings.shards = shards.next_power_of_two();
        self
    }

    /// How to hash the keys: `RandomState` unless this is called. One that is not
    /// keyed lets whoever chooses the keys choose colliding ones.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::hash::{BuildHasherDefault, DefaultHasher};
    /// use dynaphore::KeyedSemaphore;
    ///
    /// let users = KeyedSemaphore::<u64>::builder(1)
    ///     .hasher(BuildHasherDefault::<DefaultHasher>::default())
    ///     .build();
    /// assert!(users.try_acquire(&17).is_ok());
    /// ```
    pub fn hasher<T>(self, hasher: T) -> KeyedBuilder<K, T> {
        KeyedBuilder {
            settings: self.settings,
            hasher,
            keys: PhantomData,
        }
    }

    /// Who gets a permit of a key that comes back while others wait for one.
    /// [`Fairness::Fifo`] unless this is called.
    ///
    /// # Examples
    ///
    /// ```
    /// use dynaphore::{Fairness, KeyedSemaphore};
    ///
    /// let files = KeyedSemaphore::<u64>::builder(1).fairness(Fairness::Barging).build();
    /// assert_eq!(files.fairness(), Fairness::Barging);
    /// ```
    pub fn fairness(mut self, fairness: Fairness) -> Self {
        self.settings.policy.fairness = fairness;
        self
    }

    /// How long the first in a key's line may be passed, as
    /// [`Builder::bound`](crate::Builder::bound) has it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use dynaphore::{Fairness, KeyedSemaphore};
    ///
    /// let files = KeyedSemaphore::<u64>::builder(1)
    ///     .fairness(Fairness::Eventual)
    ///     .bound(Duration::from_millis(5))
    ///     .build();
    /// # let _ = files.len();
    /// ```
    pub fn bound(mut self, bound: Duration) -> Self {
        self.settings.policy = self.settings.policy.with_bound(bound);
        self
    }

    /// How many keys may be in use at once; any number unless this is called.
    /// Who asks for another one is told so, and nothing has changed. Exact, at the
    /// price of a count that all shards share.
    ///
    /// # Examples
    ///
    /// ```
    /// use dynaphore::{KeyedSemaphore, error::KeyedTryAcquireError};
    ///
    /// let users = KeyedSemaphore::<u64>::builder(9).max_keys(1).build();
    /// let _held = users.try_acquire(&1).unwrap();
    /// assert!(users.try_acquire(&1).is_ok(), "in use already");
    /// assert_eq!(users.try_acquire(&2).unwrap_err(), KeyedTryAcquireError::TooManyKeys);
    /// ```
    pub fn max_keys(mut self, max_keys: usize) -> Self {
        self.settings.max_keys = max_keys;
        self
    }

    /// How many requests may wait for permits of one key; any number unless this
    /// is called. Who would be one more is told so, and nothing has changed. A
    /// request waits from its first poll until its permits have been picked up or
    /// it is dropped; with 0 nobody ever waits.
    ///
    /// # Examples
    ///
    /// ```
    /// use dynaphore::{KeyedSemaphore, error::KeyedAcquireError};
    ///
    /// let users = KeyedSemaphore::<u64>::builder(1).max_waiters_per_key(0).build();
    /// let _held = users.blocking_acquire(&1).unwrap();
    /// assert_eq!(users.blocking_acquire(&1).unwrap_err(), KeyedAcquireError::TooManyWaiters);
    /// ```
    pub fn max_waiters_per_key(mut self, max_waiters: usize) -> Self {
        self.settings.max_waiters = u32::try_from(max_waiters).unwrap_or(u32::MAX);
        self
    }

    /// Whether its blocking calls panic inside a tokio runtime, as
    /// [`Builder::refuse_blocking_in_runtime`](crate::Builder::refuse_blocking_in_runtime)
    /// has it.
    ///
    /// # Examples
    ///
    /// ```
    /// let users = dynaphore::KeyedSemaphore::<u64>::builder(8)
    ///     .refuse_blocking_in_runtime(true)
    ///     .build();
    /// assert!(users.blocking_acquire(&17).is_ok(), "there is none here");
    /// ```
    #[cfg(feature = "tokio")]
    pub fn refuse_blocking_in_runtime(mut self, refuse: bool) -> Self {
        self.settings.refuse_in_runtime = refuse;
        self
    }

    /// Makes it.
    ///
    /// # Examples
    ///
    /// ```
    /// let users = dynaphore::KeyedSemaphore::<u64>::builder(8).build();
    /// assert_eq!(users.default_max(), 8);
    /// ```
    #[must_use]
    pub fn build(self) -> KeyedSemaphore<K, S> {
        KeyedSemaphore {
            hasher: self.hasher,
            shards: Shards::new(self.settings),
        }
    }
}

impl<K, S> fmt::Debug for KeyedBuilder<K, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedBuilder")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
