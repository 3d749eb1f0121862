//! Who waits in which class, and how permits find their way there.
//!
//! The semaphore knows no classes. Who waits here does not stand in its line: one request of
//! ours does, for all. It is an ordinary future, which this module polls with a waker of its
//! own. When it is granted, whoever gave the permits back runs that waker, and with it
//! [`Inner::dispatch`]: whose turn it is ([`shares`](crate::shares)) is found then, not before.
//! Then the next request is made, until one has to wait. So max, resizing, pausing and closing
//! are the semaphore's, and so is the order between us and whoever uses it beside us.
//!
//! | who | does what |
//! |---|---|
//! | arrival | takes permits if the semaphore has them and nobody waits; else joins its class under the lock, and dispatches |
//! | permits that come back | count their use, under the lock if somebody waits; then they are released, which may wake the dispatcher |
//! | waker of a request | dispatches |
//! | dispatcher | polls the requests; shares out what comes; asks for nothing if nobody waits |
//! | waiter that gives up | leaves its class under the lock, and dispatches; what it was granted and has not fetched comes back |
//!
//! # For how many permits the request is
//!
//! For as many as the one needs whose turn it is. So the semaphore's own line holds free permits
//! back until these are there, as it does for anybody, and we hold none: a shrink, a pause and
//! `idle` see no permit that is not used. A heavy request is not starved by light ones, in its
//! class or in another.
//!
//! Once made, the request is not made anew because the turn has changed: so we keep our place
//! in the semaphore's line. When it is granted, permits go to whose turn it is then, one after
//! the other. If what is left is too few for the next, it goes back, and the next request is
//! for that one. What the classes before it may use until its turn comes is bounded, so it comes.
//!
//! # A request for more than max
//!
//! The semaphore moves a request aside that needs more than max, and tells nobody. Lighter ones
//! must not wait behind it here. So if anybody waits who needs less than the *first* request
//! asks for, there is a *second* behind it, for the least that anybody needs. In line, it is
//! granted when the first has been or has stepped aside. Then the one that is too heavy steps
//! aside here as well (`line.rs`), and the second takes the place of the first, or, if the
//! next needs another number, that is made anew. A second is never made before its first.
//!
//! If all that wait are aside, the first is for the lightest of them. It is aside too, and the
//! semaphore lets it back into line when max allows it.
//!
//! # A semaphore with another order
//!
//! Where the newest goes first, or permits are competed for, the second may be granted although
//! the first is not aside. Then light requests pass heavy ones, as they do in that semaphore:
//! the permits are shared out between those for whom they are enough. (With grants to tasks it
//! may take over what the first was granted a moment ago. The effect is the same.)
//!
//! # Why nothing is lost
//!
//! *One dispatcher at a time, and no lock while it polls.* A poll, or a drop, of a request
//! may run wakers, which may come back to us. Who dispatches adds one to `signals`. If that
//! was zero, it is the dispatcher: it does a round, takes off what it has seen, and does
//! another while something is left. Everybody else leaves at once: the dispatcher has not
//! taken off what they have added, so it does a round that begins after that. So it goes on
//! for as long as others signal, without a bound.
//!
//! *No wake-up.* After a round that began after the last signal, either nobody waits here, or
//! a request for the least that anybody needs, and one for whose turn it is, have been polled
//! in vain with our waker. So they stand in the semaphore's line, or aside, and we will be
//! woken as soon as it grants one. Whoever joins signals after it has joined. If max allows
//! anybody, it allows the lightest, and its request is not aside.
//!
//! *A round ends.* Each request that is granted serves somebody, but for a first that was for
//! fewer permits than the one needs whose turn it is by then: that is made anew for more.
//! Each request that fails tells one of those who wait.
//!
//! *No permit.* It is in a request, or in a round's hands, or told to one ticket, or fetched.
//! What a round has left it gives back.

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{
            AtomicU32, AtomicUsize,
            Ordering::{AcqRel, Relaxed},
        },
    },
    task::{Context, Poll, Wake, Waker},
};

use dynaphore::{
    AcquireError, OwnedSemaphorePermit, Semaphore, TryAcquireError, future::AcquireOwned,
};

use crate::{
    clock::Clock,
    line::{Line, Place, Wanted},
    shares::Shares,
};

/// A semaphore whose permits are shared out between classes of requests.
///
/// While there are permits for all, there is nothing to it. While there are not, each class
/// that has somebody waiting has its part of them, by permits x time: with shares of 8 and 1,
/// eight ninths and one ninth. What a class does not want goes to the others.
///
/// # Fairness
///
/// Within a class, first in, first out. Between classes, by use: the next permits are for the
/// class that has used least for its share, and an idle class saves up one hold at most. So
/// one that comes back has the next permits. Free permits are kept together for a request for
/// several whose turn it is; one for more than max holds up nobody, and has its place again
/// once max allows it.
///
/// A class is sure of its share, whatever the others ask for, and none starves: with `s` of
/// `S` shares and a max of `m`, one that has had `p` permits for `h` is served again after
/// `p * h * S / (s * m)` and two holds at the latest, while permits come back. (Where it had
/// all, as it may while the others want none, that is `h * S / s`.) Where requests are for up
/// to `w` permits, it is `p * h * S / (s * (m - w + 1))` and four holds: permits stay free
/// while they are kept together.
///
/// Permits are shared out by one thread at a time: one that gives some back, comes or leaves.
/// It goes on while others bring it more to do, and nothing bounds that.
///
/// The semaphore's own line stays what it is. Whoever acquires from it directly stands in it
/// beside all classes, in order of arrival: best nobody does. If in that line later requests
/// pass earlier ones ([`Order`](dynaphore::Order), [`Fairness`](dynaphore::Fairness)), light
/// requests may pass heavy ones here too.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use dynaphore::Semaphore;
/// use dynaphore_classes::Classes;
///
/// # pollster::block_on(async {
/// let semaphore = Arc::new(Semaphore::new(100));
/// let classes = Classes::new(semaphore.clone(), &[("interactive", 8), ("batch", 1)]);
///
/// let permit = classes.acquire_in("interactive").await?;
/// assert_eq!((classes.active("interactive"), semaphore.active()), (1, 1));
/// drop(permit);
/// semaphore.set_max(10);
/// # Ok::<(), dynaphore::AcquireError>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Classes(Arc<Inner>);

struct Inner {
    semaphore: Arc<Semaphore>,
    names: Box<[Box<str>]>,
    /// Permits that are out, by class.
    active: Box<[AtomicU32]>,
    /// How many wait: a hint for those who need not take the lock.
    waiting: AtomicUsize,
    line: Mutex<Told>,
    /// Calls of `dispatch` whose round is not over.
    signals: AtomicUsize,
    /// For the dispatcher only.
    asked: Mutex<Asked>,
    clock: Clock,
}

/// Those who wait, and those who have been told.
struct Told {
    line: Line,
    /// What those have been told who have not fetched it, by ticket.
    told: HashMap<u64, Verdict>,
}

type Verdict = Result<ClassPermit, AcquireError>;

/// What stands in the semaphore's line for us.
#[derive(Default)]
struct Asked {
    first: Option<Request>,
    /// Behind it.
    second: Option<Request>,
}

struct Request {
    need: u32,
    acquire: Pin<Box<AcquireOwned>>,
}

impl Classes {
    /// Shares the permits of `semaphore` out between classes, each with a name and a share
    /// of 1 or more.
    ///
    /// The semaphore is best one with [`Fairness::Fifo`](dynaphore::Fairness) and no bounds on
    /// waits: one or two requests wait in it, whoever waits here. What these are told (that too
    /// many wait, that they are overdue), one is told whose turn it is.
    ///
    /// # Panics
    ///
    /// When there is no class, a share is zero, or two classes have one name.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use dynaphore::Semaphore;
    /// use dynaphore_classes::Classes;
    ///
    /// let classes = Classes::new(Arc::new(Semaphore::new(4)), &[("vip", 3), ("rest", 1)]);
    /// assert_eq!(classes.share("vip"), 3);
    /// ```
    #[must_use]
    #[track_caller]
    pub fn new(semaphore: Arc<Semaphore>, classes: &[(&str, u32)]) -> Self {
        assert!(!classes.is_empty(), "no classes");
        for (at, &(name, share)) in classes.iter().enumerate() {
            assert!(share > 0, "class {name:?} has no share");
            let before = &classes[..at];
            let is_new = before.iter().all(|&(other, _)| other != name);
            assert!(is_new, "two classes are called {name:?}");
        }
        Self(Arc::new(Inner {
            semaphore,
            names: classes.iter().map(|&(name, _)| name.into()).collect(),
            active: classes.iter().map(|_| AtomicU32::new(0)).collect(),
            waiting: AtomicUsize::new(0),
            line: Mutex::new(Told {
                line: Line::new(
                    Shares::new(classes.iter().map(|&(_, share)| share)),
                    classes.len(),
                ),
                told: HashMap::new(),
            }),
            signals: AtomicUsize::new(0),
            asked: Mutex::default(),
            clock: Clock::start(),
        }))
    }

    /// The semaphore whose permits these are: for its max, its readings, and to close it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use dynaphore::Semaphore;
    /// # use dynaphore_classes::Classes;
    /// let classes = Classes::new(Arc::new(Semaphore::new(4)), &[("all", 1)]);
    /// classes.semaphore().set_max(8);
    /// assert_eq!(classes.semaphore().max(), 8);
    /// ```
    #[must_use]
    pub fn semaphore(&self) -> &Arc<Semaphore> {
        &self.0.semaphore
    }

    /// Waits for a permit in a class.
    ///
    /// # Errors
    ///
    /// The future returns [`Closed`](AcquireError::Closed) if the semaphore is closed, or is
    /// closed while it waits. If the semaphore's builder was given bounds on waits, it may
    /// return what [`Semaphore::acquire`] does by these.
    ///
    /// # Panics
    ///
    /// When there is no such class, before the future is made.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future at any moment loses no permit and leaves no trace.
    ///
    /// # Fairness
    ///
    /// As [`Classes`] says. The place in line is that of the first poll.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use dynaphore::Semaphore;
    /// # use dynaphore_classes::Classes;
    /// # pollster::block_on(async {
    /// let classes = Classes::new(Arc::new(Semaphore::new(1)), &[("web", 8), ("batch", 1)]);
    /// let permit = classes.acquire_in("batch").await?;
    /// assert_eq!(classes.active("batch"), 1);
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn acquire_in(&self, class: &str) -> AcquireIn {
        self.acquire_many_in(class, 1)
    }

    /// Waits for `n` permits in a class, and takes them all at once. Zero are had at once.
    ///
    /// # Errors
    ///
    /// As for [`acquire_in`](Self::acquire_in).
    ///
    /// # Panics
    ///
    /// When there is no such class, or `n` is larger than
    /// [`MAX_PERMITS`](Semaphore::MAX_PERMITS), before the future is made.
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire_in`](Self::acquire_in).
    ///
    /// # Fairness
    ///
    /// As [`Classes`] says. Lighter requests that come later do not pass. While `n` is more
    /// than max, it holds up nobody.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use dynaphore::Semaphore;
    /// # use dynaphore_classes::Classes;
    /// # pollster::block_on(async {
    /// let classes = Classes::new(Arc::new(Semaphore::new(4)), &[("web", 8), ("batch", 1)]);
    /// let permits = classes.acquire_many_in("batch", 3).await?;
    /// assert_eq!((permits.num_permits(), classes.active("batch")), (3, 3));
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn acquire_many_in(&self, class: &str, n: u32) -> AcquireIn {
        AcquireIn {
            class: self.0.class(class),
            need: checked(n),
            classes: self.0.clone(),
            place: None,
        }
    }

    /// [`acquire_in`](Self::acquire_in), blocking the thread. It does so inside a
    /// runtime too: `refuse_blocking_in_runtime` is for the semaphore's own calls.
    ///
    /// # Errors
    ///
    /// As for [`acquire_in`](Self::acquire_in).
    ///
    /// # Panics
    ///
    /// When there is no such class.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use dynaphore::Semaphore;
    /// # use dynaphore_classes::Classes;
    /// let classes = Classes::new(Arc::new(Semaphore::new(1)), &[("web", 8), ("batch", 1)]);
    /// let permit = classes.blocking_acquire_in("web")?;
    /// # drop(permit);
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// ```
    #[track_caller]
    pub fn blocking_acquire_in(&self, class: &str) -> Result<ClassPermit, AcquireError> {
        pollster::block_on(self.acquire_in(class))
    }

    /// [`acquire_many_in`](Self::acquire_many_in), blocking the thread. It does so inside a
    /// runtime too: `refuse_blocking_in_runtime` is for the semaphore's own calls.
    ///
    /// # Errors
    ///
    /// As for [`acquire_in`](Self::acquire_in).
    ///
    /// # Panics
    ///
    /// When there is no such class, or `n` is larger than
    /// [`MAX_PERMITS`](Semaphore::MAX_PERMITS).
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use dynaphore::Semaphore;
    /// # use dynaphore_classes::Classes;
    /// let classes = Classes::new(Arc::new(Semaphore::new(4)), &[("web", 8), ("batch", 1)]);
    /// let permits = classes.blocking_acquire_many_in("web", 4)?;
    /// # drop(permits);
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// ```
    #[track_caller]
    pub fn blocking_acquire_many_in(
        &self,
        class: &str,
        n: u32,
    ) -> Result<ClassPermit, AcquireError> {
        pollster::block_on(self.acquire_many_in(class, n))
    }

    /// Takes a permit in a class, if one is free and nobody waits in any class.
    ///
    /// # Errors
    ///
    /// [`NoPermits`](TryAcquireError::NoPermits) if there is none, or others wait;
    /// [`Closed`](TryAcquireError::Closed) if the semaphore is closed.
    ///
    /// # Panics
    ///
    /// When there is no such class.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use dynaphore::Semaphore;
    /// # use dynaphore_classes::Classes;
    /// let classes = Classes::new(Arc::new(Semaphore::new(1)), &[("web", 8), ("batch", 1)]);
    /// let permit = classes.try_acquire_in("web")?;
    /// assert!(classes.try_acquire_in("batch").is_err());
    /// # drop(permit);
    /// # Ok::<(), dynaphore::TryAcquireError>(())
    /// ```
    #[track_caller]
    pub fn try_acquire_in(&self, class: &str) -> Result<ClassPermit, TryAcquireError> {
        self.try_acquire_many_in(class, 1)
    }

    /// Takes `n` permits in a class, if they are free and nobody waits in any class. Zero are
    /// always had.
    ///
    /// # Errors
    ///
    /// As for [`try_acquire_in`](Self::try_acquire_in).
    ///
    /// # Panics
    ///
    /// When there is no such class, or `n` is larger than
    /// [`MAX_PERMITS`](Semaphore::MAX_PERMITS).
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use dynaphore::Semaphore;
    /// # use dynaphore_classes::Classes;
    /// let classes = Classes::new(Arc::new(Semaphore::new(4)), &[("web", 8), ("batch", 1)]);
    /// let permits = classes.try_acquire_many_in("web", 3)?;
    /// assert!(classes.try_acquire_many_in("web", 2).is_err());
    /// # drop(permits);
    /// # Ok::<(), dynaphore::TryAcquireError>(())
    /// ```
    #[track_caller]
    pub fn try_acquire_many_in(&self, class: &str, n: u32) -> Result<ClassPermit, TryAcquireError> {
        let class = self.0.class(class);
        self.0.try_acquire(class, checked(n))
    }

    /// Gives a class another share, 1 or more, from now on. What has been used so far counts
    /// as it was.
    ///
    /// # Panics
    ///
    /// When there is no such class, or `share` is zero.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use dynaphore::Semaphore;
    /// # use dynaphore_classes::Classes;
    /// let classes = Classes::new(Arc::new(Semaphore::new(1)), &[("web", 8), ("batch", 1)]);
    /// classes.set_share("batch", 4);
    /// assert_eq!(classes.share("batch"), 4);
    /// ```
    #[track_caller]
    pub fn set_share(&self, class: &str, share: u32) {
        self.set_shares(&[(class, share)]);
    }

    /// [`set_share`](Self::set_share) for several classes at once. The others keep theirs.
    ///
    /// # Panics
    ///
    /// When there is no such class, or a share is zero, before anything is changed.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use dynaphore::Semaphore;
    /// # use dynaphore_classes::Classes;
    /// let classes = Classes::new(Arc::new(Semaphore::new(1)), &[("web", 8), ("batch", 1)]);
    /// classes.set_shares(&[("web", 1), ("batch", 1)]);
    /// assert_eq!(classes.share("web"), 1);
    /// ```
    #[track_caller]
    pub fn set_shares(&self, shares: &[(&str, u32)]) {
        let mut changes = Vec::with_capacity(shares.len());
        for &(name, share) in shares {
            assert!(share > 0, "class {name:?} has no share");
            changes.push((self.0.class(name), share));
        }
        let mut told = self.0.counted();
        for (class, share) in changes {
            told.line.shares.set_share(class, share);
        }
    }

    /// The share of a class.
    ///
    /// # Panics
    ///
    /// When there is no such class.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use dynaphore::Semaphore;
    /// # use dynaphore_classes::Classes;
    /// let classes = Classes::new(Arc::new(Semaphore::new(1)), &[("web", 8), ("batch", 1)]);
    /// assert_eq!(classes.share("web"), 8);
    /// ```
    #[must_use]
    #[track_caller]
    pub fn share(&self, class: &str) -> u32 {
        let class = self.0.class(class);
        self.0.lock().line.shares.share(class)
    }

    /// How many permits of a class are out.
    ///
    /// # Panics
    ///
    /// When there is no such class.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use dynaphore::Semaphore;
    /// # use dynaphore_classes::Classes;
    /// let classes = Classes::new(Arc::new(Semaphore::new(1)), &[("web", 8), ("batch", 1)]);
    /// let permit = classes.try_acquire_in("web").unwrap();
    /// assert_eq!((classes.active("web"), classes.active("batch")), (1, 0));
    /// # drop(permit);
    /// ```
    #[must_use]
    #[track_caller]
    pub fn active(&self, class: &str) -> usize {
        self.0.active[self.0.class(class)].load(Relaxed) as usize
    }

    /// How many requests wait in a class, those for more than max included.
    ///
    /// # Panics
    ///
    /// When there is no such class.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use dynaphore::Semaphore;
    /// # use dynaphore_classes::Classes;
    /// let classes = Classes::new(Arc::new(Semaphore::new(1)), &[("web", 8), ("batch", 1)]);
    /// assert_eq!(classes.waiting("web"), 0);
    /// ```
    #[must_use]
    #[track_caller]
    pub fn waiting(&self, class: &str) -> usize {
        let class = self.0.class(class);
        self.0.lock().line.waiting(class)
    }
}

impl fmt::Debug for Classes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let active = self.0.active.iter().map(|active| active.load(Relaxed));
        f.debug_struct("Classes")
            .field("semaphore", &self.0.semaphore)
            .field("active", &ByName(&self.0.names, active.collect()))
            .field("waiting", &self.0.waiting.load(Relaxed))
            .finish_non_exhaustive()
    }
}

struct ByName<'a>(&'a [Box<str>], Vec<u32>);

impl fmt::Debug for ByName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().zip(&self.1)).finish()
    }
}

impl Inner {
    #[track_caller]
    fn class(&self, name: &str) -> usize {
        match self.names.iter().position(|known| **known == *name) {
            Some(class) => class,
            None => panic!("no class is called {name:?}"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        // No foreign code runs under the lock, so a poisoned one is whole.
        self.line
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The lock, when all use has been counted.
    fn counted(&self) -> MutexGuard<'_, Told> {
        let mut told = self.lock();
        told.line.shares.count(self.clock.now(), self.by_class());
        told
    }

    /// The permits that are out.
    fn by_class(&self) -> impl Fn(usize) -> u32 {
        |class| self.active[class].load(Relaxed)
    }

    fn max(&self) -> u32 {
        // At most 2^31 - 1.
        self.semaphore.max() as u32
    }

    fn try_acquire(self: &Arc<Self>, class: usize, n: u32) -> Result<ClassPermit, TryAcquireError> {
        // While somebody is in line here, a request is in the semaphore's line, and this is
        // refused. In the moment in which that is made anew a newcomer may pass. What it uses
        // counts for its class.
        let permits = self.semaphore.clone().try_acquire_many_owned(n)?;
        Ok(self.permit(class, permits))
    }

    /// From now on the class has them.
    fn permit(self: &Arc<Self>, class: usize, permits: OwnedSemaphorePermit) -> ClassPermit {
        self.active[class].fetch_add(number(&permits), Relaxed);
        ClassPermit {
            permits: Some(permits),
            class,
            classes: self.clone(),
        }
    }

    /// Permits of the class come back.
    fn give_back(&self, class: usize, permits: OwnedSemaphorePermit) {
        let n = number(&permits);
        let mut told = (self.waiting.load(Relaxed) > 0).then(|| self.counted());
        if let Some(told) = &mut told {
            told.line.shares.ends(class, n);
        }
        self.active[class].fetch_sub(n, Relaxed);
        drop(told);
        drop(permits);
    }

    fn join(&self, class: usize, need: u32, waker: Waker) -> Place {
        let max = self.max();
        let mut told = self.counted();
        let active = self.active[class].load(Relaxed);
        let place = told.line.join(class, need, max, active, waker);
        self.waiting.fetch_add(1, Relaxed);
        place
    }

    /// One gives up. It may have been told already.
    fn leave(self: &Arc<Self>, place: Place) {
        let mut told = self.counted();
        let waker = told.line.leave(place);
        if waker.is_some() {
            self.waiting.fetch_sub(1, Relaxed);
        }
        let verdict = told.told.remove(&place.ticket);
        drop(told);
        drop(verdict);
        self.dispatch();
        // Foreign code, when the others have been seen to.
        drop(waker);
    }

    /// What the one at `place` has been told, or `waker` is woken when it is.
    fn fetch(&self, place: Place, waker: &Waker) -> Option<Verdict> {
        // Cloned, and the old one dropped, with the lock free: both may run foreign code.
        let mut newest = waker.clone();
        let mut told = self.lock();
        let verdict = told.told.remove(&place.ticket);
        if let Some(known) = told.line.waker_mut(place) {
            std::mem::swap(known, &mut newest);
        }
        drop(told);
        // Before the verdict is on its way out: a panic would leave its permits to nobody.
        drop(newest);
        verdict
    }

    /// For how many permits to ask.
    fn wanted(&self) -> Option<Wanted> {
        let max = self.max();
        self.counted().line.wanted(max, self.by_class())
    }

    /// Shares permits out that have come. What is left is given back.
    fn share_out(self: &Arc<Self>, mut permits: OwnedSemaphorePermit, passes: bool) {
        loop {
            let left = number(&permits);
            let max = self.max();
            let mut told = self.counted();
            let next = if passes {
                told.line.next_that_fits(left, self.by_class())
            } else {
                told.line.next(left, max, self.by_class())
            };
            let Some((place, waker)) = next else { break };
            let part = permits.split(place.need as usize);
            let part = part.expect("no more than are left");
            let part = self.permit(place.class, part);
            self.tell(told, place, Ok(part), waker);
        }
    }

    /// Tells one of those who wait that there is nothing for it.
    fn refuse(&self, error: AcquireError) {
        let mut told = self.counted();
        if let Some((place, waker)) = told.line.next_in_vain(self.by_class()) {
            self.tell(told, place, Err(error), waker);
        }
    }

    fn tell(&self, mut told: MutexGuard<'_, Told>, place: Place, verdict: Verdict, waker: Waker) {
        told.told.insert(place.ticket, verdict);
        self.waiting.fetch_sub(1, Relaxed);
        drop(told);
        waker.wake();
    }

    /// Sees to it that permits go to those who wait, and that more are asked for.
    fn dispatch(self: &Arc<Self>) {
        // ORDERING: AcqRel, with the subtraction below: a round sees what was done before
        // the signals that it takes off, and one dispatcher what the one before has left.
        if self.signals.fetch_add(1, AcqRel) > 0 {
            return;
        }
        let mut seen = 1;
        let mut panicked = None;
        while seen > 0 {
            // A waker that panics has been used up by that. What the round has not done is
            // for another one.
            match catch_unwind(AssertUnwindSafe(|| self.round())) {
                Ok(()) => seen = self.signals.fetch_sub(seen, AcqRel) - seen,
                Err(panic) => panicked = panicked.or(Some(panic)),
            }
        }
        if let Some(panic) = panicked {
            // Who unwinds already would abort.
            if !std::thread::panicking() {
                resume_unwind(panic);
            }
        }
    }

    fn round(self: &Arc<Self>) {
        let lock = || {
            self.asked
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner())
        };
        let waker = Waker::from(self.clone());
        let mut asked = std::mem::take(&mut *lock());
        while let Some(Wanted { need, least }) = self.wanted() {
            if asked.first.as_ref().is_none_or(|first| first.need != need) {
                // The second keeps its place, if it will do: a new first is not to stand
                // behind it.
                asked.first = asked.second.take().filter(|second| second.need == need);
            }
            if let Poll::Ready(verdict) = self.ask(&mut asked.first, need, &waker) {
                match verdict {
                    Ok(permits) => self.share_out(permits, false),
                    Err(error) => self.refuse(error),
                }
                continue;
            }
            if least == need {
                asked.second = None;
            } else if let Poll::Ready(verdict) = self.ask(&mut asked.second, least, &waker) {
                match verdict {
                    // If the first is not aside, the semaphore has let this one pass.
                    Ok(permits) => self.share_out(permits, need <= self.max()),
                    Err(error) => self.refuse(error),
                }
                continue;
            }
            *lock() = asked;
            return;
        }
        // Nobody waits. What has been granted meanwhile goes back by that.
        asked.withdraw();
    }

    /// Polls a request for so many permits: this one, or a new one.
    fn ask(
        &self,
        request: &mut Option<Request>,
        need: u32,
        waker: &Waker,
    ) -> Poll<Result<OwnedSemaphorePermit, AcquireError>> {
        if request.as_ref().is_some_and(|request| request.need != need) {
            *request = None;
        }
        let asked = request.get_or_insert_with(|| Request {
            need,
            acquire: Box::pin(self.semaphore.clone().acquire_many_owned(need)),
        });
        let polled = asked.acquire.as_mut().poll(&mut Context::from_waker(waker));
        if polled.is_ready() {
            *request = None;
        }
        polled
    }
}

impl Asked {
    /// The second first: or it would be granted what the first leaves.
    fn withdraw(&mut self) {
        self.second = None;
        self.first = None;
    }
}

/// At most 2^31 - 1.
fn number(permits: &OwnedSemaphorePermit) -> u32 {
    permits.num_permits() as u32
}

#[track_caller]
fn checked(n: u32) -> u32 {
    assert!(
        n as usize <= Semaphore::MAX_PERMITS,
        "a semaphore may not have more than MAX_PERMITS permits (2147483647)"
    );
    n
}

impl Wake for Inner {
    fn wake(self: Arc<Self>) {
        self.dispatch();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.dispatch();
    }
}

/// Permits of a class, given back when this is dropped.
///
/// # Examples
///
/// ```
/// # use std::sync::Arc;
/// # use dynaphore::Semaphore;
/// # use dynaphore_classes::{ClassPermit, Classes};
/// let classes = Classes::new(Arc::new(Semaphore::new(1)), &[("web", 8), ("batch", 1)]);
/// let permit: ClassPermit = classes.try_acquire_in("web").unwrap();
/// assert_eq!(permit.class(), "web");
/// drop(permit);
/// assert_eq!(classes.semaphore().active(), 0);
/// ```
#[must_use = "dropping a permit at once gives it back at once"]
#[clippy::has_significant_drop]
pub struct ClassPermit {
    /// Taken when it is dropped.
    permits: Option<OwnedSemaphorePermit>,
    class: usize,
    classes: Arc<Inner>,
}

impl ClassPermit {
    /// The name of its class.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use dynaphore::Semaphore;
    /// # use dynaphore_classes::Classes;
    /// let classes = Classes::new(Arc::new(Semaphore::new(1)), &[("web", 8), ("batch", 1)]);
    /// assert_eq!(classes.try_acquire_in("batch").unwrap().class(), "batch");
    /// ```
    #[must_use]
    pub fn class(&self) -> &str {
        &self.classes.names[self.class]
    }

    /// How many permits these are: 0 to [`Semaphore::MAX_PERMITS`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use dynaphore::Semaphore;
    /// # use dynaphore_classes::Classes;
    /// let classes = Classes::new(Arc::new(Semaphore::new(4)), &[("web", 8), ("batch", 1)]);
    /// assert_eq!(classes.try_acquire_many_in("web", 3).unwrap().num_permits(), 3);
    /// ```
    #[must_use]
    pub fn num_permits(&self) -> usize {
        let permits = self.permits.as_ref();
        permits.map_or(0, OwnedSemaphorePermit::num_permits)
    }
}

impl Drop for ClassPermit {
    fn drop(&mut self) {
        if let Some(permits) = self.permits.take() {
            self.classes.give_back(self.class, permits);
        }
    }
}

impl fmt::Debug for ClassPermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClassPermit")
            .field("class", &self.class())
            .field("num_permits", &self.num_permits())
            .finish_non_exhaustive()
    }
}

/// The future of [`Classes::acquire_in`] and [`Classes::acquire_many_in`].
///
/// # Cancel safety
///
/// Dropping it gives up its place, or gives back what it has been granted. One that is
/// granted its permits, and is neither polled nor dropped, keeps them from everybody else. One
/// that is polled after it has returned asks again.
///
/// # Examples
///
/// ```
/// # use std::sync::Arc;
/// # use dynaphore::Semaphore;
/// # use dynaphore_classes::{AcquireIn, Classes};
/// let classes = Classes::new(Arc::new(Semaphore::new(1)), &[("web", 8), ("batch", 1)]);
/// let acquire: AcquireIn = classes.acquire_in("web");
/// assert!(pollster::block_on(acquire).is_ok());
/// ```
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct AcquireIn {
    classes: Arc<Inner>,
    class: usize,
    need: u32,
    place: Option<Place>,
}

impl Future for AcquireIn {
    type Output = Result<ClassPermit, AcquireError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let place = match this.place {
            Some(place) => place,
            None => {
                match this.classes.try_acquire(this.class, this.need) {
                    Ok(permit) => return Poll::Ready(Ok(permit)),
                    Err(TryAcquireError::Closed) => {
                        return Poll::Ready(Err(AcquireError::Closed));
                    }
                    Err(_) => {}
                }
                let waker = cx.waker().clone();
                let place = this.classes.join(this.class, this.need, waker);
                // First: if a waker panics in there, it is for `drop` to leave.
                this.place = Some(place);
                this.classes.dispatch();
                place
            }
        };
        let Some(told) = this.classes.fetch(place, cx.waker()) else {
            return Poll::Pending;
        };
        this.place = None;
        Poll::Ready(told)
    }
}

impl Drop for AcquireIn {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            self.classes.leave(place);
        }
    }
}

impl fmt::Debug for AcquireIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcquireIn")
            .field("class", &self.classes.names[self.class])
            .field("need", &self.need)
            .field("waits", &self.place.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
