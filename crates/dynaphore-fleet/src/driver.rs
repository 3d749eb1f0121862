//! A member's thread: carries what the state machine in `member.rs` decides to the
//! semaphore and to the store.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use dynaphore::Semaphore;
use futures_util::StreamExt;
use tokio::{
    runtime,
    sync::{mpsc, oneshot, watch},
    time::{self, Interval, MissedTickBehavior},
};

use crate::{
    error::StoreError,
    member::Member,
    message::{FleetSnapshot, Refusal, Report},
    store::{Calls, Store},
};

/// How often the member looks at its semaphore and at the clock. No command for that.
const TICK: Duration = Duration::from_millis(10);

/// How often the store is asked whether the fleet has settled.
const SETTLED: Duration = Duration::from_millis(20);

/// How long to wait before listening to calls again.
const LISTEN: Duration = Duration::from_secs(1);

type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// What the handle asks for.
pub(crate) enum Command {
    SetMax(u32, Answer<()>),
    Snapshot(Answer<FleetSnapshot>),
    Settled(Answer<()>),
    Leave,
}

/// How a member stands with the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// Its lease is good.
    Live,
    /// Its lease has run out: the store is lost, or the process has stood still for too
    /// long. It joins again by itself.
    Lost,
    /// It has left, and all its permits are back.
    Left,
}

/// What the handle and the member's thread share.
pub(crate) struct Shared {
    pub(crate) semaphore: Arc<Semaphore>,
    pub(crate) fence: AtomicU64,
    pub(crate) state: watch::Sender<State>,
    pub(crate) last_error: Mutex<Option<StoreError>>,
}

pub(crate) struct Driver<S> {
    store: S,
    name: String,
    patience: Duration,
    calls: Option<Calls>,
    listened: Option<Instant>,
    side: Side,
}

/// What the thread leaves behind, also when a store has panicked: nobody waits for ever.
struct End(Arc<Shared>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.semaphore.set_max(0);
        self.0.semaphore.close();
        self.0.state.send_replace(State::Left);
    }
}

/// The local half, which the clock moves also while the store is waited for.
struct Side {
    member: Member,
    start: Instant,
    shared: Arc<Shared>,
    ticks: Option<Interval>,
}

impl<S: Store> Driver<S> {
    pub(crate) fn new(
        store: S,
        name: &str,
        member: Member,
        lease: Duration,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            store,
            name: name.to_owned(),
            patience: lease / 3,
            calls: None,
            listened: None,
            side: Side {
                member,
                start: Instant::now(),
                shared,
                ticks: None,
            },
        }
    }

    /// The thread.
    pub(crate) fn run(self, commands: mpsc::UnboundedReceiver<Command>, joined: Answer<()>) {
        match runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime.block_on(self.drive(commands, joined)),
            Err(error) => {
                let _ = joined.send(Err(StoreError::lost(error)));
            }
        }
    }

    async fn drive(mut self, mut commands: mpsc::UnboundedReceiver<Command>, joined: Answer<()>) {
        let mut ticks = time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.side.ticks = Some(ticks);
        // Listens first, so that no call is missed from its first report on.
        self.listen().await;
        let first = self.report().await;
        let error = first.as_ref().err().cloned();
        let left = joined.send(first.map(drop)).is_err();
        if let Some(error) = error {
            if error.may_pass() {
                self.retract().await;
            }
            return;
        }
        let _end = End(Arc::clone(&self.side.shared));
        let mut leaving = left;
        if leaving {
            self.leave();
        }
        let mut unsettled: Vec<Answer<()>> = Vec::new();
        let mut asked = Instant::now();
        loop {
            tokio::select! {
                () = self.side.tick() => {}
                call = next(&mut self.calls) => match call {
                    Some(fences) if fences.contains(&self.side.member.fence()) => self.side.member.called(),
                    Some(_) => {}
                    None => self.calls = None,
                },
                command = commands.recv(), if !leaving => match command {
                    Some(Command::SetMax(max, answer)) => {
                        let done = self.side.watch(self.patience, self.store.set_max(&self.name, max)).await;
                        let _ = answer.send(done);
                    }
                    Some(Command::Snapshot(answer)) => {
                        let snapshot = self.side.watch(self.patience, self.store.snapshot(&self.name)).await;
                        let _ = answer.send(snapshot);
                    }
                    Some(Command::Settled(answer)) => unsettled.push(answer),
                    Some(Command::Leave) | None => {
                        leaving = true;
                        self.leave();
                    }
                },
            }
            let (out, demand) = self.side.look();
            if self.side.member.is_due(self.side.now(), out, demand) {
                let last = self.report().await;
                let answered = last.is_ok();
                // All is back, and the store knows, or finds out by itself.
                let gone = leaving && self.side.look().0 == 0;
                if gone && (last.is_ok_and(|out| out == 0) || !self.side.member.is_live()) {
                    return;
                }
                if answered && self.calls.is_none() {
                    self.listen().await;
                }
            }
            // Who has dropped the future does not wait.
            unsettled.retain(|one| !one.is_closed());
            if !unsettled.is_empty() && asked.elapsed() >= SETTLED {
                asked = Instant::now();
                match self
                    .side
                    .watch(self.patience, self.store.snapshot(&self.name))
                    .await
                {
                    Ok(now) if !now.complete || now.counted() > u64::from(now.max) => {}
                    // It has forgotten all, and will know again what members report.
                    Err(StoreError::Refused(Refusal::NoFleet)) => {}
                    answer => {
                        for one in unsettled.drain(..) {
                            let _ = one.send(answer.clone().map(drop));
                        }
                    }
                }
            }
        }
    }

    /// Reports, and puts the answer in force. Returns what it has said was out.
    async fn report(&mut self) -> Result<u32, StoreError> {
        // In this order: the share is in force before what is out is read.
        self.side.enforce();
        let (out, demand) = self.side.look();
        let report: Report = self.side.member.report(self.side.now(), out, demand);
        let answer = self
            .side
            .watch(self.patience, self.store.sync(&self.name, &report))
            .await;
        match answer {
            Ok(grant) => {
                self.side
                    .member
                    .granted(self.side.now(), report.seq, &grant);
                self.side.enforce();
                Ok(out)
            }
            Err(error) => {
                self.side.member.failed(report.seq);
                // If the server has lost its power, nobody ends this connection.
                self.calls = None;
                *self
                    .side
                    .shared
                    .last_error
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
                Err(error)
            }
        }
    }

    /// Leaves a fleet that it could not join: only the answer may have been lost. The
    /// semaphore is left alone, since the next attempt may have it by now.
    async fn retract(&mut self) {
        self.side.member.leave();
        let report = self.side.member.report(self.side.now(), 0, 0);
        let call = self.store.sync(&self.name, &report);
        let _ = time::timeout(self.patience, call).await;
    }

    async fn listen(&mut self) {
        if self.listened.is_some_and(|at| at.elapsed() < LISTEN) {
            return;
        }
        self.listened = Some(Instant::now());
        // Without calls all goes on, only slower.
        self.calls = self
            .side
            .watch(self.patience, self.store.calls(&self.name))
            .await
            .ok();
    }

    fn leave(&mut self) {
        self.side.member.leave();
        self.side.enforce();
        self.side.shared.semaphore.close();
    }
}

impl Side {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Permits that are out, and those that the member could use.
    fn look(&self) -> (u32, u32) {
        let now = self.shared.semaphore.snapshot();
        let mut demand = now.active.saturating_add(now.waiting);
        if now.waiting > 0 && demand <= now.max {
            // One of those that wait needs more permits than are free. How many is not
            // known: try twice as many until it fits.
            demand = now.max.saturating_mul(2).saturating_add(1);
        }
        let count = |n: usize| n.min(Semaphore::MAX_PERMITS) as u32;
        (count(now.active), count(demand))
    }

    /// Makes the semaphore, the fence and the state what the member says.
    fn enforce(&mut self) {
        self.member.tick(self.now());
        // The number first: whoever reads it and then acquires has no later one.
        self.shared.fence.store(self.member.fence(), Relaxed);
        // A store may answer anything.
        let share = (self.member.share() as usize).min(Semaphore::MAX_PERMITS);
        if self.shared.semaphore.snapshot().max != share {
            self.shared.semaphore.set_max(share);
        }
        let state = if self.member.is_live() {
            State::Live
        } else {
            State::Lost
        };
        self.shared.state.send_if_modified(|known| {
            let changed = *known != state;
            *known = state;
            changed
        });
    }

    async fn tick(&mut self) {
        if let Some(ticks) = &mut self.ticks {
            let wakes_at = self.member.wakes_at(self.start.elapsed());
            match wakes_at.and_then(|at| self.start.checked_add(at)) {
                Some(at) => _ = time::timeout_at(at.into(), ticks.tick()).await,
                None => _ = ticks.tick().await,
            }
        }
        self.enforce();
    }

    /// Waits for the store, but not for long, and lets the lease run out meanwhile.
    async fn watch<T>(
        &mut self,
        patience: Duration,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let mut call = pin!(time::timeout(patience, call));
        loop {
            tokio::select! {
                answer = &mut call => {
                    return answer.unwrap_or_else(|_| Err(StoreError::lost("it has not answered in time")));
                }
                () = self.tick() => {}
            }
        }
    }
}

/// The next call; never, if nobody listens.
async fn next(calls: &mut Option<Calls>) -> Option<Vec<u64>> {
    match calls {
        Some(calls) => calls.next().await,
        None => std::future::pending().await,
    }
}
