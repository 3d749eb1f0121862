//! A throttled call or scope: what it has set aside, who runs that, and how it waits.
//!
//! # Why everything goes on
//!
//! Calls are numbered as they begin (`frames.rs`). A call may use what is suspended in an item
//! that began before it.
//!
//! 1. *What a suspended item waits for is younger than the item.* It waits for jobs that it
//!    has begun, and for whatever lies on top of it or of them; all of that began later. (A
//!    call that stays out of its source on top of something younger does not do so, see
//!    `leaf`; the helper of a scope counts from when it came to lie there.)
//! 2. *Of all calls that wait, the youngest goes on.* What it needs is held by items, by
//!    requests that were granted to calls which lie beneath something else, or by somebody
//!    outside. If any of the items is at work, it will end. If all are suspended, take one:
//!    by 1 it waits, in the end, for a call that waits for permits and is younger than the
//!    item. That one is no younger than ours, so our call is younger than the item, and may
//!    use its permits. The same goes for a granted request, which counts as suspended.
//! 3. *It finds them.* The thread that they lie on is a worker: no other runs items. It is
//!    doing something on top, and will come to wait in rayon, which runs the broadcasts of
//!    `wait`, or here. What one item has too little of comes from over max.
//! 4. So some call ends, and the next is the youngest.
//!
//! Nothing that was set aside is left alone: whoever adds a job calls `tend` *afterwards*,
//! which spawns a helper for each that finds permits; in a scope, one helper at least, which
//! waits if it finds none. A call that returns waits itself. A keeper leaves when nothing is
//! set aside, and all who stop running jobs call `tend`, also in a panic.

use std::{
    collections::VecDeque,
    future::Future,
    mem,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, Waker},
    time::Duration,
};

use rayon::Scope;

use super::{
    frames::{self, Awaited, Borrowed, Entered, Parker, locked},
    source::{Permit, Source},
    wait::{Loan, PATIENCE, Wait},
};
use crate::{
    AcquireError, Snapshot,
    sync::{Acquire, AtomicUsize, Instant, Mutex, MutexGuard, Relaxed, Release, SeqCst, fence},
};

/// After this a nested call goes ahead of the line, and over max.
const LONG: Duration = PATIENCE.saturating_mul(50);

/// How long a call that is refused a place in line hopes to share. Whoever could lend may
/// have to wait for a core first.
const HOPE: Duration = PATIENCE.saturating_mul(15_000);

/// How long permits that belong to something suspended are used for more than one job.
const TERM: Duration = Duration::from_millis(1);

/// Something that was set aside: one job, or several that need the same each.
pub(super) trait Job: Send + Sized {
    fn len(&self) -> usize {
        1
    }

    /// Splits off the first `n`; `None` if there are no more.
    fn split_off(&mut self, _n: usize) -> Option<Self> {
        None
    }

    /// Does anybody still want what comes of it?
    fn is_wanted(&self) -> bool {
        true
    }
}

/// The jobs, each with the permits that it needs and the number of the call that it
/// belongs to, if that is another than the whole.
#[derive(Debug)]
pub(super) struct Queue<J> {
    jobs: Mutex<VecDeque<(u32, u64, J)>>,
    len: AtomicUsize,
}

impl<J: Job> Queue<J> {
    pub(super) fn len(&self) -> usize {
        // ORDERING: Acquire, for the additions.
        self.len.load(Acquire)
    }

    /// Adds `job` at the end.
    pub(super) fn push(&self, need: u32, number: u64, job: J) {
        self.add(&job).push_back((need, number, job));
    }

    /// Puts `job` back in front of all.
    pub(super) fn put_back(&self, need: u32, number: u64, job: J) {
        self.add(&job).push_front((need, number, job));
    }

    fn add(&self, job: &J) -> MutexGuard<'_, VecDeque<(u32, u64, J)>> {
        let jobs = locked(&self.jobs);
        // ORDERING: Release, pairs with the Acquire in `len`.
        self.len.fetch_add(job.len(), Release);
        jobs
    }

    /// What the next one needs that is wanted, and its number.
    pub(super) fn next(&self) -> Option<(u32, u64)> {
        while self.len() > 0 {
            let mut jobs = locked(&self.jobs);
            let (need, number, job) = jobs.front()?;
            if job.is_wanted() {
                return Some((*need, *number));
            }
            self.len.fetch_sub(job.len(), Relaxed);
            let unwanted = jobs.pop_front();
            drop(jobs);
            drop(unwanted);
        }
        None
    }

    /// Takes up to `most` of the next ones, if each needs `need`.
    pub(super) fn take(&self, most: usize, need: u32) -> Option<J> {
        if self.len() == 0 {
            return None;
        }
        let mut jobs = locked(&self.jobs);
        let (_, _, front) = jobs.front_mut().filter(|(needs, ..)| *needs == need)?;
        let job = match front.split_off(most) {
            Some(first) => first,
            None => jobs.pop_front()?.2,
        };
        // ORDERING: as in `add`.
        self.len.fetch_sub(job.len(), Release);
        Some(job)
    }

    /// Drops them all.
    pub(super) fn clear(&self) {
        let dropped = {
            let mut jobs = locked(&self.jobs);
            self.len.store(0, Relaxed);
            mem::take(&mut *jobs)
        };
        drop(dropped);
    }
}

/// How jobs are run.
pub(super) trait Work<'s, S: Source + 's>: Job + 's {
    /// Runs what was set aside, as much as the grant is good for.
    fn work(scoped: &Scoped<'_, 's, S, Self>, grant: Grant<S::Permit>);
}

/// What the jobs of one call or scope share.
pub(super) struct Call<S: Source, J> {
    pub(super) source: S,
    pub(super) queue: Queue<J>,
    pub(super) number: u64,
    /// It is made within a throttled item.
    is_nested: bool,
    /// The call returns only when all is done, and waits itself; for a scope, which does
    /// not, a helper does.
    pub(super) returns: bool,
    /// Requests of our own in the semaphore's line: 0 or 1.
    asking: AtomicUsize,
    /// Why nothing is begun any more.
    ended: OnceLock<S::Error>,
    duty: Mutex<Duty>,
}

#[derive(Debug, Default)]
pub(super) struct Duty {
    /// Helpers that are spawned and not yet gone. One puts back what it does not run, and
    /// goes then: who finds none here, and nothing set aside, will find nothing later.
    helpers: usize,
    /// Those of them that have not begun.
    coming: usize,
    /// Who waits on behalf of the call.
    keeper: Option<Arc<Parker>>,
    /// Leaves that are at a source which they have in common.
    pub(super) readers: usize,
}

/// A leaf that is at a source which it has in common with others.
pub(super) struct Reads<'a>(&'a Mutex<Duty>);

impl Drop for Reads<'_> {
    fn drop(&mut self) {
        locked(self.0).readers -= 1;
    }
}

/// The right to run items on this thread until it is dropped.
#[derive(Debug)]
pub(super) struct Grant<P> {
    /// Left before the permits go.
    _entered: Entered,
    permit: Option<P>,
    /// What of it belongs to something suspended, and until when it is used for more than
    /// one job.
    shared: Option<(Borrowed, Instant)>,
    permits: u32,
}

impl<P: Permit> Grant<P> {
    #[inline]
    pub(super) fn new(permit: P) -> Self {
        let permits = permit.permits();
        Self {
            _entered: Entered::new(permit.id(), frames::youngest(), permits),
            permit: Some(permit),
            shared: None,
            permits,
        }
    }

    /// For `n` permits: what is not borrowed is taken ahead of the line, `over` max if need
    /// be. `None` if that is not to be had.
    fn shared(
        source: &impl Source<Permit = P>,
        n: u32,
        borrowed: Borrowed,
        over: bool,
    ) -> Option<Self> {
        // A request that has been closed out was woken as well, and looks as if it had its
        // permits. Looked at after the wake-up, since that comes after the close.
        if source.now().closed {
            return None;
        }
        let permit = match n - borrowed.permits {
            0 => None,
            missing => Some(source.ahead(missing, over)?),
        };
        Some(Self {
            _entered: Entered::new(source.id(), frames::youngest(), n),
            permit,
            shared: Some((borrowed, Instant::now() + TERM)),
            permits: n,
        })
    }

    pub(super) fn permits(&self) -> u32 {
        self.permits
    }

    /// The permits themselves, if all are the grant's own.
    #[inline]
    pub(super) fn own(&self) -> Option<&P> {
        self.permit.as_ref().filter(|_| self.shared.is_none())
    }

    pub(super) fn into_own(self) -> Option<P> {
        self.permit.filter(|_| self.shared.is_none())
    }
}

impl<S: Source, J: Job> Call<S, J> {
    pub(super) fn new(source: S, returns: bool) -> Self {
        Self {
            source,
            queue: Queue {
                jobs: Mutex::default(),
                len: AtomicUsize::new(0),
            },
            number: frames::number_call(),
            is_nested: !frames::are_none(),
            returns,
            asking: AtomicUsize::new(0),
            ended: OnceLock::new(),
            duty: Mutex::default(),
        }
    }

    /// The right to run what needs `n` permits, here and now, for number `number`.
    #[inline]
    pub(super) fn admit(&self, n: u32, number: u64) -> Option<Grant<S::Permit>> {
        if let Some(grant) = self.beneath(n, number, false) {
            return Some(grant);
        }
        match self.source.take(n) {
            Ok(permit) => permit.map(Grant::new),
            Err(error) => {
                if self.ends_by(error) {
                    self.end(error);
                }
                None
            }
        }
    }

    /// The same under the permits of what is suspended on this thread, with the rest ahead
    /// of the line if it is free, or `over` max: the first in line may wait for what is
    /// suspended.
    #[inline]
    fn beneath(&self, n: u32, number: u64, over: bool) -> Option<Grant<S::Permit>> {
        if n == 0 || frames::are_none() {
            return None;
        }
        // While more permits are out than max, what the call's own request has got is not
        // used on top of it: it will go back. Other calls may have to stay on top, so they
        // use it.
        let except = (self.source.now().excess() > 0).then_some(self.number);
        let borrowed = frames::borrow(self.source.id(), number, n, except)?;
        Grant::shared(&self.source, n, borrowed, over)
    }

    /// Should whoever has `grant` go on after a job?
    #[inline]
    pub(super) fn goes_on(&self, grant: &Grant<S::Permit>) -> bool {
        if let Some(permit) = grant.own() {
            let semaphore = permit.semaphore();
            return semaphore.is_calm() || !semaphore.is_pressed(self.asking.load(Relaxed));
        }
        let is_late = |(_, end): &(_, Instant)| Instant::now() >= *end;
        // What was taken ahead of the line goes back after each job.
        grant.permit.is_none()
            && !grant.shared.as_ref().is_some_and(is_late)
            && !self.source.now().closed
    }

    /// A call returns with the error. A scope has nobody to tell, and goes on as long as
    /// anything can be had; that the semaphore was closed is no surprise.
    fn ends_by(&self, error: S::Error) -> bool {
        self.returns || error == AcquireError::Closed.into()
    }

    /// Nothing is begun any more, since whoever asks is turned away.
    pub(super) fn end(&self, error: S::Error) {
        // The first reason counts.
        let _ = self.ended.set(error);
        self.queue.clear();
    }

    pub(super) fn is_over(&self) -> bool {
        self.ended.get().is_some()
    }

    /// Why not all was done, if it was not.
    pub(super) fn ended(&self) -> Option<S::Error> {
        self.ended.get().copied()
    }

    /// Is anything set aside, or with a helper?
    pub(super) fn is_pending(&self) -> bool {
        self.has_pending(&self.duty())
    }

    fn has_pending(&self, duty: &Duty) -> bool {
        duty.helpers > 0 || self.queue.len() > 0
    }

    /// A leaf goes to a source that it has in common with others. It is to stay out, and to see
    /// to what is set aside, if nobody else does, another leaf is there, and nothing younger
    /// than the call lies beneath this one.
    ///
    /// Whoever has set something aside comes here later. So of two that come the second sees
    /// what the first has set aside, and that it is there.
    pub(super) fn begin_to_read(&self) -> Option<Reads<'_>> {
        let mut duty = self.duty();
        let nobody_sees_to_it = duty.readers > 0 && duty.keeper.is_none();
        if nobody_sees_to_it && self.has_pending(&duty) && frames::are_older_than(self.number) {
            return None;
        }
        duty.readers += 1;
        Some(Reads(&self.duty))
    }

    pub(super) fn duty(&self) -> MutexGuard<'_, Duty> {
        locked(&self.duty)
    }
}

/// A call or scope, and where its helpers are spawned.
pub(super) struct Scoped<'a, 's, S: Source, J> {
    pub(super) call: &'a Arc<Call<S, J>>,
    pub(super) scope: &'a Scope<'s>,
}

impl<'s, S: Source + 's, J: Work<'s, S>> Scoped<'_, 's, S, J> {
    /// Has helpers come for what is set aside: one for each that finds its permits, and one
    /// that waits, if the call does not do so itself. Called after every addition, and by
    /// everybody who stops running jobs: by a `Defer` that is declared before all that holds
    /// permits.
    pub(super) fn tend(&self) {
        let call = self.call;
        // ORDERING: pairs with itself: of one who has added jobs and finds no permits, and
        // one who has given permits back and finds no jobs, one sees the other.
        fence(SeqCst);
        let Some((need, _)) = call.queue.next() else {
            return;
        };
        if call.is_over() {
            return call.queue.clear();
        }
        let free = call.source.available() / need.max(1) as usize;
        let mut duty = call.duty();
        let waits = usize::from(!call.returns && duty.keeper.is_none());
        let wanted = free.max(waits).min(call.queue.len());
        // A scope that is filled from outside may be in any pool.
        let workers = if call.returns || rayon::current_thread_index().is_some() {
            rayon::current_num_threads()
        } else {
            usize::MAX
        };
        while duty.coming < wanted && (duty.helpers < workers || duty.coming < waits) {
            self.hire(&mut duty, None);
        }
    }

    /// Spawns a helper, with permits or to take some when it begins.
    pub(super) fn hire(&self, duty: &mut Duty, permit: Option<S::Permit>) {
        duty.coming += 1;
        duty.helpers += 1;
        let call = Arc::clone(self.call);
        self.scope.spawn(move |scope| {
            let call = &call;
            let scoped = Scoped { call, scope };
            let _tend = Defer(|| scoped.tend());
            let _ended = Defer(|| {
                let mut duty = call.duty();
                duty.helpers -= 1;
                if let Some(keeper) = &duty.keeper {
                    keeper.unpark();
                }
            });
            call.duty().coming -= 1;
            scoped.help(permit.map(Grant::new));
        });
    }

    /// Runs what is set aside, under `grant` and whatever else there is. Waits for more on
    /// behalf of a scope, if nobody does.
    pub(super) fn help(&self, mut grant: Option<Grant<S::Permit>>) {
        let call = self.call;
        // What lies beneath cannot go on before a helper of a scope has ended.
        let number = match call.returns {
            true => call.number,
            false => frames::number_call(),
        };
        let admit = || {
            let (need, own) = call.queue.next()?;
            call.admit(need, number.max(own))
        };
        while let Some(grant) = grant.take().or_else(admit) {
            J::work(self, grant);
        }
        if !call.returns && call.queue.len() > 0 {
            self.attend(Wait::new(), number, || false);
        }
    }

    /// Waits on behalf of the call, as number `number`, until nothing is set aside any more
    /// (and, if the call is to return, no helper is left), or until `stop`. If somebody does
    /// so already, returns at once.
    pub(super) fn attend(&self, wait: Wait, number: u64, stop: impl Fn() -> bool) {
        let call = self.call;
        {
            let mut duty = call.duty();
            if duty.keeper.is_some() {
                return;
            }
            duty.keeper = Some(Arc::clone(&wait.parker));
        }
        let mut keeper = Keeper {
            scoped: self,
            wait,
            request: None,
            loan: None,
            since: None,
        };
        loop {
            let next = call.queue.next().filter(|_| !call.is_over());
            if let Some((need, own)) = next {
                if stop() {
                    return;
                }
                keeper.wait_for(need, number.max(own));
                continue;
            }
            keeper.has_nothing_to_ask_for();
            if call.is_over() {
                call.queue.clear();
            }
            if !call.returns || stop() || !call.is_pending() {
                return;
            }
            if !keeper.wait.look() {
                keeper.wait.nap();
            }
        }
    }
}

/// What is done at the end of a block, also by a panic.
pub(super) struct Defer<F: FnMut()>(pub(super) F);

impl<F: FnMut()> Drop for Defer<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// A place in the semaphore's line.
struct Request<S: Source> {
    need: u32,
    ask: Pin<Box<S::Ask>>,
    awaited: Arc<Awaited>,
}

impl<S: Source> Drop for Request<S> {
    fn drop(&mut self) {
        S::withdraw(self.ask.as_mut());
    }
}

/// The one who waits on behalf of a call.
struct Keeper<'a, 's, S: Source + 's, J: Work<'s, S>> {
    scoped: &'a Scoped<'a, 's, S, J>,
    wait: Wait,
    request: Option<Request<S>>,
    /// Permits that lie beneath while it runs what is set aside.
    loan: Option<(Entered, Loan)>,
    /// Since when it has waited for the same.
    since: Option<Instant>,
}

impl<'s, S: Source + 's, J: Work<'s, S>> Drop for Keeper<'_, 's, S, J> {
    fn drop(&mut self) {
        self.has_nothing_to_ask_for();
        // Whoever has added a job before this has counted on this keeper: each of those
        // who call `attend` calls `tend` afterwards, or `attend` again.
        self.scoped.call.duty().keeper = None;
    }
}

impl<'s, S: Source + 's, J: Work<'s, S>> Keeper<'_, 's, S, J> {
    fn has_nothing_to_ask_for(&mut self) {
        self.leave_line();
        self.since = None;
    }

    fn leave_line(&mut self) {
        self.request = None;
        self.scoped.call.asking.store(0, Relaxed);
    }

    /// Waits a while for `need` permits, and runs what is set aside if it gets them.
    fn wait_for(&mut self, need: u32, number: u64) {
        let scoped = self.scoped;
        if self.has_sent_for_enough() {
            return self.wait.nap();
        }
        if let Some(grant) = self.permits(need, number) {
            self.has_nothing_to_ask_for();
            self.wait.begin_again();
            // There may be more.
            scoped.tend();
            if self.wait.is_worker {
                J::work(scoped, grant);
            } else {
                scoped.hire(&mut scoped.call.duty(), grant.into_own());
            }
        }
        self.loan = None;
    }

    /// One that is no worker has others run the jobs. While as many are on their way as
    /// can begin, permits would lie idle. But nobody leaves the line for that.
    fn has_sent_for_enough(&self) -> bool {
        if self.wait.is_worker || self.request.is_some() {
            return false;
        }
        let call = self.scoped.call;
        call.duty().coming >= call.queue.len().min(rayon::current_num_threads())
    }

    fn permits(&mut self, need: u32, number: u64) -> Option<Grant<S::Permit>> {
        let (call, is_worker) = (self.scoped.call, self.wait.is_worker);
        let beneath = call.beneath(need, number, false);
        if let Some(grant) = beneath.or_else(|| self.ask(need)) {
            return Some(grant);
        }
        if is_worker && self.looks(need, number) {
            return None;
        }
        if let Some(grant) = self.ask(need) {
            return Some(grant);
        }
        let now = Instant::now();
        let waited = now.duration_since(*self.since.get_or_insert(now));
        let source = &call.source;
        let Snapshot { max, active, .. } = source.now();
        // Nobody lends what nobody has.
        if !is_worker || waited < PATIENCE || active == 0 {
            self.wait.nap();
            return None;
        }
        let over = waited >= LONG && max >= need as usize;
        if over {
            let beneath = call.beneath(need, number, true);
            let ahead = || source.ahead(need, false).map(Grant::new);
            if let Some(grant) = beneath.or_else(|| call.is_nested.then(ahead)?) {
                return Some(grant);
            }
        }
        // What the loan has to bring, with what else there is. Whatever is beneath stays
        // as it is while this thread naps.
        let free = max.saturating_sub(active) as u32;
        let beneath = || frames::borrow(source.id(), number, need, None);
        let least = match over {
            true => 1,
            false => need.saturating_sub(free + beneath().map_or(0, |here| here.permits)),
        };
        let loan = self.wait.nap_starving(source.id(), number, least)?;
        let lent = Entered::new(source.id(), loan.number, loan.permits);
        self.loan = Some((lent, loan));
        call.beneath(need, number, over)
    }

    /// Has it found something else to do? What it has asked for may be used there.
    fn looks(&mut self, need: u32, number: u64) -> bool {
        let source = &self.scoped.call.source;
        if !source.hands_over() {
            // Nobody would use what it is woken for meanwhile. So it gives up its place, and
            // looks seldom.
            if !self.wait.may_find() {
                return false;
            }
            self.leave_line();
        }
        let _suspended = self.request.as_ref().map(|Request { awaited, .. }| {
            Entered::waiting(
                source.id(),
                number,
                need,
                awaited,
                Some(self.scoped.call.number),
            )
        });
        self.wait.look()
    }

    /// Stands in line for `need` permits.
    fn ask(&mut self, need: u32) -> Option<Grant<S::Permit>> {
        let call = self.scoped.call;
        if self.request.as_ref().is_some_and(|of| of.need != need) {
            self.leave_line();
        }
        if self.request.is_none() && self.since.is_some() {
            // It has asked before. To be refused again and again is not to ask again.
            let refused = call.source.would_refuse(need);
            if let Some(error) = refused.filter(|_| !call.source.now().closed) {
                self.is_refused(error);
                return None;
            }
        }
        let request = self.request.get_or_insert_with(|| Request {
            need,
            ask: Box::pin(call.source.ask(need)),
            awaited: Awaited::new(&self.wait.parker),
        });
        call.asking.store(1, Relaxed);
        let waker = Waker::from(Arc::clone(&request.awaited));
        match request.ask.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(Ok(permit)) => return Some(Grant::new(permit)),
            Poll::Ready(Err(error)) => {
                self.leave_line();
                self.is_refused(error);
            }
            Poll::Pending => {}
        }
        None
    }

    /// There is no place in line. Whoever is refused one for want of room can still share.
    fn is_refused(&mut self, error: S::Error) {
        let call = self.scoped.call;
        if !call.returns && error == AcquireError::Overdue.into() {
            // A scope has nobody to tell: it asks again.
            return;
        }
        let is_late = self.since.get_or_insert_with(Instant::now).elapsed() >= HOPE;
        let now = call.source.now();
        if self.wait.is_worker && !is_late && now.active > 0 && !now.closed {
            return;
        }
        if call.ends_by(error) {
            return call.end(error);
        }
        // Nobody runs the jobs, and there is no place to wait.
        call.queue.clear();
        let panic = move |_: &Scope<'s>| panic!("throttled jobs were turned away: {error}");
        self.scoped.scope.spawn(panic);
    }
}
