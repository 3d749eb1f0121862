//! Waits for permits on behalf of jobs that were set aside.

use std::{
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Arc,
    task::Waker,
    time::Duration,
};

use rayon::Scope;

use super::{
    asks::{Entry, Spot},
    broker,
    crew::Handle,
    frames,
    mailbox::Mailbox,
    onduty::Blocked,
    posts::{self, Post},
    source::Source,
};
#[cfg(shuttle)]
use crate::sync::WithBorrow as _;
use crate::sync::{Instant, thread, thread_local};

mod at_work;

use at_work::{Ask, AtWork, End, Pleaded};

thread_local! {
    /// How many there are on this thread's stack.
    static KEEPERS: RefCell<usize> = const { RefCell::new(0) };
}

/// A crew's keeper, or one to be. There is one at a time: it is in the crew's books
/// as its mailbox. In a box, since many may come to lie on each other on one stack.
pub(super) struct Keeper<S: Source> {
    mailbox: Arc<Mailbox>,
    place: Place,
    waker: Waker,
    ask: Option<Ask<S>>,
    plea: Option<Pleaded>,
    /// For how many permits nobody had a loan when it last asked for one.
    was_denied: Option<u32>,
    /// How long it waits before it is somebody else's turn.
    patience: Duration,
    /// How often it makes way if it comes to lie on a keeper that has left.
    makes_way: u32,
    /// How often it has looked whether all stand still.
    looks: u32,
    /// How many permits somebody has then who may wait for it.
    suspected: u64,
    /// How often in a row all stood still.
    stills: u32,
    /// How often it has left a refusal to those on top of it.
    defers: u32,
    /// When it was found out that it starves.
    starves_since: Option<Instant>,
    /// Of a leaf's: when to look whether anybody is at the source.
    next_look: Option<Instant>,
    /// There since it has begun for the first time.
    entry: Option<Entry>,
    post: Arc<Post>,
    /// Where it was before.
    last: Option<Arc<Post>>,
}

/// Where a keeper is, and so for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the call itself, which waits until all is done.
    Call,
    /// In a leaf of the call, which would be blocked otherwise: as long as others
    /// are ([`reader`](super::iter::reader)).
    Leaf,
    /// On any worker that comes by: until it is somebody else's turn ([`posts`]).
    Scope,
}

impl<S: Source> Keeper<S> {
    /// At first. It doubles until it is [`MOST`](Self::MOST).
    const PATIENCE: Duration = Duration::from_millis(5);

    /// So many keepers as may lie on each other ([`Places`](super::places::Places))
    /// cost a few percent of a core by this.
    const MOST: Duration = Duration::from_millis(200);

    pub(super) fn new(mailbox: Arc<Mailbox>, place: Place) -> Box<Self> {
        Box::new(Self {
            waker: Waker::from(Arc::clone(&mailbox)),
            post: Post::new(Arc::clone(&mailbox)),
            mailbox,
            place,
            ask: None,
            plea: None,
            was_denied: None,
            patience: Self::PATIENCE,
            makes_way: posts::TRIES,
            looks: 0,
            suspected: 0,
            stills: 0,
            defers: 0,
            starves_since: None,
            next_look: None,
            entry: None,
            last: None,
        })
    }

    /// Where it will be at work.
    pub(super) fn post(&self) -> Arc<Post> {
        Arc::clone(&self.post)
    }

    /// Stands in the semaphore's line for as long as there are jobs set aside, and
    /// hires a runner for each grant; or for as long as its [place](Place) allows.
    ///
    /// What is beneath it on this thread cannot go on meanwhile.
    pub(super) fn keep<'s, H>(mut self: Box<Self>, crew: &H, scope: &Scope<'s>)
    where
        S: 's,
        H: Handle<'s, Source = S>,
    {
        let (mut beneath, mut entered) = (None, None);
        let post = self.post();
        if self.place == Place::Call {
            beneath = frames::held(crew.source.id());
        } else if self.place == Place::Scope {
            if self.makes_way > 0 && posts::make_way(self.last.as_ref()) {
                self.makes_way -= 1;
                return self.spawn(crew, scope);
            }
            if !frames::are_none() {
                // It was not on top of these when it pleaded.
                self.plea = None;
            }
            entered = Some(Arc::clone(&post).enter());
        }
        let stays = match self.place {
            Place::Call => true,
            Place::Leaf => false,
            Place::Scope => entered.as_ref().is_some_and(posts::Entered::is_deep),
        };
        let mailbox = Arc::clone(&self.mailbox);
        let here = Here::new();
        // Listed before this worker may seem to stand still.
        let entry = match self.entry.take() {
            None => Entry::new(&mailbox, here.spot),
            Some(entry) => {
                entry.move_to(here.spot);
                entry
            }
        };
        let mut at_work = Box::new(AtWork {
            keeper: self,
            entry,
            is_refused: false,
            crew,
            scope,
            beneath,
            stays,
        });
        let blocked = Blocked::new();
        let work = || {
            let ended = catch_unwind(AssertUnwindSafe(|| at_work.run()));
            let ended = ended.map(|end| {
                if let End::Relieved { makes_way } = end {
                    let AtWork {
                        mut keeper, entry, ..
                    } = *at_work;
                    keeper.makes_way = makes_way;
                    keeper.entry = Some(entry);
                    keeper.post = Post::new(Arc::clone(&keeper.mailbox));
                    keeper.last = Some(Arc::clone(&post));
                    keeper.spawn(crew, scope);
                }
            });
            // Last of all, so that the worker is told soon.
            post.leave();
            ended
        };
        let kept = catch_unwind(AssertUnwindSafe(|| broker::off_worker(work)));
        if let Err(panic) = kept.and_then(|kept| kept) {
            // Nobody is to count on it.
            crew.strike_off(&mut crew.duty());
            mailbox.close();
            resume_unwind(panic);
        }
        drop(here);
        drop(blocked);
        drop(entered);
    }

    /// Sends it to be on duty, on whatever worker comes by it.
    pub(super) fn spawn<'s, H>(self: Box<Self>, crew: &H, scope: &Scope<'s>)
    where
        S: 's,
        H: Handle<'s, Source = S>,
    {
        let crew = crew.clone();
        scope.spawn(move |scope| self.keep(&crew, scope));
    }
}

/// A keeper lies on this thread's stack until this is dropped.
struct Here {
    spot: Spot,
}

impl Here {
    fn new() -> Self {
        let depth = KEEPERS.with_borrow_mut(|keepers| {
            *keepers += 1;
            *keepers
        });
        let worker = thread::current().id();
        Self {
            spot: Spot { worker, depth },
        }
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        KEEPERS.with_borrow_mut(|keepers| *keepers -= 1);
    }
}
