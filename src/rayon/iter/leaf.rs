//! The items as rayon deals them out.

use rayon::{
    Scope,
    iter::plumbing::{Consumer, Folder, Reducer, UnindexedConsumer},
};

use super::{Weigh, aside::Aside, pace::Pace, reader::Reader};
use crate::rayon::{
    crew::{self, Crew, Jobs as _},
    source::Source,
};

/// What has become of some items that followed each other.
pub(super) enum Piece<R> {
    /// They were run at once.
    Done(R),
    /// They were set aside, as the run of that number.
    Later(usize),
}

type CrewOf<'s, S, T, R, C, W, F> = &'s Crew<S, Aside<'s, T, R, C, W, F>>;

/// Takes the items in.
pub(super) struct Leaves<'a, 's, S: Source, T, R, C: UnindexedConsumer<R>, W, F> {
    crew: CrewOf<'s, S, T, R, C, W, F>,
    scope: &'a Scope<'s>,
    results: C,
    /// Each leaf has items of its own.
    is_indexed: bool,
}

impl<'a, 's, S: Source, T, R, C: UnindexedConsumer<R>, W, F> Leaves<'a, 's, S, T, R, C, W, F> {
    pub(super) fn new(
        crew: CrewOf<'s, S, T, R, C, W, F>,
        scope: &'a Scope<'s>,
        results: C,
    ) -> Self {
        Self {
            crew,
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
        let reader = (!self.is_indexed).then(|| {
            let mut reader = Reader::new(&self.crew.jobs.readers);
            if !self.full() {
                reader.begin(&self.crew, self.scope);
            }
            reader
        });
        Leaf {
            running: None,
            setting_aside: None,
            taken: Vec::new(),
            pieces: Vec::new(),
            pace: Pace::new(W::UNIFORM),
            full: false,
            reader,
            leaves: self,
        }
    }

    fn full(&self) -> bool {
        self.results.full() || self.crew.is_over()
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
    /// If it may have its source in common with others.
    reader: Option<Reader<'s>>,
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
    /// Goes back to the source.
    fn read_on(&mut self) {
        if self.full() {
            return;
        }
        if let Some(reader) = &mut self.reader {
            reader.go_on(&self.leaves.crew, self.leaves.scope);
        }
    }

    /// Comes back from there.
    fn come_back(&mut self) {
        if let Some(reader) = &mut self.reader {
            reader.leave();
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
        let crew = self.leaves.crew;
        let mut hired = false;
        while let Some(item) = self.taken.first() {
            if crew.is_over() {
                self.taken.clear();
                self.full = true;
                return;
            }
            // One item is taken at a time unless all weigh the same.
            let weight = crew.jobs.weigh(item);
            match self.run(weight) {
                Some(more) => hired |= more,
                None => hired |= self.set_aside(weight),
            }
        }
        if hired {
            crew::see_off(&crew);
        }
        self.pace.done();
    }

    /// Runs what it can under one grant, and says whether it has hired runners. `None`
    /// if there is no grant.
    fn run(&mut self, weight: u32) -> Option<bool> {
        let crew = self.leaves.crew;
        let mut grant = crew.admit(weight)?;
        self.setting_aside = None;
        let results = &self.leaves.results;
        let running = self.running.take();
        let folder = running.unwrap_or_else(|| results.split_off_left().into_folder());
        // Whatever is not taken out here is dropped if `f` panics.
        let mut items = self.taken.drain(..);
        let (folder, goes_on) = Aside::run_all(crew, &grant, &mut items, folder);
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
        if goes_on && W::UNIFORM && crew.jobs.len() > 0 {
            // In place, since nobody else might be there to do it.
            Aside::run_some(crew, &mut grant, &mut self.pace, 1, || {});
        }
        drop(grant);
        Some(crew::tend(&crew, self.leaves.scope))
    }

    /// The same without a grant, for all that was taken.
    fn set_aside(&mut self, weight: u32) -> bool {
        let Leaves {
            crew,
            scope,
            results,
            ..
        } = &self.leaves;
        if let Some(folder) = self.running.take() {
            self.pieces.push(Piece::Done(folder.complete()));
        }
        let (run, first) = *self.setting_aside.get_or_insert_with(|| {
            let run = crew.jobs.begin_run();
            self.pieces.push(Piece::Later(run));
            (run, 0)
        });
        let items = std::mem::take(&mut self.taken);
        self.setting_aside = Some((run, first + items.len()));
        let consumer = results.split_off_left();
        crew.jobs.add((run, first), items, weight, consumer);
        crew::tend(crew, scope)
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
        self.come_back();
        self.taken.push(item);
        self.settle();
        self.read_on();
        self
    }

    fn consume_iter<I: IntoIterator<Item = T>>(mut self, items: I) -> Self {
        let mut items = items.into_iter();
        // These are its own.
        self.come_back();
        while !self.full() {
            // No permit is held while the next items come into being.
            self.fetch(&mut items);
            if self.taken.is_empty() {
                break;
            }
            self.settle();
        }
        self.read_on();
        self
    }

    fn complete(mut self) -> Self::Result {
        if let Some(folder) = self.running.take() {
            self.pieces.push(Piece::Done(folder.complete()));
        }
        self.pieces
    }

    fn full(&self) -> bool {
        self.full || self.leaves.full()
    }
}
