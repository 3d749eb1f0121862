//! Who waits in which class, and how a permit finds its way there.
//!
//! The semaphore knows no classes. One request stands in its line for all who wait here, the
//! *scout*: an ordinary future, which this module polls with a waker of its own. When it is
//! granted, whoever gave the permit back runs that waker, and with it [`Inner::dispatch`]:
//! the class whose turn it is ([`shares`](crate::shares)) is found then, not before, and the
//! first who waits in it has the permit. Then the next scout is sent, until one has to wait.
//! So max, resizing, pausing and closing are the semaphore's, and so is its order: whoever
//! uses it beside us stands in the same line.
//!
//! | who | does what |
//! |---|---|
//! | arrival | takes a permit if the semaphore has one that nobody waits for; else joins its class under the lock, and dispatches |
//! | permit that comes back | counts its use, under the lock if somebody waits; then releases, which may wake the scout |
//! | scout's waker | dispatches |
//! | dispatcher | polls the scout; gives each permit that comes to the next in turn; sends no scout if nobody waits |
//! | waiter that gives up | leaves its class under the lock, and dispatches; what it was granted and has not fetched comes back |
//!
//! *One dispatcher at a time, and no lock while it polls.* A poll, or a drop, of the scout
//! may run wakers, which may come back to us. Who dispatches adds one to `signals`. If that
//! was zero, it is the dispatcher: it does a round, takes off what it has seen, and does
//! another while something is left. Everybody else leaves at once: the dispatcher has not
//! taken off what they have added, so it does a round that begins after that.
//!
//! *No wake-up is lost.* After a round that began after the last signal, either nobody waits
//! here, or the scout has been polled in vain with our waker: then it stands in the
//! semaphore's line, and will be woken. Whoever joins signals after it has joined.
//!
//! *No permit is lost.* It is in the scout, or in a round's hands, or told to one ticket, or
//! fetched. A round that finds nobody gives it back.

use std::{
    collections::{BTreeMap, HashMap},
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
    time::Instant,
};

use dynaphore::{
    AcquireError, OwnedSemaphorePermit, Semaphore, TryAcquireError, future::AcquireOwned,
};

use crate::shares::Shares;

/// A semaphore whose permits are shared out between classes of requests.
///
/// While there are permits for all, there is nothing to it. While there are not, each class
/// that has somebody waiting has its part of them, by permits x time: with shares of 8 and 1,
/// eight ninths and one ninth. What a class does not want goes to the others.
///
/// # Fairness
///
/// Within a class, first in, first out. Between classes, by use: the next permit is for the
/// class that has used least for its share, and an idle class saves up one hold at most. So
/// one that comes back has the next permit. And none starves: with `s` of `S` shares, permits
/// that are held for `h` and a max of `m`, a class is served again after
/// `h * S / (s * m)` and two holds at the latest, while permits come back.
///
/// The semaphore's own line stays what it is. Whoever acquires from it directly stands in it
/// beside all classes: best nobody does.
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
    line: Mutex<Line>,
    /// Calls of `dispatch` whose round is not over.
    signals: AtomicUsize,
    /// For the dispatcher only.
    scout: Mutex<Option<Pin<Box<AcquireOwned>>>>,
    /// From when time is counted.
    start: Instant,
}

struct Line {
    shares: Shares,
    next: u64,
    /// By class, in order of arrival.
    waiting: Box<[BTreeMap<u64, Waker>]>,
    /// What those have been told who have not fetched it.
    told: HashMap<u64, Result<OwnedSemaphorePermit, AcquireError>>,
}

impl Classes {
    /// Shares the permits of `semaphore` out between classes, each with a name and a share
    /// of 1 or more.
    ///
    /// The semaphore is one with [`Fairness::Fifo`](dynaphore::Fairness) and no bounds on
    /// waits: only one request waits in it, whoever waits here.
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
            line: Mutex::new(Line {
                shares: Shares::new(classes.iter().map(|&(_, share)| share)),
                next: 0,
                waiting: classes.iter().map(|_| BTreeMap::new()).collect(),
                told: HashMap::new(),
            }),
            signals: AtomicUsize::new(0),
            scout: Mutex::new(None),
            start: Instant::now(),
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
    /// closed while it waits.
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
        AcquireIn {
            class: self.0.class(class),
            classes: self.0.clone(),
            ticket: None,
        }
    }

    /// [`acquire_in`](Self::acquire_in), blocking the thread.
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
        let class = self.0.class(class);
        self.0.try_acquire(class)
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
        let mut line = self.0.counted();
        for (class, share) in changes {
            line.shares.set_share(class, share);
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
        self.0.lock().shares.share(class)
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

    /// How many wait in a class.
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
        self.0.lock().shares.waiting(class)
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

    fn lock(&self) -> MutexGuard<'_, Line> {
        // No foreign code runs under the lock, so a poisoned one is whole.
        self.line
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The lock, when all use has been counted.
    fn counted(&self) -> MutexGuard<'_, Line> {
        let mut line = self.lock();
        // Over 500 years.
        let now = self.start.elapsed().as_nanos() as u64;
        line.shares
            .count(now, |class| self.active[class].load(Relaxed));
        line
    }

    fn try_acquire(self: &Arc<Self>, class: usize) -> Result<ClassPermit, TryAcquireError> {
        // If somebody waits here, the scout is in the semaphore's line, and this is refused.
        let permit = self.semaphore.clone().try_acquire_owned()?;
        self.active[class].fetch_add(1, Relaxed);
        Ok(self.permit(class, permit))
    }

    /// The class has it already.
    fn permit(self: &Arc<Self>, class: usize, permit: OwnedSemaphorePermit) -> ClassPermit {
        ClassPermit {
            permit: Some(permit),
            class,
            classes: self.clone(),
        }
    }

    /// A permit of the class comes back.
    fn give_back(&self, class: usize, permit: OwnedSemaphorePermit) {
        let mut line = (self.waiting.load(Relaxed) > 0).then(|| self.counted());
        if let Some(line) = &mut line {
            line.shares.ends(class);
        }
        self.active[class].fetch_sub(1, Relaxed);
        drop(line);
        drop(permit);
    }

    fn join(&self, class: usize, waker: Waker) -> u64 {
        let mut line = self.counted();
        let ticket = line.next;
        line.next += 1;
        let active = self.active[class].load(Relaxed);
        line.shares.arrives(class, active);
        line.waiting[class].insert(ticket, waker);
        self.waiting.fetch_add(1, Relaxed);
        ticket
    }

    /// One gives up. It may have been told already.
    fn leave(&self, class: usize, ticket: u64) {
        let mut line = self.counted();
        let waker = line.waiting[class].remove(&ticket);
        if waker.is_some() {
            line.shares.leaves(class);
            self.waiting.fetch_sub(1, Relaxed);
        }
        let told = line.told.remove(&ticket);
        drop(line);
        drop(waker);
        if let Some(Ok(permit)) = told {
            self.give_back(class, permit);
        }
    }

    /// What the holder of `ticket` has been told, or `waker` is woken when it is.
    fn fetch(
        &self,
        class: usize,
        ticket: u64,
        waker: &Waker,
    ) -> Option<Result<OwnedSemaphorePermit, AcquireError>> {
        // Cloned, and the old one dropped, with the lock free: both may run foreign code.
        let mut newest = waker.clone();
        let mut line = self.lock();
        let told = line.told.remove(&ticket);
        if let Some(known) = line.waiting[class].get_mut(&ticket) {
            std::mem::swap(known, &mut newest);
        }
        drop(line);
        told
    }

    /// Tells whoever's turn it is. What was to be told, if nobody waits.
    fn tell(
        &self,
        verdict: Result<OwnedSemaphorePermit, AcquireError>,
    ) -> Result<(), Result<OwnedSemaphorePermit, AcquireError>> {
        let mut line = self.counted();
        let active = |class: usize| self.active[class].load(Relaxed);
        let Some(class) = line.shares.next(active) else {
            return Err(verdict);
        };
        let Some((ticket, waker)) = line.waiting[class].pop_first() else {
            return Err(verdict);
        };
        line.shares.leaves(class);
        if verdict.is_ok() {
            self.active[class].fetch_add(1, Relaxed);
        }
        line.told.insert(ticket, verdict);
        self.waiting.fetch_sub(1, Relaxed);
        drop(line);
        waker.wake();
        Ok(())
    }

    /// Sees to it that permits go to those who wait, and that a scout waits for more.
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
        let take = || {
            self.scout
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner())
        };
        let waker = Waker::from(self.clone());
        let mut cx = Context::from_waker(&waker);
        let mut scout = take().take();
        while !self.lock().shares.is_quiet() {
            let sent =
                scout.get_or_insert_with(|| Box::pin(self.semaphore.clone().acquire_owned()));
            let Poll::Ready(verdict) = sent.as_mut().poll(&mut cx) else {
                *take() = scout;
                return;
            };
            scout = None;
            // What nobody wants goes back.
            drop(self.tell(verdict));
        }
        // Nobody waits. If it has been granted meanwhile, the permit goes back by that.
        drop(scout);
    }
}

impl Wake for Inner {
    fn wake(self: Arc<Self>) {
        self.dispatch();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.dispatch();
    }
}

/// A permit of a class, given back when this is dropped.
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
    permit: Option<OwnedSemaphorePermit>,
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
}

impl Drop for ClassPermit {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take() {
            self.classes.give_back(self.class, permit);
        }
    }
}

impl fmt::Debug for ClassPermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClassPermit")
            .field("class", &self.class())
            .finish_non_exhaustive()
    }
}

/// The future of [`Classes::acquire_in`].
///
/// # Cancel safety
///
/// Dropping it gives up its place, or gives back what it has been granted. One that is
/// granted its permit, and is neither polled nor dropped, keeps it from everybody else. One
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
    ticket: Option<u64>,
}

impl Future for AcquireIn {
    type Output = Result<ClassPermit, AcquireError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let ticket = match this.ticket {
            Some(ticket) => ticket,
            None => {
                match this.classes.try_acquire(this.class) {
                    Ok(permit) => return Poll::Ready(Ok(permit)),
                    Err(TryAcquireError::Closed) => {
                        return Poll::Ready(Err(AcquireError::Closed));
                    }
                    Err(_) => {}
                }
                let ticket = this.classes.join(this.class, cx.waker().clone());
                // First: if a waker panics in there, it is for `drop` to leave.
                this.ticket = Some(ticket);
                this.classes.dispatch();
                ticket
            }
        };
        let Some(told) = this.classes.fetch(this.class, ticket, cx.waker()) else {
            return Poll::Pending;
        };
        this.ticket = None;
        Poll::Ready(told.map(|permit| this.classes.permit(this.class, permit)))
    }
}

impl Drop for AcquireIn {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.classes.leave(self.class, ticket);
            self.classes.dispatch();
        }
    }
}

impl fmt::Debug for AcquireIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcquireIn")
            .field("class", &self.classes.names[self.class])
            .field("waits", &self.ticket.is_some())
            .finish_non_exhaustive()
    }
}
