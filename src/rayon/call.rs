//! A throttled call or scope: what it has set aside, who runs that, and how it waits.

use std::{
    future::Future,
    ops::Deref,
    pin::Pin,
    sync::{Arc, OnceLock, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use rayon::Scope;

use super::{
    frames::{self, Borrowed, Entered},
    source::{NotNow, Permit, Source},
    wait::{Awaited, Loan, PATIENCE, Parker, Wait},
};
use crate::{
    AcquireError,
    sync::{Acquire, AtomicUsize, Instant, Mutex, MutexGuard, Relaxed, Release, SeqCst, fence},
};

/// After this a nested call goes ahead of the line, and over max.
const LONG: Duration = PATIENCE.saturating_mul(50);

/// How long a call that is refused a place in line hopes to share.
const HOPE: Duration = PATIENCE.saturating_mul(250);

/// How long a loan is used for more than one job.
const TERM: Duration = Duration::from_millis(1);

/// What was set aside.
pub(super) trait Jobs: Send + Sync {
    /// How many permits the next one needs, and the number of the call that it belongs
    /// to, if that is another than the whole.
    fn next(&self) -> Option<(u32, u64)>;

    /// How many there are.
    fn len(&self) -> usize;

    /// Drops them all.
    fn clear(&self);
}

/// What the jobs of one call or scope share.
#[derive(Debug)]
pub(super) struct Call<S: Source, J> {
    pub(super) source: S,
    pub(super) jobs: J,
    pub(super) number: u64,
    /// It is made within a throttled item.
    is_nested: bool,
    /// The call returns only when all is done, and waits itself; for a scope, which does
    /// not, a helper does.
    pub(super) returns: bool,
    /// Requests of our own in the semaphore's line: 0 or 1.
    asking: AtomicUsize,
    /// Helpers that are spawned and not yet gone. Changes with the duty locked.
    helpers: AtomicUsize,
    /// Why nothing is begun any more.
    ended: OnceLock<S::Error>,
    duty: Mutex<Duty>,
}

#[derive(Debug, Default)]
pub(super) struct Duty {
    /// Helpers that have not begun.
    coming: usize,
    /// Who waits on behalf of the call.
    keeper: Option<Arc<Parker>>,
}

/// How jobs in a scope reach their call.
pub(super) trait Handle<'s>:
    Deref<Target = Call<Self::Source, Self::Jobs>> + Clone + Send + Sync + 's
{
    type Source: Source + 's;
    type Jobs: Jobs + 's;

    /// Runs what was set aside, as much as the grant is good for.
    fn work(&self, scope: &Scope<'s>, grant: Grant<<Self::Source as Source>::Permit>);
}

/// The right to run items on this thread until it is dropped.
#[derive(Debug)]
pub(super) struct Grant<P> {
    /// Left before the permits go.
    entered: Entered,
    permit: Option<P>,
    /// What of it belongs to something suspended on this thread.
    here: Option<Borrowed>,
    /// The same on another thread, and until when it is used for more than one job.
    there: Option<(Loan, Instant)>,
    permits: u32,
}

impl<P: Permit> Grant<P> {
    #[inline]
    pub(super) fn new(permit: P) -> Self {
        let permits = permit.permits();
        Self {
            entered: Entered::new(permit.id(), permits),
            permit: Some(permit),
            here: None,
            there: None,
            permits,
        }
    }

    /// For `n` permits: what is not borrowed or lent is taken ahead of the line, `over` max
    /// if need be. `None` if that is not to be had.
    fn shared(
        source: &impl Source<Permit = P>,
        n: u32,
        here: Option<Borrowed>,
        loan: Option<Loan>,
        over: bool,
    ) -> Option<Self> {
        let lent = loan.as_ref().map_or(0, |loan| loan.permits);
        let shared = lent + here.as_ref().map_or(0, |borrowed| borrowed.permits);
        let permit = match n.saturating_sub(shared) {
            0 => None,
            missing => Some(source.ahead(missing, over)?),
        };
        let permits = shared.max(n);
        Some(Self {
            entered: Entered::new(source.id(), permits),
            permit,
            here,
            there: loan.map(|loan| (loan, Instant::now() + TERM)),
            permits,
        })
    }

    /// Does any of it belong to something suspended?
    fn is_shared(&self) -> bool {
        self.here.is_some() || self.there.is_some()
    }

    pub(super) fn permits(&self) -> u32 {
        self.permits
    }

    /// The permits themselves, if all are the grant's own.
    #[inline]
    pub(super) fn own(&self) -> Option<&P> {
        self.permit.as_ref().filter(|_| !self.is_shared())
    }

    pub(super) fn into_own(self) -> Option<P> {
        let is_shared = self.is_shared();
        self.permit.filter(|_| !is_shared)
    }

    /// Makes it a right to run what needs `n` permits: gives back what is beyond, takes
    /// what is missing. False if that is not to be had.
    pub(super) fn fit(&mut self, source: &impl Source<Permit = P>, n: u32) -> bool {
        if self.permits == n || self.is_shared() {
            return self.permits >= n;
        }
        if let Some(permit) = &mut self.permit {
            if self.permits < n {
                match source.take(n - self.permits) {
                    Ok(more) => permit.add(more),
                    Err(_) => return false,
                }
            } else {
                drop(permit.beyond(n));
            }
            self.permits = n;
            self.entered.set(n);
        }
        true
    }
}

impl<S: Source, J: Jobs> Call<S, J> {
    pub(super) fn new(source: S, jobs: J, returns: bool) -> Self {
        Self {
            source,
            jobs,
            number: frames::number_call(),
            is_nested: !frames::are_none(),
            returns,
            asking: AtomicUsize::new(0),
            helpers: AtomicUsize::new(0),
            ended: OnceLock::new(),
            duty: Mutex::default(),
        }
    }

    /// The right to run what needs `n` permits, here and now, for number `number`.
    #[inline]
    pub(super) fn admit(&self, n: u32, number: u64) -> Option<Grant<S::Permit>> {
        if !frames::are_none() {
            if let Some(grant) = self.beneath(n, number) {
                return Some(grant);
            }
        }
        match self.source.take(n) {
            Ok(permit) => Some(Grant::new(permit)),
            Err(NotNow::NoPermits) => None,
            Err(NotNow::Refused(error)) => {
                // The scope has to be told: whoever waits for it will be.
                if self.returns {
                    self.end(error);
                }
                None
            }
        }
    }

    /// The same under the permits of what is suspended on this thread, with the rest ahead
    /// of the line if it is free: the first in line may wait for what is suspended.
    fn beneath(&self, n: u32, number: u64) -> Option<Grant<S::Permit>> {
        if n == 0 || self.source.is_closed() {
            return None;
        }
        let borrowed = frames::borrow(self.source.id(), number, n)?;
        Grant::shared(&self.source, n, Some(borrowed), None, false)
    }

    /// Should whoever has `grant` go on after a job?
    pub(super) fn goes_on(&self, grant: &Grant<S::Permit>) -> bool {
        if let Some(permit) = grant.own() {
            return !permit.semaphore().is_pressed(|| self.asking());
        }
        let is_late = |(_, end): &(_, Instant)| Instant::now() >= *end;
        // What was taken ahead of the line goes back after each job.
        grant.permit.is_none()
            && !self.source.is_closed()
            && !grant.there.as_ref().is_some_and(is_late)
    }

    pub(super) fn asking(&self) -> usize {
        self.asking.load(Relaxed)
    }

    /// Nothing is begun any more, since whoever asks is turned away.
    pub(super) fn end(&self, error: S::Error) {
        // The first reason counts.
        let _ = self.ended.set(error);
        self.jobs.clear();
    }

    pub(super) fn is_over(&self) -> bool {
        self.ended.get().is_some()
    }

    /// Why not all was done, if it was not.
    pub(super) fn ended(&self) -> Option<S::Error> {
        self.ended.get().copied()
    }

    /// Does nobody run or wait for it?
    pub(super) fn is_idle(&self) -> bool {
        let duty = self.duty();
        self.helpers() == 0 && duty.keeper.is_none() && self.jobs.len() == 0
    }

    /// Is there anything to wait for, and nobody who does?
    pub(super) fn needs_keeper(&self) -> bool {
        (self.jobs.len() > 0 || self.helpers() > 0) && self.duty().keeper.is_none()
    }

    fn helpers(&self) -> usize {
        // ORDERING: pairs with the Release of one that goes: what it has set aside again
        // is seen by whoever does not see it.
        self.helpers.load(Acquire)
    }

    pub(super) fn duty(&self) -> MutexGuard<'_, Duty> {
        // Counts and a pointer: nothing in it is ever half done.
        self.duty.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Has helpers come for what is set aside: one for each that finds its permits, and one
/// that waits, if the call does not do so itself. Called after every addition, and by
/// everybody who stops running jobs.
pub(super) fn tend<'s, H: Handle<'s>>(call: &H, scope: &Scope<'s>) {
    // ORDERING: pairs with itself: of one who has added jobs and finds no permits, and
    // one who has given permits back and finds no jobs, one sees the other.
    fence(SeqCst);
    if call.jobs.len() == 0 {
        return;
    }
    if call.is_over() {
        return call.jobs.clear();
    }
    let Some((need, _)) = call.jobs.next() else {
        return;
    };
    let free = call.source.available() / need.max(1) as usize;
    let mut duty = call.duty();
    let waits = usize::from(!call.returns && duty.keeper.is_none());
    let wanted = free.max(waits).min(call.jobs.len());
    let workers =
        rayon::current_thread_index().map_or(usize::MAX, |_| rayon::current_num_threads());
    while duty.coming < wanted && (call.helpers() < workers || duty.coming < waits) {
        hire(call, scope, &mut duty, None);
    }
}

/// Spawns a helper, with permits or to take some when it begins.
pub(super) fn hire<'s, H: Handle<'s>>(
    call: &H,
    scope: &Scope<'s>,
    duty: &mut Duty,
    permit: Option<<H::Source as Source>::Permit>,
) {
    duty.coming += 1;
    call.helpers.fetch_add(1, Relaxed);
    let call = call.clone();
    scope.spawn(move |scope| {
        // Dropped last, after the permits have gone back, also by a panic.
        let shift = Shift { call: &call, scope };
        call.duty().coming -= 1;
        help(&call, scope, permit);
        drop(shift);
    });
}

/// The time from a helper's beginning to its end.
struct Shift<'a, 's, H: Handle<'s>> {
    call: &'a H,
    scope: &'a Scope<'s>,
}

impl<'s, H: Handle<'s>> Drop for Shift<'_, 's, H> {
    fn drop(&mut self) {
        {
            let duty = self.call.duty();
            // ORDERING: pairs with `helpers`.
            self.call.helpers.fetch_sub(1, Release);
            if let Some(keeper) = &duty.keeper {
                keeper.unpark();
            }
        }
        tend(self.call, self.scope);
    }
}

fn help<'s, H: Handle<'s>>(
    call: &H,
    scope: &Scope<'s>,
    permit: Option<<H::Source as Source>::Permit>,
) {
    // What lies beneath cannot go on before a helper of a scope has ended.
    let number = match call.returns {
        true => call.number,
        false => frames::number_call(),
    };
    if let Some(permit) = permit {
        call.work(scope, Grant::new(permit));
    }
    while let Some((need, own)) = call.jobs.next() {
        let Some(grant) = call.admit(need, number.max(own)) else {
            break;
        };
        call.work(scope, grant);
    }
    if !call.returns && call.jobs.len() > 0 {
        attend(call, scope, Wait::new(Arc::default()), number, || false);
    }
}

/// A place in the semaphore's line.
struct Request<S: Source> {
    need: u32,
    ask: Pin<Box<S::Ask>>,
    awaited: Arc<Awaited>,
}

/// The one who waits on behalf of a call.
struct Keeper<'a, 's, H: Handle<'s>> {
    call: &'a H,
    scope: &'a Scope<'s>,
    wait: Wait,
    request: Option<Request<H::Source>>,
    /// Since when it has waited for the same.
    since: Option<Instant>,
}

/// Waits on behalf of the call, as number `number`, until nothing is set aside any more
/// (and, if the call is to return, no helper is left), or until `stop`. If somebody does
/// so already, returns at once.
pub(super) fn attend<'s, H: Handle<'s>>(
    call: &H,
    scope: &Scope<'s>,
    wait: Wait,
    number: u64,
    stop: impl Fn() -> bool,
) {
    {
        let mut duty = call.duty();
        if duty.keeper.is_some() {
            return;
        }
        duty.keeper = Some(Arc::clone(&wait.parker));
    }
    let mut keeper = Keeper {
        call,
        scope,
        wait,
        request: None,
        since: None,
    };
    loop {
        let next = call.jobs.next().filter(|_| !call.is_over());
        if let Some((need, own)) = next {
            if stop() {
                return;
            }
            keeper.wait_for(need, number.max(own));
            continue;
        }
        keeper.has_nothing_to_ask_for();
        if call.is_over() {
            call.jobs.clear();
        }
        // A helper may set aside again what it took.
        if !call.returns || call.helpers() == 0 || stop() {
            return;
        }
        if !keeper.wait.look() {
            keeper.wait.nap();
        }
    }
}

impl<'s, H: Handle<'s>> Drop for Keeper<'_, 's, H> {
    fn drop(&mut self) {
        self.has_nothing_to_ask_for();
        // Whoever has added a job before this has counted on this keeper: each of those
        // who call `attend` calls `tend` afterwards, or `attend` again.
        self.call.duty().keeper = None;
    }
}

impl<'s, H: Handle<'s>> Keeper<'_, 's, H> {
    fn has_nothing_to_ask_for(&mut self) {
        (self.request, self.since) = (None, None);
        self.call.asking.store(0, Relaxed);
    }

    /// Waits a while for `need` permits, and runs what is set aside if it gets them.
    fn wait_for(&mut self, need: u32, number: u64) {
        let call = self.call;
        if let Some(grant) = self.permits(need, number) {
            self.has_nothing_to_ask_for();
            self.wait.begin_again();
            // There may be more.
            tend(call, self.scope);
            if self.wait.is_worker {
                call.work(self.scope, grant);
            } else {
                hire(call, self.scope, &mut call.duty(), grant.into_own());
            }
        }
    }

    fn permits(&mut self, need: u32, number: u64) -> Option<Grant<PermitOf<'s, H>>> {
        let (call, is_worker) = (self.call, self.wait.is_worker);
        if let Some(grant) = call.beneath(need, number).filter(|_| is_worker) {
            return Some(grant);
        }
        if let Some(permit) = self.ask(need) {
            return Some(Grant::new(permit));
        }
        if !call.source.hands_over() {
            // Nobody would use what it is woken for while it runs another job.
            self.request = None;
        }
        let found = {
            let _suspended = self.request.as_ref().map(|request| {
                let awaited = Arc::clone(&request.awaited);
                Entered::waiting(call.source.id(), number, need, awaited)
            });
            self.wait.look()
        };
        if found {
            return None;
        }
        if let Some(permit) = self.ask(need) {
            return Some(Grant::new(permit));
        }
        let now = Instant::now();
        let waited = now.duration_since(*self.since.get_or_insert(now));
        let source = &call.source;
        let (max, active) = source.max_and_active();
        // Nobody lends what nobody has.
        if !is_worker || waited < PATIENCE || active == 0 {
            self.wait.nap();
            return None;
        }
        let over = waited >= LONG && max >= need as usize;
        if let Some(grant) = over.then(|| self.over_max(need, number)).flatten() {
            return Some(grant);
        }
        // What the loan has to bring, with what else there is. Whatever is beneath stays
        // as it is while this thread naps.
        let beneath = || frames::borrow(source.id(), number, need);
        let there = beneath().map_or(0, |borrowed| borrowed.permits as usize);
        let missing = need as usize - there.min(need as usize);
        let least = match over {
            true => 1,
            false => missing.saturating_sub(max.saturating_sub(active)).max(1),
        };
        // As a number of permits it is at most `need`.
        let loan = self.wait.nap_starving(source.id(), number, least as u32)?;
        let missing = need.saturating_sub(loan.permits);
        let here = frames::borrow(source.id(), number, missing);
        Grant::shared(source, need, here, Some(loan), over)
    }

    /// Stands in line for `need` permits.
    fn ask(&mut self, need: u32) -> Option<PermitOf<'s, H>> {
        let call = self.call;
        self.request.take_if(|request| request.need != need);
        let request = self.request.get_or_insert_with(|| Request {
            need,
            ask: Box::pin(call.source.ask(need)),
            awaited: Awaited::new(&self.wait.parker),
        });
        call.asking.store(1, Relaxed);
        let waker = Waker::from(Arc::clone(&request.awaited));
        match request.ask.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(Ok(permit)) => return Some(permit),
            Poll::Ready(Err(error)) => {
                self.request = None;
                call.asking.store(0, Relaxed);
                self.is_refused(error);
            }
            Poll::Pending => {}
        }
        None
    }

    /// There is no place in line. Whoever is refused one for want of room can still share.
    fn is_refused(&mut self, error: ErrorOf<'s, H>) {
        let call = self.call;
        let is_late = self.since.is_some_and(|since| since.elapsed() >= HOPE);
        let (_, active) = call.source.max_and_active();
        if !self.wait.is_worker || is_late || active == 0 || call.source.is_closed() {
            turn_away(call, self.scope, error);
        }
    }

    /// After a long wait: under what is suspended beneath, and the rest over max. Or, in a
    /// nested call, under what is free, ahead of who waits for what is suspended.
    fn over_max(&self, need: u32, number: u64) -> Option<Grant<PermitOf<'s, H>>> {
        let source = &self.call.source;
        if let Some(borrowed) = frames::borrow(source.id(), number, need) {
            return Grant::shared(source, need, Some(borrowed), None, true);
        }
        let ahead = || source.ahead(need, false).map(Grant::new);
        self.call.is_nested.then(ahead)?
    }
}

type PermitOf<'s, H> = <<H as Handle<'s>>::Source as Source>::Permit;
type ErrorOf<'s, H> = <<H as Handle<'s>>::Source as Source>::Error;

/// Nobody runs the jobs, and there is no place to wait for permits. A call that returns
/// does so with the error; a scope panics with it, since it has nobody else to tell. That
/// the semaphore was closed is no surprise.
fn turn_away<'s, H: Handle<'s>>(call: &H, scope: &Scope<'s>, error: ErrorOf<'s, H>) {
    if call.returns || error == AcquireError::Closed.into() {
        return call.end(error);
    }
    call.jobs.clear();
    scope.spawn(move |_| panic!("throttled jobs were turned away: {error}"));
}
