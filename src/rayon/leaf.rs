//! The items of one call: as rayon deals them out, and those that were set aside.

use std::{
    collections::{BTreeMap, VecDeque},
    marker::PhantomData,
    sync::PoisonError,
    time::Duration,
    vec,
};

use rayon::{
    Scope,
    iter::plumbing::{Consumer, Folder, Reducer, UnindexedConsumer},
};

use super::{
    call::{Call, Grant, Handle, Jobs, attend, tend},
    frames,
    iter::Weigh,
    source::{Permit as _, Source},
    wait::Wait,
};
use crate::{
    Semaphore,
    sync::{AcqRel, Acquire, AtomicUsize, Instant, Mutex, MutexGuard, Relaxed, SeqCst, fence},
};

/// How often a leaf that stays out of its source looks for other jobs. It should not be the
/// one to take the leaves that other workers are about to begin.
const BESIDE: Duration = Duration::from_millis(20);

/// What has become of some items that followed each other.
pub(super) enum Piece<R> {
    /// They were run at once.
    Done(R),
    /// They were set aside, as the run of that number.
    Later(usize),
}

type CallOf<'s, S, T, R, C, W, F> = &'s Call<S, Aside<'s, T, R, C, W, F>>;

/// Takes the items in.
pub(super) struct Leaves<'a, 's, S: Source, T, R, C: UnindexedConsumer<R>, W, F> {
    call: CallOf<'s, S, T, R, C, W, F>,
    scope: &'a Scope<'s>,
    results: C,
    /// Each leaf has items of its own.
    is_indexed: bool,
}

impl<'a, 's, S: Source, T, R, C: UnindexedConsumer<R>, W, F> Leaves<'a, 's, S, T, R, C, W, F> {
    pub(super) fn new(
        call: CallOf<'s, S, T, R, C, W, F>,
        scope: &'a Scope<'s>,
        results: C,
    ) -> Self {
        Self {
            call,
            scope,
            results,
            is_indexed: false,
        }
    }
}

impl<'a, 's, S, T, R, C, W, F> Consumer<T> for Leaves<'a, 's, S, T, R, C, W, F>
where
    S: Source + 's,
    T: Send + 's,
    R: Send + 's,
    C: UnindexedConsumer<R> + 's,
    W: Weigh<T>,
    F: Fn(T) -> R + Send + Sync,
{
    type Folder = Leaf<'a, 's, S, T, R, C, W, F>;
    type Reducer = Join;
    type Result = Vec<Piece<C::Result>>;

    fn split_at(mut self, _: usize) -> (Self, Self, Join) {
        self.is_indexed = true;
        (self.split_off_left(), self, Join)
    }

    fn into_folder(self) -> Self::Folder {
        let mut leaf = Leaf {
            running: None,
            setting_aside: None,
            taken: Vec::new(),
            pieces: Vec::new(),
            pace: Pace::new(W::UNIFORM),
            full: false,
            reads: None,
            leaves: self,
        };
        // rayon may begin another leaf of an unindexed iterator on top of this one, and
        // end this one then.
        leaf.read_on(None);
        leaf
    }

    fn full(&self) -> bool {
        self.results.full() || self.call.is_over()
    }
}

impl<'s, S, T, R, C, W, F> UnindexedConsumer<T> for Leaves<'_, 's, S, T, R, C, W, F>
where
    S: Source + 's,
    T: Send + 's,
    R: Send + 's,
    C: UnindexedConsumer<R> + 's,
    W: Weigh<T>,
    F: Fn(T) -> R + Send + Sync,
{
    fn split_off_left(&self) -> Self {
        Self {
            results: self.results.split_off_left(),
            ..*self
        }
    }

    fn to_reducer(&self) -> Join {
        Join
    }
}

/// Puts what came of neighbours together.
pub(super) struct Join;

impl<R> Reducer<Vec<Piece<R>>> for Join {
    fn reduce(self, mut left: Vec<Piece<R>>, mut right: Vec<Piece<R>>) -> Vec<Piece<R>> {
        if left.is_empty() {
            return right;
        }
        left.append(&mut right);
        left
    }
}

/// A leaf that is at its source.
struct AtTheSource<'s>(&'s AtomicUsize);

impl Drop for AtTheSource<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Takes in items one after another, and runs them or sets them aside.
pub(super) struct Leaf<'a, 's, S: Source, T, R, C: UnindexedConsumer<R>, W, F> {
    leaves: Leaves<'a, 's, S, T, R, C, W, F>,
    /// Where the results go while items are run.
    running: Option<C::Folder>,
    /// The run of items that are being set aside, and how many they are.
    setting_aside: Option<(usize, usize)>,
    /// Items on their way.
    taken: Vec<T>,
    pieces: Vec<Piece<C::Result>>,
    pace: Pace,
    full: bool,
    /// It is at a source that it has in common with others.
    reads: Option<AtTheSource<'s>>,
}

impl<'s, S, T, R, C, W, F> Leaf<'_, 's, S, T, R, C, W, F>
where
    S: Source + 's,
    T: Send + 's,
    R: Send + 's,
    C: UnindexedConsumer<R> + 's,
    W: Weigh<T>,
    F: Fn(T) -> R + Send + Sync,
{
    /// Goes to the source, where it may be blocked, as in `par_bridge` over a channel. If
    /// all leaves were, nobody would be left for what was set aside, whoever gives permits
    /// back: so one of them stays out meanwhile, and sees to that, looking for other jobs
    /// so often. If nobody is at the source any more, it goes there all the same.
    ///
    /// A leaf counts itself in, then looks whether anything is set aside. Whoever sets
    /// aside counts itself in later. So of two that go to the source one sees both.
    fn read_on(&mut self, looks_every: Option<Duration>) {
        let Leaves { call, scope, .. } = self.leaves;
        let at_the_source: &'s AtomicUsize = &call.jobs.at_the_source;
        while !self.leaves.is_indexed && !self.full() {
            let others = at_the_source.fetch_add(1, Relaxed);
            self.reads = Some(AtTheSource(at_the_source));
            // ORDERING: pairs with itself, and with the one in `tend`: see above.
            fence(SeqCst);
            if others == 0 || !call.needs_keeper() || !frames::are_older_than(call.number) {
                return;
            }
            self.reads = None;
            let wait = Wait::new(Default::default()).looking_every(looks_every);
            attend(&call, scope, wait, call.number, || {
                at_the_source.load(Relaxed) == 0
            });
        }
    }

    /// Takes as many items as are to be run next.
    #[inline]
    fn fetch(&mut self, items: &mut impl Iterator<Item = T>) {
        let (first, rest) = self.pace.parts();
        self.taken.extend(items.by_ref().take(first));
        if self.taken.len() == first && rest > 0 && !self.pace.is_late() {
            self.taken.extend(items.by_ref().take(rest));
        }
    }

    /// Runs what was taken, or sets it aside.
    fn settle(&mut self) {
        let call = self.leaves.call;
        while let Some(item) = self.taken.first() {
            if call.is_over() {
                self.taken.clear();
                self.full = true;
                return;
            }
            // One item is taken at a time unless all weigh the same.
            let weight = call.jobs.weigh(item);
            if !self.run(weight) {
                self.set_aside(weight);
            }
        }
        self.pace.done();
    }

    /// Runs what it can under one grant. False if there is none.
    fn run(&mut self, weight: u32) -> bool {
        let call = self.leaves.call;
        let Some(mut grant) = call.admit(weight, call.number) else {
            return false;
        };
        self.setting_aside = None;
        if W::UNIFORM && call.jobs.len() > 0 {
            // That came before.
            let scope = self.leaves.scope;
            if !Aside::run_some(call, &mut grant, &mut self.pace, || tend(&call, scope)) {
                drop(grant);
                tend(&call, scope);
                return true;
            }
        }
        let results = &self.leaves.results;
        let running = self.running.take();
        let folder = running.unwrap_or_else(|| results.split_off_left().into_folder());
        // Whatever is not taken out here is dropped if `f` panics.
        let mut items = self.taken.drain(..);
        let (folder, goes_on) =
            Aside::run_all(call, &grant, &mut items, self.pace.look_every(), folder);
        if items.as_slice().is_empty() {
            // Keeps its memory.
            drop(items);
        } else {
            self.taken = items.collect();
        }
        self.full = folder.full();
        if self.full {
            self.taken.clear();
        }
        self.running = Some(folder);
        if goes_on && call.jobs.len() > 0 {
            // In place, since nobody else might be there to do it.
            let scope = self.leaves.scope;
            Aside::run_some(call, &mut grant, &mut self.pace, || tend(&call, scope));
        }
        drop(grant);
        tend(&call, self.leaves.scope);
        true
    }

    /// The same without a grant, for all that was taken.
    fn set_aside(&mut self, weight: u32) {
        let Leaves {
            call,
            scope,
            results,
            ..
        } = &self.leaves;
        if let Some(folder) = self.running.take() {
            self.pieces.push(Piece::Done(folder.complete()));
        }
        let (run, first) = *self.setting_aside.get_or_insert_with(|| {
            let run = call.jobs.begin_run();
            self.pieces.push(Piece::Later(run));
            (run, 0)
        });
        let items = std::mem::take(&mut self.taken);
        self.setting_aside = Some((run, first + items.len()));
        let consumer = results.split_off_left();
        call.jobs.add((run, first), items, weight, consumer);
        tend(call, scope);
    }
}

impl<'s, S, T, R, C, W, F> Folder<T> for Leaf<'_, 's, S, T, R, C, W, F>
where
    S: Source + 's,
    T: Send + 's,
    R: Send + 's,
    C: UnindexedConsumer<R> + 's,
    W: Weigh<T>,
    F: Fn(T) -> R + Send + Sync,
{
    type Result = Vec<Piece<C::Result>>;

    fn consume(mut self, item: T) -> Self {
        self.reads = None;
        self.taken.push(item);
        self.settle();
        self.read_on(Some(BESIDE));
        self
    }

    fn consume_iter<I: IntoIterator<Item = T>>(mut self, items: I) -> Self {
        let mut items = items.into_iter();
        // These are its own.
        self.reads = None;
        while !self.full() {
            // No permit is held while the next items come into being.
            self.fetch(&mut items);
            if self.taken.is_empty() {
                break;
            }
            self.settle();
        }
        self.read_on(Some(BESIDE));
        self
    }

    fn complete(mut self) -> Self::Result {
        self.reads = None;
        if let Some(folder) = self.running.take() {
            self.pieces.push(Piece::Done(folder.complete()));
        }
        self.pieces
    }

    fn full(&self) -> bool {
        self.full || self.leaves.full()
    }
}

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
    /// How many leaves are at a source that they have in common.
    at_the_source: AtomicUsize,
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
            at_the_source: AtomicUsize::new(0),
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

    /// Runs `items` under `grant` one after the other, until there is none left or, with a
    /// look after so many, somebody else wants it or no more results are wanted. Says
    /// whether to go on.
    #[inline]
    fn run_all<S: Source, B: Folder<R>>(
        call: &Call<S, Self>,
        grant: &Grant<S::Permit>,
        items: &mut impl ExactSizeIterator<Item = T>,
        look_every: usize,
        mut folder: B,
    ) -> (B, bool) {
        let semaphore = grant.own().map(|permit| permit.semaphore());
        let mut calm = semaphore.and_then(Semaphore::calm);
        while items.len() > 0 && !folder.full() {
            // The folder's own loop: a tight one.
            folder = folder.consume_iter(items.by_ref().take(look_every).map(call.jobs.f));
            match (semaphore, calm) {
                (Some(semaphore), Some(now)) if semaphore.is_still(now) => continue,
                _ if !call.goes_on(grant) => return (folder, false),
                _ => calm = semaphore.and_then(Semaphore::calm),
            }
        }
        (folder, true)
    }

    /// Runs items under `grant`, until there is none left for it or somebody
    /// else wants it. Says whether to go on.
    fn run_some<S: Source>(
        call: &Call<S, Self>,
        grant: &mut Grant<S::Permit>,
        pace: &mut Pace,
        mut after_each: impl FnMut(),
    ) -> bool {
        let aside = &call.jobs;
        while let Some((need, _)) = aside.next() {
            if !grant.fit(&call.source, need) {
                return false;
            }
            let Some(mut batch) = aside.take(pace.items(), grant.permits()) else {
                // Somebody else was quicker, and the next one is heavier.
                continue;
            };
            let (run, first) = batch.place;
            let total = batch.items.len();
            let folder = batch.consumer.split_off_left().into_folder();
            let (folder, goes_on) =
                Self::run_all(call, grant, &mut batch.items, pace.look_every(), folder);
            let full = folder.full();
            let result = folder.complete();
            aside.results().push(((run, first), result));
            if !full && !batch.items.as_slice().is_empty() {
                batch.place = (run, first + total - batch.items.len());
                aside.put(batch, VecDeque::push_front);
            }
            pace.done();
            if !goes_on {
                return false;
            }
            after_each();
        }
        true
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
    fn next(&self) -> Option<(u32, u64)> {
        if self.len() == 0 {
            return None;
        }
        self.queue().front().map(|front| (front.weight, 0))
    }

    fn len(&self) -> usize {
        // ORDERING: Acquire, for the additions.
        self.len.load(Acquire)
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

impl<'s, S, T, R, C, W, F> Handle<'s> for &'s Call<S, Aside<'s, T, R, C, W, F>>
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
        Aside::run_some(self, &mut grant, &mut pace, || {
            // More permits may have come free.
            tend(self, scope);
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

/// As many items as take about as long as [`Pace::ENOUGH`], one if one takes
/// longer, so that what is done once for them all costs little.
#[derive(Debug)]
struct Pace {
    items: usize,
    most: usize,
    are_tiny: bool,
    since: Instant,
}

impl Pace {
    /// To take permits, give them back and look at the clock costs half a
    /// microsecond where two workers do it by turns. Measured on items of 20 ns,
    /// it adds 40 % to them with a microsecond here, and 10 % with 20 or 50.
    const ENOUGH: Duration = Duration::from_micros(20);

    /// So many numbers fit into a core's nearest cache: what is fetched is written there and
    /// read again. Measured on empty items, 8192 cost a tenth more than 2048.
    const MOST: usize = 2048;

    fn new(uniform: bool) -> Self {
        Self {
            items: 1,
            most: if uniform { Self::MOST } else { 1 },
            are_tiny: false,
            since: Instant::now(),
        }
    }

    /// After how many items to look whether somebody else wants the permits: after each,
    /// but where a look takes longer than the item.
    fn look_every(&self) -> usize {
        if self.are_tiny { 32 } else { 1 }
    }

    /// How many to take next.
    fn items(&self) -> usize {
        self.items
    }

    /// The same in two parts. The second is for those that are not slow to come,
    /// so that they do not wait for each other where they are.
    fn parts(&self) -> (usize, usize) {
        let first = self.items.div_ceil(4);
        (first, self.items - first)
    }

    /// Are the items slow to come?
    fn is_late(&self) -> bool {
        self.since.elapsed() > Self::ENOUGH
    }

    /// Those are done.
    fn done(&mut self) {
        if self.most == 1 {
            return;
        }
        let now = Instant::now();
        let took = now.duration_since(self.since);
        self.since = now;
        // So many take less than 2.5 ns each.
        self.are_tiny = self.items == Self::MOST && took < Self::ENOUGH / 4;
        if took < Self::ENOUGH {
            self.items = (2 * self.items).min(self.most);
        } else if took > 4 * Self::ENOUGH {
            self.items = (self.items / 4).max(1);
        }
    }
}
