//! The registry: names, and what they stand for.

use std::{
    borrow::Cow,
    collections::{BTreeMap, btree_map::Entry},
    error::Error,
    fmt,
    hash::BuildHasher,
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use dynaphore::{KeyedSemaphore, LeasePool, Semaphore};

use crate::{
    Figures, openmetrics,
    source::{Keyed, Pool, Rejections, Single, Source},
};

/// Semaphores, keyed ones and pools by name, and what is to be told of them.
///
/// # Statistics
///
/// It takes the [intervals](dynaphore::Stats::take) of a semaphore's statistics each time it
/// is read, and adds them up. What somebody else takes is missing from its sums, so there is
/// to be one registry for a semaphore, and nobody else who takes. Those who want rates
/// compare two readings.
///
/// # Locks
///
/// Reading it holds no lock that a request for permits could want, but for keyed semaphores
/// and pools: one lock at a time, while it lists the keys behind it, a few nanoseconds
/// for each. Classes are asked for, and text is made, with all locks free. It waits for nobody:
/// where somebody counts at this moment, over and over, it tells the sums as they were.
///
/// # Examples
///
/// ```
/// use dynaphore::Semaphore;
/// use dynaphore_metrics::Registry;
///
/// static JOBS: Semaphore = Semaphore::builder(8).stats(true).build();
///
/// let registry = Registry::new();
/// registry.add("jobs", &JOBS)?;
/// drop(JOBS.try_acquire());
/// let text = registry.render();
/// assert!(text.contains(
///     "dynaphore_permit_requests_total{name=\"jobs\",outcome=\"acquired\"} 1\n"
/// ));
/// assert!(text.ends_with("# EOF\n"));
/// # Ok::<(), dynaphore_metrics::NameTaken>(())
/// ```
#[derive(Default)]
pub struct Registry {
    sources: Mutex<Sources>,
}

#[derive(Default)]
struct Sources {
    by_name: BTreeMap<(Arc<str>, What), Numbered>,
    /// How many have been added so far.
    added: u64,
}

/// A source, and which one it is of all that have been added.
type Numbered = (u64, Arc<dyn Source>);

/// What a source tells of. There is one of each by a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Permits,
    Rejections,
}

impl Registry {
    /// The media type of what [`render`](Self::render) returns, for the header
    /// `Content-Type`.
    pub const CONTENT_TYPE: &'static str =
        "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// An empty one.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(dynaphore_metrics::Registry::new().render(), "# EOF\n");
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a semaphore under `name`, which is any text: an `Arc<Semaphore>`, or a reference
    /// to a static.
    ///
    /// # Errors
    ///
    /// [`NameTaken`] if there is something of that name. Nothing has changed then.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use dynaphore::Semaphore;
    /// use dynaphore_metrics::Registry;
    ///
    /// let registry = Registry::new();
    /// registry.add("jobs", Arc::new(Semaphore::new(8)))?;
    /// assert!(registry.add("jobs", Arc::new(Semaphore::new(8))).is_err());
    /// # Ok::<(), dynaphore_metrics::NameTaken>(())
    /// ```
    pub fn add<S>(&self, name: &str, semaphore: S) -> Result<(), NameTaken>
    where
        S: Deref<Target = Semaphore> + Send + Sync + 'static,
    {
        self.insert(name, What::Permits, Arc::new(Single::new(semaphore)))
    }

    /// Adds a keyed semaphore under `name`. Its figures are sums over the keys of a class,
    /// which `class_of` makes of a key.
    ///
    /// Who chooses keys must not choose how many classes there are: each is a series for as
    /// long as one of its keys is in use. So `class_of` should name a tier or a region, or
    /// say `"all"`, and not repeat the key.
    ///
    /// # Errors
    ///
    /// [`NameTaken`] if there is something of that name. Nothing has changed then.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use dynaphore::KeyedSemaphore;
    /// use dynaphore_metrics::Registry;
    ///
    /// let hosts = Arc::new(KeyedSemaphore::<String>::new(2));
    /// let registry = Registry::new();
    /// registry.add_keyed("hosts", hosts.clone(), |host| {
    ///     if host.ends_with(".internal") { "internal" } else { "public" }
    /// })?;
    /// let _held = hosts.try_acquire("a.example").unwrap();
    /// assert!(registry.render().contains(
    ///     "dynaphore_permit_count{name=\"hosts\",class=\"public\",state=\"used\"} 1\n"
    /// ));
    /// # Ok::<(), dynaphore_metrics::NameTaken>(())
    /// ```
    pub fn add_keyed<K, H, S, F, C>(
        &self,
        name: &str,
        semaphore: S,
        class_of: F,
    ) -> Result<(), NameTaken>
    where
        K: Clone + 'static,
        H: 'static,
        S: Deref<Target = KeyedSemaphore<K, H>> + Send + Sync + 'static,
        F: Fn(&K) -> C + Send + Sync + 'static,
        C: Into<Cow<'static, str>> + 'static,
    {
        let source = Keyed {
            semaphore,
            class_of,
        };
        self.insert(name, What::Permits, Arc::new(source))
    }

    /// Adds a pool under `name`, with classes as for [`add_keyed`](Self::add_keyed). Leases
    /// are told of as permits, and targets as max. Who waits does so for any key.
    ///
    /// # Errors
    ///
    /// [`NameTaken`] if there is something of that name. Nothing has changed then.
    ///
    /// # Examples
    ///
    /// ```
    /// use dynaphore::LeasePool;
    /// use dynaphore_metrics::Registry;
    ///
    /// let tunnels = LeasePool::<String>::new();
    /// tunnels.set("proxy-a".into(), 3);
    /// let registry = Registry::new();
    /// registry.add_pool("tunnels", tunnels.clone(), |_| "all")?;
    /// assert!(registry.render().contains(
    ///     "dynaphore_permit_max{name=\"tunnels\",class=\"all\"} 3\n"
    /// ));
    /// # Ok::<(), dynaphore_metrics::NameTaken>(())
    /// ```
    pub fn add_pool<K, H, F, C>(
        &self,
        name: &str,
        pool: LeasePool<K, H>,
        class_of: F,
    ) -> Result<(), NameTaken>
    where
        K: Clone + Send + Sync + 'static,
        H: BuildHasher + Send + Sync + 'static,
        F: Fn(&K) -> C + Send + Sync + 'static,
        C: Into<Cow<'static, str>> + 'static,
    {
        self.insert(name, What::Permits, Arc::new(Pool { pool, class_of }))
    }

    /// Adds counts of requests that were turned away, under the name of the semaphore that they
    /// came for, or any other. `by_reason` says how many there were for each reason so far, which
    /// never falls; it is asked at each reading.
    ///
    /// This is for what stands before a semaphore and turns requests away by itself, such as the
    /// layer of `dynaphore-tower`: its `Rejections::by_reason` has the counts.
    ///
    /// # Errors
    ///
    /// [`NameTaken`] if there are rejections of that name. Nothing has changed then.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU64, Ordering};
    /// use dynaphore_metrics::Registry;
    ///
    /// static TOO_LARGE: AtomicU64 = AtomicU64::new(0);
    ///
    /// let registry = Registry::new();
    /// registry.add_rejections("uploads", || [("too_large", TOO_LARGE.load(Ordering::Relaxed))])?;
    /// TOO_LARGE.fetch_add(1, Ordering::Relaxed);
    /// assert!(registry.render().contains(
    ///     "dynaphore_permit_rejections_total{name=\"uploads\",reason=\"too_large\"} 1\n"
    /// ));
    /// # Ok::<(), dynaphore_metrics::NameTaken>(())
    /// ```
    pub fn add_rejections<F, I>(&self, name: &str, by_reason: F) -> Result<(), NameTaken>
    where
        F: Fn() -> I + Send + Sync + 'static,
        I: IntoIterator<Item = (&'static str, u64)> + 'static,
    {
        self.insert(name, What::Rejections, Arc::new(Rejections(by_reason)))
    }

    /// Removes what is there under `name`. False if there is nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use dynaphore_metrics::Registry;
    ///
    /// let registry = Registry::new();
    /// registry.add("jobs", Arc::new(dynaphore::Semaphore::new(8)))?;
    /// assert!(registry.remove("jobs"));
    /// assert!(!registry.remove("jobs"));
    /// # Ok::<(), dynaphore_metrics::NameTaken>(())
    /// ```
    pub fn remove(&self, name: &str) -> bool {
        // Dropped with the lock free: it may be the last to hold its semaphore.
        let mut sources = self.lock();
        let removed = [What::Permits, What::Rejections]
            .map(|what| sources.by_name.remove(&(Arc::from(name), what)));
        drop(sources);
        removed.iter().any(Option::is_some)
    }

    /// What there is to tell, by name and class.
    ///
    /// # Panics
    ///
    /// When a function that makes classes, or counts rejections, does.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use dynaphore_metrics::Registry;
    ///
    /// let registry = Registry::new();
    /// registry.add("jobs", Arc::new(dynaphore::Semaphore::new(8)))?;
    /// assert_eq!(registry.figures()[0].pending, Some(0));
    /// # Ok::<(), dynaphore_metrics::NameTaken>(())
    /// ```
    #[must_use]
    pub fn figures(&self) -> Vec<Figures> {
        let sources = self.lock().by_name.clone();
        let mut figures = Vec::with_capacity(sources.len());
        for ((name, _), (number, source)) in sources {
            let first = figures.len();
            source.read(&name, &mut figures);
            for of_source in &mut figures[first..] {
                of_source.source = number;
            }
        }
        figures
    }

    /// The [figures](Self::figures) as text in the OpenMetrics format 1.0.0, to be sent as
    /// [`CONTENT_TYPE`](Self::CONTENT_TYPE). A histogram counts within a bound what certainly
    /// was: times are known to one part in 64.
    ///
    /// # Panics
    ///
    /// As [`figures`](Self::figures).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use dynaphore_metrics::Registry;
    ///
    /// let registry = Registry::new();
    /// registry.add("jobs", Arc::new(dynaphore::Semaphore::new(8)))?;
    /// assert!(registry.render().contains("dynaphore_permit_max{name=\"jobs\"} 8\n"));
    /// # Ok::<(), dynaphore_metrics::NameTaken>(())
    /// ```
    #[must_use]
    pub fn render(&self) -> String {
        openmetrics::render(&self.figures())
    }

    fn insert(&self, name: &str, what: What, source: Arc<dyn Source>) -> Result<(), NameTaken> {
        let Sources { by_name, added } = &mut *self.lock();
        match by_name.entry((name.into(), what)) {
            Entry::Occupied(_) => Err(NameTaken(name.into())),
            Entry::Vacant(place) => {
                *added += 1;
                place.insert((*added, source));
                Ok(())
            }
        }
    }

    /// Held for the map only: no foreign code runs under it.
    fn lock(&self) -> MutexGuard<'_, Sources> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Registry {
    /// The names, unless the registry is locked just now. Never blocks.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sources.try_lock() {
            Ok(sources) => f
                .debug_set()
                .entries(sources.by_name.keys().map(|(name, _)| name))
                .finish(),
            Err(_) => f.write_str("<locked>"),
        }
    }
}

/// A registry knows something else by this name.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use dynaphore::Semaphore;
/// use dynaphore_metrics::Registry;
///
/// let registry = Registry::new();
/// registry.add("jobs", Arc::new(Semaphore::new(8)))?;
/// let taken = registry.add("jobs", Arc::new(Semaphore::new(8))).unwrap_err();
/// assert_eq!(taken.to_string(), "the registry has something by the name of \"jobs\"");
/// # Ok::<(), dynaphore_metrics::NameTaken>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameTaken(Box<str>);

impl fmt::Display for NameTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the registry has something by the name of {:?}", self.0)
    }
}

impl Error for NameTaken {}
