//! The items of one call: as rayon deals them out, and those that were set aside.

use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Arc,
    time::Duration,
    vec,
};

use rayon::iter::plumbing::{Consumer, Folder, Reducer, UnindexedConsumer};

use super::{
    call::{Call, Defer, Grant, Job, Reads, Scoped, Work},
    frames::locked,
    source::Source,
    wait::{SELDOM, Wait},
};
use crate::{
    AcquireError, Semaphore,
    sync::{Instant, Mutex},
};

/// So many pieces of one leaf are no burden.
const MANY: usize = 64;

/// How many permits an item needs.
pub(super) type Weigh<'a, T> = &'a (dyn Fn(&T) -> u32 + Sync);

/// What has become of some items that followed each other.
pub(super) enum Piece<R> {
    /// They were run at once.
    Done(R),
    /// They were set aside.
    Later(Arc<Run<R>>),
}

/// What comes of the items of a batch: of some at a time, with the number of the first.
type Run<R> = Mutex<Vec<(usize, R)>>;

impl<R> Piece<R> {
    /// Whoever has some of its items has the run as well.
    fn is_done(&mut self) -> bool {
        match self {
            Self::Done(_) => true,
            // This acquires what comes of them.
            Self::Later(run) => Arc::get_mut(run).is_some(),
        }
    }

    /// All that has come of them, in the order of the items.
    pub(super) fn results(self) -> Vec<R> {
        match self {
            Self::Done(result) => vec![result],
            Self::Later(run) => {
                let mut results = mem::take(&mut *locked(&run));
                results.sort_unstable_by_key(|&(first, _)| first);
                results.into_iter().map(|(_, result)| result).collect()
            }
        }
    }
}

/// Puts neighbours together where they are done.
fn gather<R, D: Reducer<R>>(pieces: Vec<Piece<R>>, reducer: impl Fn() -> D) -> Vec<Piece<R>> {
    let reduce = |left, right| reducer().reduce(left, right);
    let mut gathered: Vec<Piece<R>> = Vec::new();
    for mut piece in pieces {
        if piece.is_done() && gathered.last_mut().is_some_and(Piece::is_done) {
            let both = gathered.pop().into_iter().chain([piece]);
            match both.flat_map(Piece::results).reduce(reduce) {
                Some(whole) => piece = Piece::Done(whole),
                None => continue,
            }
        }
        gathered.push(piece);
    }
    gathered
}

/// Takes the items in.
pub(super) struct Leaves<'a, 's, S: Source, T, C: Consumer<T>> {
    pub(super) scoped: &'a Scoped<'a, 's, S, Batch<T, C>>,
    /// `None` if each weighs one.
    pub(super) weigh: Option<Weigh<'a, T>>,
    /// Runs the items, and takes the results.
    pub(super) results: C,
    /// Each leaf has items of its own.
    pub(super) is_indexed: bool,
}

impl<'a, 's, S, T, C> Consumer<T> for Leaves<'a, 's, S, T, C>
where
    S: Source + 's,
    T: Send + 's,
    C: UnindexedConsumer<T> + 's,
{
    type Folder = Leaf<'a, 's, S, T, C>;
    type Reducer = Join;
    type Result = Vec<Piece<C::Result>>;

    fn split_at(mut self, _: usize) -> (Self, Self, Join) {
        self.is_indexed = true;
        (self.split_off_left(), self, Join)
    }

    fn into_folder(self) -> Self::Folder {
        let mut leaf = Leaf {
            running: None,
            pieces: Vec::new(),
            many: MANY,
            pace: Pace::new(self.weigh.is_none()),
            reads: None,
            is_worker: rayon::current_thread_index().is_some(),
            leaves: self,
        };
        // rayon may begin another leaf of an unindexed iterator on top of this one, and
        // end this one then.
        leaf.read_on(None);
        leaf
    }

    fn full(&self) -> bool {
        self.results.full() || self.scoped.call.is_over()
    }
}

impl<'s, S, T, C> UnindexedConsumer<T> for Leaves<'_, 's, S, T, C>
where
    S: Source + 's,
    T: Send + 's,
    C: UnindexedConsumer<T> + 's,
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

/// Takes in items one after another, and runs them or sets them aside.
pub(super) struct Leaf<'a, 's, S: Source, T, C: Consumer<T>> {
    leaves: Leaves<'a, 's, S, T, C>,
    /// Where the results go while items are run.
    running: Option<C::Folder>,
    pieces: Vec<Piece<C::Result>>,
    /// When there are so many, those that are done are put together: a stream may not end.
    many: usize,
    pace: Pace,
    reads: Option<Reads<'a>>,
    /// If not, no item is run here: this thread would block in what the item waits for, and
    /// could not lend its permits.
    is_worker: bool,
}

impl<'s, S, T, C> Leaf<'_, 's, S, T, C>
where
    S: Source + 's,
    T: Send + 's,
    C: UnindexedConsumer<T> + 's,
{
    /// Goes to the source, where it may be blocked, as in `par_bridge` over a channel. If
    /// all leaves were, nobody would be left for what was set aside, whoever gives permits
    /// back: so one of them stays out meanwhile, and sees to that, looking for other jobs
    /// so often. If nobody is at the source any more, it goes there all the same.
    fn read_on(&mut self, looks_every: Option<Duration>) {
        let scoped = self.leaves.scoped;
        let call = scoped.call;
        while !self.leaves.is_indexed && !self.full() {
            self.reads = call.begin_to_read();
            if self.reads.is_some() {
                return;
            }
            let wait = Wait::looking_every(looks_every);
            scoped.attend(wait, call.number, || call.duty().readers == 0);
        }
    }

    /// Runs what was taken, or sets it aside. It is one item unless all weigh the same.
    fn settle(&mut self, taken: &mut Vec<T>) {
        let Leaves { scoped, weigh, .. } = self.leaves;
        let call = scoped.call;
        if self.is_worker && call.queue.len() > 0 {
            // That came before. In place, since nobody else might be there to do it.
            scoped.help(None);
        }
        let weight = weigh.map_or(1, |weigh| weigh(&taken[0]));
        if weight as usize > Semaphore::MAX_PERMITS {
            call.end(AcquireError::TooManyPermits.into());
        }
        if call.is_over() {
            return;
        }
        let len = taken.len();
        let _tend = Defer(|| scoped.tend());
        let admit = || call.admit(weight, call.number);
        let left = match self.is_worker.then(admit).flatten() {
            Some(grant) => {
                let (results, running) = (&self.leaves.results, self.running.take());
                let folder = running.unwrap_or_else(|| results.split_off_left().into_folder());
                // Whatever is not taken out here is dropped if `f` panics.
                let mut items = taken.drain(..);
                let look_every = self.pace.look_every();
                let (folder, _) = run_all(call, &grant, &mut items, look_every, folder);
                self.running = Some(folder);
                items.collect()
            }
            None => mem::take(taken),
        };
        self.pace.done(len - left.len());
        if !left.is_empty() && !self.full() {
            self.set_aside(weight, left);
        }
    }

    fn set_aside(&mut self, weight: u32, items: Vec<T>) {
        let results = &self.leaves.results;
        if let Some(folder) = self.running.take() {
            self.pieces.push(Piece::Done(folder.complete()));
        }
        if self.pieces.len() >= self.many {
            self.pieces = gather(mem::take(&mut self.pieces), || results.to_reducer());
            self.many = MANY + 2 * self.pieces.len();
        }
        let run = Arc::<Run<_>>::default();
        self.pieces.push(Piece::Later(Arc::clone(&run)));
        let batch = Batch {
            run,
            first: 0,
            items: items.into_iter(),
            consumer: results.split_off_left(),
        };
        self.leaves.scoped.call.queue.push(weight, 0, batch);
    }
}

impl<'s, S, T, C> Folder<T> for Leaf<'_, 's, S, T, C>
where
    S: Source + 's,
    T: Send + 's,
    C: UnindexedConsumer<T> + 's,
{
    type Result = Vec<Piece<C::Result>>;

    fn consume(self, item: T) -> Self {
        self.consume_iter([item])
    }

    fn consume_iter<I: IntoIterator<Item = T>>(mut self, items: I) -> Self {
        let mut items = items.into_iter();
        // These are its own.
        self.reads = None;
        let mut taken = Vec::new();
        while !self.full() {
            // No permit is held while the next items come into being.
            taken.extend(items.by_ref().take(self.pace.items));
            if taken.is_empty() {
                break;
            }
            self.settle(&mut taken);
        }
        // It should not be the one to take the leaves that other workers are about to begin.
        self.read_on(Some(SELDOM));
        self
    }

    fn complete(mut self) -> Self::Result {
        if let Some(folder) = self.running.take() {
            self.pieces.push(Piece::Done(folder.complete()));
        }
        self.pieces
    }

    fn full(&self) -> bool {
        self.running.as_ref().is_some_and(Folder::full) || self.leaves.full()
    }
}

/// Items that were set aside together.
pub(super) struct Batch<T, C: Consumer<T>> {
    run: Arc<Run<C::Result>>,
    /// The number of the first that is left.
    first: usize,
    items: vec::IntoIter<T>,
    consumer: C,
}

impl<T: Send, C: UnindexedConsumer<T>> Job for Batch<T, C> {
    fn len(&self) -> usize {
        self.items.len()
    }

    fn split_off(&mut self, n: usize) -> Option<Self> {
        if self.items.len() <= n {
            return None;
        }
        let items: Vec<_> = self.items.by_ref().take(n).collect();
        let first = self.first;
        self.first += n;
        Some(Self {
            run: Arc::clone(&self.run),
            first,
            items: items.into_iter(),
            consumer: self.consumer.split_off_left(),
        })
    }

    fn is_wanted(&self) -> bool {
        !self.consumer.full()
    }
}

impl<'s, S, T, C> Work<'s, S> for Batch<T, C>
where
    S: Source + 's,
    T: Send + 's,
    C: UnindexedConsumer<T> + 's,
{
    /// A panic goes to the scope: whoever runs this has items of its own, which have nothing
    /// to do with it.
    fn work(scoped: &Scoped<'_, 's, S, Self>, grant: Grant<S::Permit>) {
        let call = scoped.call;
        let mut pace = Pace::new(true);
        while let Some(batch) = call.queue.take(pace.items, grant.permits()) {
            let (len, look_every) = (batch.len(), pace.look_every());
            let run = || batch.run(call, &grant, look_every);
            let goes_on = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
                scoped.scope.spawn(|_| resume_unwind(panic));
                call.goes_on(&grant)
            });
            if !goes_on {
                return;
            }
            pace.done(len);
            // More permits may have come free.
            scoped.tend();
        }
    }
}

impl<T: Send, C: UnindexedConsumer<T>> Batch<T, C> {
    /// Runs the items, and puts back what it does not come to. Says whether to go on.
    fn run<S: Source>(
        mut self,
        call: &Call<S, Self>,
        grant: &Grant<S::Permit>,
        look_every: usize,
    ) -> bool {
        let total = self.items.len();
        let folder = self.consumer.split_off_left().into_folder();
        let (folder, goes_on) = run_all(call, grant, &mut self.items, look_every, folder);
        let full = folder.full();
        let result = (self.first, folder.complete());
        locked(&self.run).push(result);
        if !full && self.items.len() > 0 {
            self.first += total - self.items.len();
            call.queue.put_back(grant.permits(), 0, self);
        }
        goes_on
    }
}

/// Runs `items` under `grant` one after the other, until there is none left or, with a
/// look after so many, somebody else wants it or no more results are wanted. Says
/// whether to go on.
#[inline]
fn run_all<S: Source, J: Job, T, F: Folder<T>>(
    call: &Call<S, J>,
    grant: &Grant<S::Permit>,
    items: &mut impl ExactSizeIterator<Item = T>,
    look_every: usize,
    mut folder: F,
) -> (F, bool) {
    let mut goes_on = true;
    while goes_on && items.len() > 0 && !folder.full() {
        // The folder's own loop: a tight one.
        folder = folder.consume_iter(items.by_ref().take(look_every));
        goes_on = call.goes_on(grant);
    }
    (folder, goes_on)
}

/// As many items as take about as long as [`Pace::ENOUGH`], one if one takes
/// longer, so that what is done once for them all costs little.
#[derive(Debug)]
struct Pace {
    /// How many to take next, and at most.
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

    /// Those are done, and so many of them have run.
    fn done(&mut self, ran: usize) {
        if self.most == 1 {
            return;
        }
        let now = Instant::now();
        let took = now.duration_since(self.since);
        self.since = now;
        // So many take less than 2.5 ns each.
        self.are_tiny = ran >= Self::MOST && took < Self::ENOUGH / 4;
        if took < Self::ENOUGH {
            self.items = (2 * self.items).min(self.most);
        } else if took > 4 * Self::ENOUGH {
            self.items = (self.items / 4).max(1);
        }
    }
}
