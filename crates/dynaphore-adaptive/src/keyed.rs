//! A max for each key that finds itself.
//!
//! Each key has a tally and a controller of its own, made when a request first has a permit
//! of it or a place in line. They are found under a lock that requests share, and that one
//! takes alone which brings a new key. That one first forgets the keys that nobody has used
//! for a while: nobody has a share in them then, since a share is only had from the map, under
//! that lock.
//!
//! No foreign code runs under the lock but a key's `Hash` and `Eq`, which no search can do
//! without. What the caller gave is made before, and what is forgotten is cleared, which
//! runs wakers, and dropped after.

use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasher, Hash, RandomState},
    ops::RangeInclusive,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use dynaphore::{
    KeyedSemaphore, OwnedKeyedPermit,
    error::{KeyedAcquireError, KeyedTryAcquireError},
    future::KeyedAcquireOwned,
};

use crate::{
    Acquire, Change, Controller, ControllerPanicked, Request,
    pace::{Pace, Settings},
    request::Arrival,
    steering::{Shared, Steered},
};

/// How long a key is remembered that nobody uses.
const REMEMBERED: Duration = Duration::from_secs(600);

type Make<K> = Arc<dyn Fn(&K) -> Box<dyn Controller> + Send + Sync>;
type Hook<K> = Arc<dyn Fn(&K, &Change) + Send + Sync>;

/// A request that holds a permit of its key.
pub type KeyedRequest<K, S = RandomState> = Request<OwnedKeyedPermit<K, S>>;

/// Waits for a permit of a key. Made by [`AdaptiveKeyed::acquire`].
pub type KeyedAcquire<K, S = RandomState> = Acquire<KeyedAcquireOwned<K, Arc<K>, S>>;

/// The max of one key.
struct Key<K, S> {
    keyed: Arc<KeyedSemaphore<K, S>>,
    key: Arc<K>,
    /// The max of its own that it has from here, or 0, which no controller sets.
    set: Arc<AtomicU32>,
}

impl<K, S> Steered for Key<K, S>
where
    K: Hash + Eq + Clone + Send + Sync,
    S: BuildHasher + Send + Sync,
{
    fn max(&self) -> usize {
        self.keyed.max(&*self.key)
    }

    fn set_max(&self, max: u32) -> bool {
        let has_room = self.keyed.set_max(&*self.key, max as usize).is_ok();
        if has_room {
            // It is read when nobody has a share any more, which orders that.
            self.set.store(max, Relaxed);
        }
        has_room
    }
}

struct Entry<K> {
    key: Arc<K>,
    shared: Arc<Shared>,
    set: Arc<AtomicU32>,
}

impl<K> Entry<K> {
    fn share(&self) -> (Arc<K>, Arc<Shared>) {
        (Arc::clone(&self.key), Arc::clone(&self.shared))
    }
}

impl<K> Clone for Entry<K> {
    fn clone(&self) -> Self {
        Self {
            key: Arc::clone(&self.key),
            shared: Arc::clone(&self.shared),
            set: Arc::clone(&self.set),
        }
    }
}

struct Keys<K> {
    map: HashMap<Arc<K>, Entry<K>>,
    swept: Instant,
}

/// A [`KeyedSemaphore`] whose keys find a max each: tenants, hosts, shards.
///
/// Each key has a controller of its own, which begins with the max that the key has.
/// A key that nobody has used for ten minutes ([`remember`](Self::remember)) is
/// forgotten, and has the default max when it comes again, unless somebody else has given
/// it another max since. Each key that is remembered takes some 30 kB.
///
/// Clones are the same, but for what is set on one of them afterwards.
///
/// # Hostile keys
///
/// A key is remembered once a request has had a permit of it or a place in its line, so
/// those that the semaphore [refuses](dynaphore::KeyedBuilder::max_keys) take no memory.
/// Those that come one after the other and are served do: where strangers choose keys, let
/// them be forgotten soon.
///
/// # Locks
///
/// A key's `Hash` and `Eq` run under a lock, and must not call this type. `Clone` and
/// `Drop` of keys, controllers, hooks and wakers run outside and may.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use dynaphore::KeyedSemaphore;
/// use dynaphore_adaptive::{AdaptiveKeyed, Gradient, Outcome};
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let hosts = Arc::new(KeyedSemaphore::<String>::new(10));
/// let adaptive = AdaptiveKeyed::new(hosts, |_| Gradient::default()).bounds(2..=200);
///
/// let request = adaptive.acquire(&"a.example".to_owned()).await?;
/// request.finish(Outcome::Served);
/// # Ok::<(), dynaphore::error::KeyedAcquireError>(())
/// # }).unwrap();
/// ```
pub struct AdaptiveKeyed<K, S = RandomState> {
    keyed: Arc<KeyedSemaphore<K, S>>,
    controller: Make<K>,
    settings: Settings,
    shadow: bool,
    remember: Duration,
    hook: Option<Hook<K>>,
    keys: Arc<RwLock<Keys<K>>>,
}

impl<K, S> Clone for AdaptiveKeyed<K, S> {
    fn clone(&self) -> Self {
        Self {
            keyed: Arc::clone(&self.keyed),
            controller: Arc::clone(&self.controller),
            settings: self.settings.clone(),
            shadow: self.shadow,
            remember: self.remember,
            hook: self.hook.clone(),
            keys: Arc::clone(&self.keys),
        }
    }
}

impl<K, S> AdaptiveKeyed<K, S> {
    /// Steers each key with the controller that `controller` makes for it.
    ///
    /// It may be called twice for one key, when two requests bring it at once; one of
    /// the controllers is dropped then.
    #[must_use]
    pub fn new<C: Controller + 'static>(
        keyed: Arc<KeyedSemaphore<K, S>>,
        controller: impl Fn(&K) -> C + Send + Sync + 'static,
    ) -> Self {
        Self {
            keyed,
            controller: Arc::new(move |key| Box::new(controller(key))),
            settings: Settings::default(),
            shadow: false,
            remember: REMEMBERED,
            hook: None,
            keys: Arc::new(RwLock::new(Keys {
                map: HashMap::default(),
                swept: Instant::now(),
            })),
        }
    }

    /// [`Adaptive::bounds`](crate::Adaptive::bounds), for keys that come from now on.
    ///
    /// # Panics
    ///
    /// As there.
    #[must_use]
    #[track_caller]
    pub fn bounds(self, bounds: RangeInclusive<u32>) -> Self {
        let settings = self.settings.clone().bounds(bounds);
        Self { settings, ..self }
    }

    /// [`Adaptive::windows`](crate::Adaptive::windows), for keys that come from now on.
    ///
    /// # Panics
    ///
    /// As there.
    #[must_use]
    #[track_caller]
    pub fn windows(self, shortest: Duration, samples: u64, longest: Duration) -> Self {
        let settings = self.settings.clone().windows(shortest, samples, longest);
        Self { settings, ..self }
    }

    /// [`Adaptive::shadow`](crate::Adaptive::shadow), for keys that come from now on.
    #[must_use]
    pub fn shadow(self, shadow: bool) -> Self {
        Self { shadow, ..self }
    }

    /// [`Adaptive::on_change`](crate::Adaptive::on_change), for keys that come from now
    /// on. Several keys may be told of at once.
    #[must_use]
    pub fn on_change(self, hook: impl Fn(&K, &Change) + Send + Sync + 'static) -> Self {
        let hook = Some(Arc::new(hook) as Hook<K>);
        Self { hook, ..self }
    }

    /// How long a key is remembered, with its max, that nobody uses: ten minutes unless
    /// this is called. It is forgotten when a new key comes, at most twice that later.
    #[must_use]
    pub fn remember(self, remember: Duration) -> Self {
        Self { remember, ..self }
    }

    /// The semaphore whose keys are steered.
    #[must_use]
    pub fn semaphore(&self) -> &Arc<KeyedSemaphore<K, S>> {
        &self.keyed
    }

    /// How many keys are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.map.len()
    }

    /// Whether no key is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K, S> AdaptiveKeyed<K, S>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    S: BuildHasher + Send + Sync + 'static,
{
    /// Waits for a permit of `key`.
    ///
    /// The future's output is a [`KeyedRequest`], or a [`KeyedAcquireError`] when the
    /// semaphore is or becomes closed, or when it has no room for the key or for who
    /// waits.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped leaves the line, and counts as a request that gave up.
    ///
    /// # Fairness
    ///
    /// That of the semaphore.
    pub fn acquire(&self, key: &K) -> KeyedAcquire<K, S> {
        let (key, arrival) = self.arrival(key);
        Acquire::new(Arc::clone(&self.keyed).acquire_owned(key), arrival)
    }

    /// [`acquire`](Self::acquire) for a thread, which it blocks.
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Panics
    ///
    /// In a tokio runtime, if the semaphore's builder was told to refuse that
    /// (`refuse_blocking_in_runtime`, with the feature `tokio`).
    #[track_caller]
    pub fn blocking_acquire(&self, key: &K) -> Result<KeyedRequest<K, S>, KeyedAcquireError> {
        let mut arrival = self.arrives(key);
        if let Ok(permit) = Arc::clone(&self.keyed).try_acquire_owned(key) {
            return Ok(arrival.starts(permit));
        }
        arrival.waits();
        let permit = Arc::clone(&self.keyed).blocking_acquire_owned(key)?;
        Ok(arrival.starts(permit))
    }

    /// Takes a permit of `key` if there is one and nobody waits.
    ///
    /// # Errors
    ///
    /// When there is none, the semaphore is closed, or it has no room for the key. It
    /// counts as a request that found max in its way, if the key is remembered.
    pub fn try_acquire(&self, key: &K) -> Result<KeyedRequest<K, S>, KeyedTryAcquireError> {
        let mut arrival = self.arrives(key);
        let permit = Arc::clone(&self.keyed).try_acquire_owned(key)?;
        Ok(arrival.starts(permit))
    }

    /// [`Adaptive::step`](crate::Adaptive::step) for each key: the changes that were
    /// made.
    ///
    /// A key whose controller has panicked is passed over; [`panicked`](Self::panicked)
    /// tells.
    ///
    /// # Panics
    ///
    /// When the [hook](Self::on_change) does.
    pub fn step(&self, now: Instant) -> Vec<(K, Change)> {
        let entries: Vec<_> = {
            let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
            keys.map.values().map(Entry::share).collect()
        };
        let changes = entries.into_iter().filter_map(|(key, shared)| {
            let change = shared.step(now).ok().flatten()?;
            Some(((*key).clone(), change))
        });
        changes.collect()
    }

    /// Why the max of `key` is not steered any more, if its controller has panicked.
    #[must_use]
    pub fn panicked(&self, key: &K) -> Option<ControllerPanicked> {
        let shared = self.get(key)?.1;
        shared.panicked()
    }

    fn arrives(&self, key: &K) -> Arrival {
        let (_, mut arrival) = self.arrival(key);
        arrival.arrives();
        arrival
    }

    fn arrival(&self, key: &K) -> (Arc<K>, Arrival) {
        if let Some((key, shared)) = self.get(key) {
            return (key, Arrival::new(shared, 1));
        }
        // First: a key that is forgotten makes room in the semaphore.
        self.sweep();
        let key = Arc::new(key.clone());
        let (adaptive, new) = (self.clone(), Arc::clone(&key));
        let remember = move || adaptive.find(&new);
        (key, Arrival::of_new_key(Box::new(remember)))
    }

    fn get(&self, key: &K) -> Option<(Arc<K>, Arc<Shared>)> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.map.get(key).map(Entry::share)
    }

    /// Remembers the key, if it is not remembered yet.
    fn find(&self, key: &Arc<K>) -> Arc<Shared> {
        if let Some((_, shared)) = self.get(key) {
            return shared;
        }
        // Dropped when the lock is free, if another request was quicker.
        let entry = self.entry(Arc::clone(key));
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let found = keys.map.entry(Arc::clone(key));
        Arc::clone(&found.or_insert_with(|| entry.clone()).shared)
    }

    fn entry(&self, key: Arc<K>) -> Entry<K> {
        let set = Arc::new(AtomicU32::new(0));
        let steered = Key {
            keyed: Arc::clone(&self.keyed),
            key: Arc::clone(&key),
            set: Arc::clone(&set),
        };
        let pace = Pace::new((self.controller)(&key), self.settings.clone());
        let shared = Shared::new(steered, pace);
        {
            let mut steering = shared.steering();
            steering.shadow = self.shadow;
            if let Some(hook) = self.hook.clone() {
                let key = Arc::clone(&key);
                steering.hook = Some(Box::new(move |change| hook(&key, change)));
            }
        }
        Entry {
            key,
            shared: Arc::new(shared),
            set,
        }
    }

    /// Forgets the keys that nobody has used for long.
    fn sweep(&self) {
        let now = Instant::now();
        let is_over = |k: &Keys<K>| now.saturating_duration_since(k.swept) >= self.remember;
        if !is_over(&self.keys.read().unwrap_or_else(PoisonError::into_inner)) {
            return;
        }
        let mut forgotten = Vec::new();
        {
            let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
            // Several may have found that at once.
            if !is_over(&keys) {
                return;
            }
            keys.swept = now;
            keys.map.retain(|_, entry| {
                // A request has a share. This acquires what those have done who had one.
                let used = Arc::get_mut(&mut entry.shared).is_none();
                let keep = used || entry.shared.idle(now) < self.remember;
                if !keep {
                    forgotten.push(entry.clone());
                }
                keep
            });
        }
        for entry in forgotten {
            self.clear(&entry);
        }
    }

    /// Lets a key that is forgotten follow the default max again.
    fn clear(&self, entry: &Entry<K>) {
        let set = entry.set.load(Relaxed);
        // A max that somebody else has set since, perhaps 0 for a pause, stays.
        if set > 0 && self.keyed.max(&*entry.key) == set as usize {
            self.keyed.clear_max(&*entry.key);
        }
    }
}

impl<K, S> fmt::Debug for AdaptiveKeyed<K, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdaptiveKeyed")
            .field("semaphore", &self.keyed)
            .finish_non_exhaustive()
    }
}

const _: () = {
    const fn everywhere<T: Send + Sync>() {}

    everywhere::<AdaptiveKeyed<String>>();
    everywhere::<KeyedRequest<String>>();
};
