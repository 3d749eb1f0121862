//! Those who see to the jobs that were set aside: see the [module](super).

use std::{
    ops::Deref,
    sync::{Arc, OnceLock, PoisonError},
};

use rayon::{Scope, Yield};

use super::{
    frames,
    grant::{Grant, Papers},
    keeper::{Keeper, Place},
    mailbox::Mailbox,
    onduty::{OnDuty, Roll},
    refusals::Refusal,
    source::{NotNow, Source},
};
use crate::{
    AcquireError,
    sync::{Acquire, AtomicUsize, Mutex, MutexGuard, Relaxed, Release, SeqCst, fence},
};

/// Jobs that were set aside.
pub(super) trait Jobs: Send + Sync {
    /// How many permits the next one needs; `None` if there is none.
    fn need(&self) -> Option<u32>;

    /// How many there are.
    fn len(&self) -> usize;

    /// Drops them all.
    fn clear(&self);

    /// Does anybody wait where the jobs come from?
    fn have_readers(&self) -> bool {
        false
    }
}

/// What the jobs of one throttled call or scope share.
#[derive(Debug)]
pub(super) struct Crew<S: Source, J> {
    pub(super) source: S,
    pub(super) jobs: J,
    /// The number of the call.
    pub(super) born: u64,
    /// It is made within a throttled job.
    pub(super) is_nested: bool,
    /// The call itself waits for the jobs, and is the keeper.
    waits: bool,
    /// How many runners are of any use: as many as the pool has workers.
    pub(super) most: AtomicUsize,
    /// See [`asking`](Self::asking): 0 or 1.
    pub(super) asking: AtomicUsize,
    /// Spawned and not yet gone. Changes with the duty locked; read without, too.
    runners: AtomicUsize,
    /// Why nothing is begun any more.
    ended: OnceLock<S::Error>,
    duty: Mutex<Duty>,
    /// Of the runners.
    pub(super) roll: Arc<Roll>,
}

/// Who is on duty.
#[derive(Debug, Default)]
pub(super) struct Duty {
    /// Runners that have not begun: each will see to a job or more.
    coming: usize,
    /// Where it is to be told.
    pub(super) keeper: Option<Arc<Mailbox>>,
    /// It is in line, or about to be.
    pub(super) asks: bool,
}

/// How the jobs in a scope reach their crew.
pub(super) trait Handle<'s>:
    Deref<Target = Crew<Self::Source, Self::Jobs>> + Clone + Send + Sync + 's
{
    type Source: Source + 's;
    type Jobs: Jobs + 's;

    /// Runs jobs. [`Shift`] does what belongs before and after.
    fn work(&self, scope: &Scope<'s>, grant: Grant<<Self::Source as Source>::Permit>);
}

pub(super) type PapersOf<S> = Papers<<S as Source>::Permit>;

impl<S: Source, J: Jobs> Crew<S, J> {
    /// `waits`: the call that this is for will [`attend`].
    pub(super) fn new(source: S, jobs: J, waits: bool) -> Self {
        Self {
            source,
            jobs,
            born: frames::number_call(),
            is_nested: !frames::are_none(),
            waits,
            most: AtomicUsize::new(rayon::current_num_threads()),
            asking: AtomicUsize::new(0),
            runners: AtomicUsize::new(0),
            ended: OnceLock::new(),
            duty: Mutex::default(),
            roll: Arc::default(),
        }
    }

    /// The right to run what needs `n` permits, here and now.
    #[inline]
    pub(super) fn admit(&self, n: u32) -> Option<Grant<S::Permit>> {
        match self.source.take(n) {
            Ok(permit) => Some(Grant::new(Papers::Permit(permit))),
            Err(NotNow::NoPermits) => Grant::beneath(&self.source, self.born, n),
            Err(NotNow::Refused(error)) => {
                self.end(error);
                None
            }
        }
    }

    /// Should whoever has `grant` go on after a job?
    #[inline]
    pub(super) fn goes_on(&self, grant: &Grant<S::Permit>) -> bool {
        grant.goes_on(&self.source, || self.asking())
    }

    /// Requests of our own in the semaphore's line.
    pub(super) fn asking(&self) -> usize {
        self.asking.load(Relaxed)
    }

    /// Nothing is begun any more, since whoever asks is turned away.
    pub(super) fn end(&self, error: S::Error) {
        // The first reason counts.
        let _ = self.ended.set(error);
        self.give_up();
    }

    /// Drops the jobs that have not begun.
    pub(super) fn give_up(&self) {
        self.jobs.clear();
        self.none_left();
    }

    pub(super) fn is_over(&self) -> bool {
        self.ended.get().is_some()
    }

    /// Why not all was done, if it was not.
    pub(super) fn ended(&self) -> Option<S::Error> {
        self.ended.get().copied()
    }

    /// Why a new job that needs `n` permits would be turned away now.
    pub(super) fn would_refuse(&self, n: u32) -> Option<S::Error> {
        let is_idle = {
            let duty = self.duty();
            self.runners() == 0 && duty.keeper.is_none()
        };
        if is_idle && self.jobs.len() == 0 {
            return self.source.would_refuse(n);
        }
        // Others of its crew have permits or a place in line, and it has a part
        // in that.
        let is_closed = self.source.is_closed();
        is_closed.then(|| AcquireError::CLOSED.into())
    }

    /// Is one more runner of use?
    pub(super) fn is_short_handed(&self, duty: &Duty) -> bool {
        // Those that cannot go on may wait for what is to be run.
        let runners = self.runners().saturating_sub(self.roll.blocked());
        runners < self.most.load(Relaxed) && duty.coming < self.jobs.len()
    }

    /// A scope may be in another pool than the thread that made the crew.
    fn learn_workers(&self) {
        let workers = rayon::current_num_threads();
        if rayon::current_thread_index().is_some() && self.most.load(Relaxed) < workers {
            self.most.store(workers, Relaxed);
        }
    }

    /// Nothing is left to be taken: a keeper that asks for more permits is to
    /// stop it.
    pub(super) fn none_left(&self) {
        if let Some(mailbox) = &self.duty().keeper {
            mailbox.tell();
        }
    }

    /// Has a keeper nothing to wait for any more?
    pub(super) fn is_done(&self) -> bool {
        // A runner may set aside again what it took: then it calls `tend`, which
        // makes a new keeper unless the call itself is to be there.
        (self.runners() == 0 || !self.waits) && (self.jobs.len() == 0 || self.is_over())
    }

    /// How many runners are spawned and not yet gone.
    pub(super) fn runners(&self) -> usize {
        // ORDERING: pairs with the Release of one that goes: what it has set aside
        // again is seen by whoever does not see it.
        self.runners.load(Acquire)
    }

    /// There is a keeper from now on.
    pub(super) fn appoint(&self, duty: &mut Duty, place: Place) -> Box<Keeper<S>> {
        let mailbox = Mailbox::new();
        duty.keeper = Some(Arc::clone(&mailbox));
        self.roll.set_keeper(Some(Arc::clone(&mailbox)));
        Keeper::new(mailbox, place)
    }

    /// There is no keeper any more.
    pub(super) fn strike_off(&self, duty: &mut Duty) {
        duty.keeper = None;
        self.roll.set_keeper(None);
        // In the same step, so that it is not said of the next one. What was asked
        // for may stand in line for a moment yet.
        self.asking.store(0, Relaxed);
    }

    pub(super) fn duty(&self) -> MutexGuard<'_, Duty> {
        // Counts and a pointer: nothing in it is ever half done.
        self.duty.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sees to it that the jobs set aside are seen to: called after every addition
/// to them, and by everybody who stops running them.
///
/// True if it has hired runners, which the calling worker has to see [off](see_off)
/// before it may block.
pub(super) fn tend<'s, H: Handle<'s>>(crew: &H, scope: &Scope<'s>) -> bool {
    // ORDERING: pairs with itself: of one who has added jobs and finds no permits,
    // and one who has given permits back and finds no jobs, one sees the other.
    fence(SeqCst);
    let mut hired = false;
    while let Some(need) = crew.jobs.need() {
        crew.learn_workers();
        if crew.is_over() {
            crew.give_up();
            break;
        }
        if !crew.is_short_handed(&crew.duty()) {
            // Those that come or run call this when they stop.
            break;
        }
        match crew.source.take(need) {
            Ok(permit) => {
                hire(crew, scope, Papers::Permit(permit));
                hired = true;
            }
            Err(NotNow::Refused(error)) => turn_away(crew, scope, error),
            Err(NotNow::NoPermits) => {
                let mut duty = crew.duty();
                if let Some(mailbox) = &duty.keeper {
                    if !duty.asks {
                        // It had no use for a permit when it last looked.
                        mailbox.tell();
                    }
                } else if !crew.waits {
                    let keeper = crew.appoint(&mut duty, Place::Scope);
                    drop(duty);
                    keeper.spawn(crew, scope);
                }
                break;
            }
        }
    }
    hired
}

/// Has runners begun that this worker has spawned, here if nobody else takes them: it
/// may be about to block in what feeds the iterator, as may all others, and they
/// have permits.
pub(super) fn see_off<'s, H: Handle<'s>>(crew: &H) {
    while crew.duty().coming > 0 && rayon::yield_local() == Some(Yield::Executed) {}
}

/// Nobody runs the jobs, and there is no place to wait for permits. A call that
/// waits for its jobs returns the error; a scope panics with it, since it has
/// nobody else to tell. That the semaphore was closed is no surprise.
pub(super) fn turn_away<'s, H: Handle<'s>>(
    crew: &H,
    scope: &Scope<'s>,
    error: <H::Source as Source>::Error,
) {
    if crew.waits || error == AcquireError::CLOSED.into() {
        crew.end(error);
    } else {
        refuse(
            crew,
            scope,
            format!("throttled jobs were turned away: {error}"),
            Refusal::new(),
        );
    }
}

/// Gives the jobs up, with a panic in the scope.
pub(super) fn refuse<'s, H: Handle<'s>>(
    crew: &H,
    scope: &Scope<'s>,
    message: String,
    refusal: Refusal,
) {
    crew.give_up();
    scope.spawn(move |_| {
        let _comes_through = refusal;
        panic!("{message}");
    });
}

/// Waits until all that was set aside is done. Called once, when nothing is
/// added any more but by runners.
pub(super) fn attend<'s, H: Handle<'s>>(crew: &H, scope: &Scope<'s>) {
    let keeper = {
        let mut duty = crew.duty();
        if crew.runners() == 0 && crew.jobs.need().is_none() {
            return;
        }
        crew.appoint(&mut duty, Place::Call)
    };
    keeper.keep(crew, scope);
}

/// Hires one more runner. Counted only now that it has its papers: a keeper that
/// counts on a runner is told when that stops.
pub(super) fn hire<'s, H: Handle<'s>>(crew: &H, scope: &Scope<'s>, papers: PapersOf<H::Source>) {
    {
        let mut duty = crew.duty();
        crew.runners.fetch_add(1, Relaxed);
        duty.coming += 1;
    }
    let crew = crew.clone();
    scope.spawn(move |scope| {
        // Dropped last, after the permits have gone back, also by a panic.
        let shift = Shift { crew: &crew, scope };
        let on_duty = OnDuty::new(&crew.roll);
        crew.duty().coming -= 1;
        let grant = Grant::new(papers);
        crew.work(scope, grant);
        drop(on_duty);
        drop(shift);
    });
}

/// The time from a runner's first job to the moment when it is off duty.
struct Shift<'a, 's, H: Handle<'s>> {
    crew: &'a H,
    scope: &'a Scope<'s>,
}

impl<'s, H: Handle<'s>> Drop for Shift<'_, 's, H> {
    fn drop(&mut self) {
        {
            let duty = self.crew.duty();
            // ORDERING: pairs with `runners`.
            self.crew.runners.fetch_sub(1, Release);
            if let Some(mailbox) = &duty.keeper {
                mailbox.tell();
            }
        }
        tend(self.crew, self.scope);
    }
}
