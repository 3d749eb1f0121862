//! The items of one call that were set aside, and what comes of them.

use std::{
    collections::{BTreeMap, VecDeque},
    marker::PhantomData,
    sync::PoisonError,
    vec,
};

use rayon::{
    Scope,
    iter::plumbing::{Folder, UnindexedConsumer},
};

use super::{Weigh, pace::Pace, reader::Readers};
use crate::{
    rayon::{
        crew::{self, Crew, Handle, Jobs},
        grant::Grant,
        source::{Permit as _, Source},
    },
    sync::{AcqRel, Acquire, AtomicUsize, Mutex, MutexGuard, Relaxed},
};

/// A place in the order of the items: the number of a run of items that were
/// set aside one after the other, and an item in it.
type Place = (usize, usize);

/// Items that were set aside together, and the consumer of their results.
struct Batch<T, C> {
    place: Place,
    items: vec::IntoIter<T>,
    /// Of each item.
    weight: u32,
    consumer: C,
}

/// The items of one call that were set aside.
pub(super) struct Aside<'f, T, R, C: UnindexedConsumer<R>, W, F> {
    weigh: &'f W,
    f: &'f F,
    queue: Mutex<VecDeque<Batch<T, C>>>,
    /// How many items are in the queue.
    len: AtomicUsize,
    runs: AtomicUsize,
    pub(super) readers: Readers,
    results: Mutex<Vec<(Place, C::Result)>>,
    returns: PhantomData<fn() -> R>,
}

impl<'f, T, R, C, W, F> Aside<'f, T, R, C, W, F>
where
    T: Send,
    R: Send,
    C: UnindexedConsumer<R>,
    W: Weigh<T>,
    F: Fn(T) -> R + Send + Sync,
{
    pub(super) fn new(weigh: &'f W, f: &'f F) -> Self {
        Self {
            weigh,
            f,
            queue: Mutex::default(),
            len: AtomicUsize::new(0),
            runs: AtomicUsize::new(0),
            readers: Readers::default(),
            results: Mutex::default(),
            returns: PhantomData,
        }
    }

    pub(super) fn weigh(&self, item: &T) -> u32 {
        self.weigh.weigh(item)
    }

    /// Starts a run of items that are set aside one after the other.
    pub(super) fn begin_run(&self) -> usize {
        self.runs.fetch_add(1, Relaxed)
    }

    /// Sets `items` aside.
    pub(super) fn add(&self, place: Place, items: Vec<T>, weight: u32, consumer: C) {
        let batch = Batch {
            place,
            items: items.into_iter(),
            weight,
            consumer,
        };
        self.put(batch, VecDeque::push_back);
    }

    fn put(&self, batch: Batch<T, C>, push: impl FnOnce(&mut VecDeque<Batch<T, C>>, Batch<T, C>)) {
        let mut queue = self.queue();
        // ORDERING: Release, for `len`.
        self.len.fetch_add(batch.items.len(), AcqRel);
        push(&mut queue, batch);
    }

    /// Takes up to `most` of the next items, if `permits` are enough for one.
    fn take(&self, most: usize, permits: u32) -> Option<Batch<T, C>> {
        let mut queue = self.queue();
        let front = queue.front_mut().filter(|front| front.weight <= permits)?;
        let batch = if front.items.len() <= most {
            queue.pop_front()?
        } else {
            let taken: Vec<T> = front.items.by_ref().take(most).collect();
            let (run, first) = front.place;
            front.place = (run, first + taken.len());
            Batch {
                place: (run, first),
                items: taken.into_iter(),
                weight: front.weight,
                consumer: front.consumer.split_off_left(),
            }
        };
        self.len.fetch_sub(batch.items.len(), AcqRel);
        Some(batch)
    }

    /// Runs `items` under `grant` one after the other, until there is none left
    /// or, with a look after each, somebody else wants it or no more results
    /// are wanted. Says whether to go on.
    #[inline]
    pub(super) fn run_all<S: Source, B: Folder<R>>(
        crew: &Crew<S, Self>,
        grant: &Grant<S::Permit>,
        items: &mut impl Iterator<Item = T>,
        mut folder: B,
    ) -> (B, bool) {
        let f = crew.jobs.f;
        // What has to be asked is found out before. Two loops, since the look is
        // all that a small item costs: one, with the look as a closure, cost empty
        // items a quarter more.
        if let Some(permit) = grant.permit() {
            let semaphore = permit.semaphore();
            let mut calm = semaphore.calm();
            while !folder.full() {
                let Some(item) = items.next() else {
                    break;
                };
                folder = folder.consume(f(item));
                if calm.is_some_and(|calm| semaphore.is_still(calm)) {
                    continue;
                }
                if semaphore.is_pressed(|| crew.asking()) {
                    return (folder, false);
                }
                calm = semaphore.calm();
            }
        } else {
            while !folder.full() {
                let Some(item) = items.next() else {
                    break;
                };
                folder = folder.consume(f(item));
                if !crew.goes_on(grant) {
                    return (folder, false);
                }
            }
        }
        (folder, true)
    }

    /// Runs items under `grant`, until there is none left for it or somebody
    /// else wants it.
    pub(super) fn run_some<S: Source>(
        crew: &Crew<S, Self>,
        grant: &mut Grant<S::Permit>,
        pace: &mut Pace,
        mut batches: usize,
        mut after_each: impl FnMut(),
    ) {
        let aside = &crew.jobs;
        while let Some(need) = aside.need().filter(|_| batches > 0) {
            batches -= 1;
            if !grant.fit(&crew.source, need) {
                return;
            }
            let Some(mut batch) = aside.take(pace.items(), grant.permits()) else {
                // Somebody else was quicker, and the next one is heavier.
                continue;
            };
            if aside.len() == 0 {
                crew.none_left();
            }
            let (run, first) = batch.place;
            let total = batch.items.len();
            let folder = batch.consumer.split_off_left().into_folder();
            let (folder, goes_on) = Self::run_all(crew, grant, &mut batch.items, folder);
            let full = folder.full();
            let result = folder.complete();
            aside.results().push(((run, first), result));
            if !full && !batch.items.as_slice().is_empty() {
                batch.place = (run, first + total - batch.items.len());
                aside.put(batch, VecDeque::push_front);
            }
            pace.done();
            if !goes_on {
                return;
            }
            after_each();
        }
    }

    pub(super) fn into_results(self) -> Results<C::Result> {
        let results = self.results.into_inner();
        let mut results = results.unwrap_or_else(PoisonError::into_inner);
        results.sort_unstable_by_key(|&(place, _)| place);
        let mut runs = BTreeMap::<_, Vec<_>>::new();
        for ((run, _), result) in results {
            runs.entry(run).or_default().push(result);
        }
        Results(runs)
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<Batch<T, C>>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn results(&self) -> MutexGuard<'_, Vec<(Place, C::Result)>> {
        self.results.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T, R, C, W, F> Jobs for Aside<'_, T, R, C, W, F>
where
    T: Send,
    R: Send,
    C: UnindexedConsumer<R>,
    W: Weigh<T>,
    F: Fn(T) -> R + Send + Sync,
{
    fn need(&self) -> Option<u32> {
        if self.len() == 0 {
            return None;
        }
        self.queue().front().map(|front| front.weight)
    }

    fn len(&self) -> usize {
        // ORDERING: Acquire, for the additions.
        self.len.load(Acquire)
    }

    fn have_readers(&self) -> bool {
        self.readers.at_the_source() > 0
    }

    fn clear(&self) {
        let dropped = {
            let mut queue = self.queue();
            self.len.store(0, Relaxed);
            std::mem::take(&mut *queue)
        };
        drop(dropped);
    }
}

impl<'s, S, T, R, C, W, F> Handle<'s> for &'s Crew<S, Aside<'s, T, R, C, W, F>>
where
    S: Source + 's,
    T: Send + 's,
    R: Send + 's,
    C: UnindexedConsumer<R> + 's,
    W: Weigh<T>,
    F: Fn(T) -> R + Send + Sync,
{
    type Source = S;
    type Jobs = Aside<'s, T, R, C, W, F>;

    fn work(&self, scope: &Scope<'s>, mut grant: Grant<S::Permit>) {
        let mut pace = Pace::new(W::UNIFORM);
        Aside::run_some(self, &mut grant, &mut pace, usize::MAX, || {
            // More permits may have come free.
            crew::tend(self, scope);
        });
    }
}

/// What came of the items that were set aside: of each run, in the order of its
/// items.
pub(super) struct Results<R>(BTreeMap<usize, Vec<R>>);

impl<R> Results<R> {
    /// The results of one run.
    pub(super) fn of(&mut self, run: usize) -> impl Iterator<Item = R> {
        self.0.remove(&run).into_iter().flatten()
    }
}
