//! What a registry reads: a semaphore, a keyed one, a pool.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    hash::BuildHasher,
    ops::Deref,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use dynaphore::{KeyedSemaphore, LeasePool, Semaphore, Snapshot, Stats};

use crate::{Figures, Permits, Requests};

/// Something that a registry reads.
pub(crate) trait Source: Send + Sync {
    /// Appends its figures. Runs with no lock held but its own, and runs foreign code with
    /// none.
    fn read(&self, name: &Arc<str>, figures: &mut Vec<Figures>);
}

/// Figures that say nothing yet.
fn nothing(name: &Arc<str>) -> Figures {
    Figures {
        name: Arc::clone(name),
        class: None,
        permits: None,
        pending: None,
        longest_wait: None,
        keys: None,
        requests: None,
        rejections: None,
        source: 0,
    }
}

fn permits(now: &Snapshot) -> Permits {
    Permits {
        used: now.active,
        idle: now.available(),
        max: now.max,
    }
}

pub(crate) struct Single<S> {
    semaphore: S,
    sum: Mutex<Sum>,
}

/// All intervals so far.
#[derive(Default)]
struct Sum {
    requests: Arc<Requests>,
    /// The last try to take an interval has ended one that it could not read, so the next
    /// one to be taken ends there.
    is_behind: bool,
}

/// So often an interval is asked for before it is left to the next reader. Whoever counts
/// does so for some nanoseconds, unless it is preempted.
const TRIES: usize = 100;

impl Sum {
    fn update(&mut self, stats: Stats<'_>) {
        for _ in 0..TRIES {
            match stats.try_take() {
                Some(interval) => {
                    Arc::make_mut(&mut self.requests).add(&interval);
                    if !std::mem::take(&mut self.is_behind) {
                        return;
                    }
                }
                None => {
                    self.is_behind = true;
                    thread::yield_now();
                }
            }
        }
    }
}

impl<S> Single<S> {
    pub(crate) fn new(semaphore: S) -> Self {
        Self {
            semaphore,
            sum: Mutex::default(),
        }
    }
}

impl<S: Deref<Target = Semaphore> + Send + Sync> Source for Single<S> {
    fn read(&self, name: &Arc<str>, figures: &mut Vec<Figures>) {
        let stats = self.semaphore.try_stats();
        let longest_wait = stats.map(|stats| stats.longest_wait().unwrap_or_default());
        let requests = stats.map(|stats| {
            // Nothing in there panics half-way.
            let mut sum = self.sum.lock().unwrap_or_else(PoisonError::into_inner);
            sum.update(stats);
            Arc::clone(&sum.requests)
        });
        let now = self.semaphore.snapshot();
        figures.push(Figures {
            permits: Some(permits(&now)),
            pending: Some(now.waiting),
            longest_wait,
            requests,
            ..nothing(name)
        });
    }
}

/// The sums over the keys of a class.
#[derive(Default)]
struct Class {
    permits: Permits,
    pending: usize,
    keys: usize,
}

impl Class {
    fn add(&mut self, permits: Permits, pending: usize) {
        let sum = &mut self.permits;
        sum.used = sum.used.saturating_add(permits.used);
        sum.idle = sum.idle.saturating_add(permits.idle);
        sum.max = sum.max.saturating_add(permits.max);
        self.pending += pending;
        self.keys += 1;
    }
}

/// The sums of `keys`, each with its permits and how many wait for it, by their classes: in
/// the order of the names, so that one text differs little from the next.
fn by_class<K, C: Into<Cow<'static, str>>>(
    keys: impl IntoIterator<Item = (K, Permits, usize)>,
    class_of: impl Fn(&K) -> C,
) -> Vec<(Cow<'static, str>, Class)> {
    let mut classes = HashMap::<_, Class>::new();
    for (key, permits, pending) in keys {
        let class = classes.entry(class_of(&key).into()).or_default();
        class.add(permits, pending);
    }
    let mut classes: Vec<_> = classes.into_iter().collect();
    classes.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    classes
}

pub(crate) struct Keyed<S, F> {
    pub(crate) semaphore: S,
    pub(crate) class_of: F,
}

impl<K, H, S, F, C> Source for Keyed<S, F>
where
    K: Clone,
    S: Deref<Target = KeyedSemaphore<K, H>> + Send + Sync,
    F: Fn(&K) -> C + Send + Sync,
    C: Into<Cow<'static, str>>,
{
    fn read(&self, name: &Arc<str>, figures: &mut Vec<Figures>) {
        let keys = self.semaphore.snapshots().into_iter();
        let keys = keys.map(|(key, now)| (key, permits(&now), now.waiting));
        let classes = by_class(keys, &self.class_of);
        figures.extend(classes.into_iter().map(|(name_of, class)| Figures {
            class: Some(name_of),
            permits: Some(class.permits),
            pending: Some(class.pending),
            keys: Some(class.keys),
            ..nothing(name)
        }));
    }
}

pub(crate) struct Pool<K, H, F> {
    pub(crate) pool: LeasePool<K, H>,
    pub(crate) class_of: F,
}

impl<K, H, F, C> Source for Pool<K, H, F>
where
    K: Clone + Send + Sync,
    H: BuildHasher + Send + Sync,
    F: Fn(&K) -> C + Send + Sync,
    C: Into<Cow<'static, str>>,
{
    fn read(&self, name: &Arc<str>, figures: &mut Vec<Figures>) {
        let keys = self.pool.snapshot().into_iter().map(|(key, counts)| {
            let permits = Permits {
                used: counts.active,
                idle: counts.missing(),
                max: counts.target,
            };
            (key, permits, 0)
        });
        let classes = by_class(keys, &self.class_of);
        figures.push(Figures {
            pending: Some(self.pool.waiting()),
            ..nothing(name)
        });
        figures.extend(classes.into_iter().map(|(name_of, class)| Figures {
            class: Some(name_of),
            permits: Some(class.permits),
            keys: Some(class.keys),
            ..nothing(name)
        }));
    }
}

pub(crate) struct Rejections<F>(pub(crate) F);

impl<F, I> Source for Rejections<F>
where
    F: Fn() -> I + Send + Sync,
    I: IntoIterator<Item = (&'static str, u64)>,
{
    fn read(&self, name: &Arc<str>, figures: &mut Vec<Figures>) {
        // One count for each reason: what is said twice is added up.
        let mut rejections = BTreeMap::new();
        for (reason, count) in (self.0)() {
            *rejections.entry(reason).or_insert(0) += count;
        }
        figures.push(Figures {
            rejections: Some(rejections.into_iter().collect()),
            ..nothing(name)
        });
    }
}
