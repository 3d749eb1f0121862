//! Leaves that share their source, and are blocked while it has no item for them.
//!
//! In [`par_bridge`](rayon::iter::ParallelBridge::par_bridge) over a channel, say,
//! whoever waits for the next item is blocked, and so are those who wait for their
//! turn to do so. If all workers are, nobody is left for what was set aside, whoever
//! gives permits back. So one of them *stays out*: before it goes to the source it is
//! the crew's keeper for a while, off its worker, which can run what it hires.
//!
//! # Why this holds up nobody
//!
//! A leaf stays out only while another one is at the source. What lies beneath it on
//! its stack cannot go on meanwhile, nor could it if the leaf were there, too: both
//! wait for what the source does. If nobody is at the source any more (the others may
//! run items for long, and those wait for what lies beneath) it goes there itself: it
//! looks every few milliseconds.
//!
//! It does not stay out on top of a leaf that may be the one at the source, nor where
//! rayon would end it at once.
//!
//! # Why nothing is left alone
//!
//! Let there be a leaf at the source, and something set aside or a runner with it.
//!
//! 1. A leaf counts itself in (I), then looks whether there is any such thing (L).
//!    Whoever sets aside (A) counts itself in later. Between its write and what it
//!    reads each has a fence: either L sees A, or the other one sees I. So of all
//!    that go to the source one sees both, and decides with the duty locked; so at
//!    most one stays out, as the keeper, and no two find nobody else there.
//! 2. A runner that sets aside again what it has begun does so before it is off
//!    duty: L sees the one or the other.
//! 3. A keeper goes with the duty locked if there is neither, or counts itself in as
//!    in 1.
//!
//! Not so if there is one leaf only, in a pool of one worker, or while the others are
//! busy with something else (a second source that blocks, say) and have not begun
//! theirs. Nor if what the keeper waits for lies beneath a leaf itself, as an item does
//! that waits for jobs of its own: its worker may have taken on a leaf meanwhile.
//!
//! # Leaves on top of one that stays out
//!
//! Its worker may take on others of the same call. rayon lets each worker have one at
//! a time, and ends the others at once: for nothing, so the other workers are given
//! [time](PATIENCE) to begin them. But of one that stays out at its very beginning
//! rayon does not know yet, and the other one would be blocked on top of it: so that
//! waits until the first one has stopped to stay out.

use std::{
    cell::RefCell,
    marker::PhantomData,
    ptr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use rayon::Scope;

#[cfg(shuttle)]
use crate::sync::WithBorrow as _;
use crate::{
    rayon::{
        broker,
        crew::{self, Crew, Handle, Jobs as _},
        keeper::{Keeper, Place},
        posts::Post,
        source::Source,
    },
    sync::{AtomicUsize, Instant, Relaxed, SeqCst, fence, thread_local},
};

/// How long nobody stays out while there are workers without a leaf.
const PATIENCE: Duration = Duration::from_millis(if cfg!(shuttle) { 0 } else { 20 });

thread_local! {
    /// The leaves of this kind on this thread's stack, the topmost last.
    static LEAVES: RefCell<Vec<Here>> = const { RefCell::new(Vec::new()) };
}

/// A leaf on this thread. It changes only while it is the topmost.
struct Here {
    /// Whose call it is of.
    readers: *const Readers,
    at_the_source: bool,
    /// It has got beyond its beginning: rayon ends others of its call at once.
    has_begun: bool,
    /// Where it stays out at its beginning.
    post: Option<Arc<Post>>,
}

impl Here {
    fn change(change: impl FnOnce(&mut Self)) {
        LEAVES.with_borrow_mut(|leaves| leaves.last_mut().map(change));
    }
}

/// The leaves of one call.
#[derive(Debug, Default)]
pub(super) struct Readers {
    at_the_source: AtomicUsize,
    /// On how many threads one has begun and not ended.
    begun: AtomicUsize,
    /// When one was to stay out for the first time.
    since: OnceLock<Instant>,
}

impl Readers {
    pub(super) fn at_the_source(&self) -> usize {
        self.at_the_source.load(Relaxed)
    }

    /// Is there no worker that will come for a leaf yet to be begun?
    fn are_all(&self, workers: usize) -> bool {
        let now = Instant::now();
        let since = *self.since.get_or_init(|| now);
        self.begun.load(Relaxed) >= workers || now.duration_since(since) >= PATIENCE
    }
}

/// One leaf, as long as it lives.
#[derive(Debug)]
pub(super) struct Reader<'s> {
    readers: &'s Readers,
    /// It is at the source.
    reads: bool,
    /// It lies on top of another one of the call.
    is_nested: bool,
    /// It is not to stay out: it lies on top of one that is at a source, or will be
    /// ended at once.
    goes: bool,
    /// Of one thread.
    not_send: PhantomData<*const ()>,
}

impl<'s> Reader<'s> {
    pub(super) fn new(readers: &'s Readers) -> Self {
        let own = Here {
            readers,
            at_the_source: false,
            has_begun: false,
            post: None,
        };
        let (is_nested, goes) = LEAVES.with_borrow_mut(|leaves| {
            let is_own = |leaf: &&Here| ptr::eq(leaf.readers, readers);
            let is_nested = leaves.iter().any(|leaf| is_own(&leaf));
            let is_ended = leaves.iter().filter(is_own).any(|leaf| leaf.has_begun);
            let goes = is_ended || leaves.iter().any(|leaf| leaf.at_the_source);
            leaves.push(own);
            (is_nested, goes)
        });
        if !is_nested {
            readers.begun.fetch_add(1, Relaxed);
        }
        Self {
            readers,
            reads: false,
            is_nested,
            goes,
            not_send: PhantomData,
        }
    }

    /// Goes to the source for the first time.
    pub(super) fn begin<'c, H: Handle<'c>>(&mut self, crew: &H, scope: &Scope<'c>) {
        let beneath = LEAVES.with_borrow(|leaves| {
            let mut own = leaves
                .iter()
                .rev()
                .filter(|leaf| ptr::eq(leaf.readers, self.readers));
            own.find_map(|leaf| leaf.post.clone())
        });
        if let Some(post) = beneath {
            broker::off_worker(|| post.wait());
        }
        while let Some(keeper) = self.arrive(crew) {
            Here::change(|leaf| leaf.post = Some(keeper.post()));
            keeper.keep(crew, scope);
            Here::change(|leaf| leaf.post = None);
            Self::look_again(crew, scope);
        }
        Here::change(|leaf| leaf.has_begun = true);
    }

    /// Goes to the source again.
    pub(super) fn go_on<'c, H: Handle<'c>>(&mut self, crew: &H, scope: &Scope<'c>) {
        while let Some(keeper) = self.arrive(crew) {
            keeper.keep(crew, scope);
            Self::look_again(crew, scope);
        }
    }

    /// While it stopped to stay out nobody asked for permits.
    fn look_again<'c, H: Handle<'c>>(crew: &H, scope: &Scope<'c>) {
        if crew::tend(crew, scope) {
            crew::see_off(crew);
        }
    }

    /// Comes back from there.
    pub(super) fn leave(&mut self) {
        if self.reads {
            self.reads = false;
            self.readers.at_the_source.fetch_sub(1, Relaxed);
            Here::change(|leaf| leaf.at_the_source = false);
        }
    }

    /// Is at the source, or is to be the keeper before.
    fn arrive<'c, H: Handle<'c>>(&mut self, crew: &H) -> Option<Box<Keeper<H::Source>>> {
        self.reads = true;
        self.readers.at_the_source.fetch_add(1, Relaxed);
        Here::change(|leaf| leaf.at_the_source = true);
        // ORDERING: pairs with itself, and with the one in `tend`: argument 1.
        fence(SeqCst);
        if crew.runners() == 0 && crew.jobs.len() == 0 {
            return None;
        }
        self.stay_out(crew)
    }

    #[cold]
    fn stay_out<S: Source, J: crew::Jobs>(&mut self, crew: &Crew<S, J>) -> Option<Box<Keeper<S>>> {
        if self.goes || crew.is_over() || !self.readers.are_all(crew.most.load(Relaxed)) {
            return None;
        }
        let mut duty = crew.duty();
        let is_alone = self.readers.at_the_source() == 1;
        if is_alone || crew.is_done() || duty.keeper.is_some() {
            return None;
        }
        self.leave();
        Some(crew.appoint(&mut duty, Place::Leaf))
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        self.leave();
        let own = LEAVES.with_borrow_mut(Vec::pop);
        debug_assert!(own.is_some());
        if !self.is_nested {
            self.readers.begun.fetch_sub(1, Relaxed);
        }
    }
}
