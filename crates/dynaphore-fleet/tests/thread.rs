//! What a member's thread does with the answers of a store: here one that answers what the
//! test wants.

use std::{
    collections::VecDeque,
    future,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use dynaphore::Semaphore;
use dynaphore_fleet::{
    BoxFuture, Calls, Fleet, FleetError, FleetSnapshot, Grant, Memory, Options, Refusal, Report,
    State, Store, StoreError,
};
use futures_util::stream;
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};

/// Turns a hang into a failure.
const PATIENCE: Duration = Duration::from_secs(20);
/// So long that no renewal falls into a test.
const LEASE: Duration = Duration::from_secs(3600);

/// What a report is answered with.
type Script = Box<dyn FnMut(&Report) -> Result<Grant, StoreError> + Send>;

struct Scripted {
    answer: Script,
    /// Each report that has come.
    seen: mpsc::UnboundedSender<Report>,
    snapshots: Arc<Mutex<VecDeque<Result<FleetSnapshot, StoreError>>>>,
    /// How often somebody has begun to listen.
    listened: watch::Sender<u32>,
}

impl Scripted {
    fn new(
        answer: impl FnMut(&Report) -> Result<Grant, StoreError> + Send + 'static,
    ) -> (Self, mpsc::UnboundedReceiver<Report>) {
        let (seen, reports) = mpsc::unbounded_channel();
        let store = Self {
            answer: Box::new(answer),
            seen,
            snapshots: Arc::default(),
            listened: watch::Sender::new(0),
        };
        (store, reports)
    }
}

impl Store for Scripted {
    fn sync<'a>(
        &'a mut self,
        _: &'a str,
        report: &'a Report,
    ) -> BoxFuture<'a, Result<Grant, StoreError>> {
        let _ = self.seen.send(report.clone());
        let answer = (self.answer)(report);
        Box::pin(future::ready(answer))
    }

    fn set_max<'a>(&'a mut self, _: &'a str, _: u32) -> BoxFuture<'a, Result<(), StoreError>> {
        // Without a message.
        std::panic::resume_unwind(Box::new("a store that panics"))
    }

    fn snapshot<'a>(&'a mut self, _: &'a str) -> BoxFuture<'a, Result<FleetSnapshot, StoreError>> {
        let next = self.snapshots.lock().unwrap().pop_front();
        let next = next.unwrap_or_else(|| Err(Refusal::TooManyMembers.into()));
        Box::pin(future::ready(next))
    }

    fn calls<'a>(&'a mut self, _: &'a str) -> BoxFuture<'a, Result<Calls, StoreError>> {
        self.listened.send_modify(|times| *times += 1);
        // As silent as a server that has no power any more.
        Box::pin(future::ready(Ok(Box::pin(stream::pending()) as Calls)))
    }
}

fn grant(share: u32, next_expiry: Option<Duration>) -> Grant {
    Grant {
        fence: 1,
        share,
        max: share,
        version: 1,
        contended: false,
        short: false,
        next_expiry,
    }
}

fn lost() -> StoreError {
    StoreError::Lost(Arc::new(std::io::Error::other("no answer")))
}

fn options() -> Options {
    Options::new(4).lease(LEASE)
}

#[tokio::test]
async fn who_waits_reports_again_when_the_store_has_said_and_not_at_its_next_renewal() {
    let (store, mut reports) =
        Scripted::new(|report| Ok(grant(1, (report.seq == 1).then_some(PATIENCE / 400))));
    let fleet = Fleet::join(store, "db", options()).await.unwrap();
    assert_eq!(reports.recv().await.unwrap().seq, 1);
    let second = timeout(PATIENCE, reports.recv()).await;
    assert_eq!(
        second.expect("a renewal is due in 20 minutes").unwrap().seq,
        2
    );
    drop(fleet);
}

#[tokio::test]
async fn who_had_no_answer_listens_again() {
    let (store, _reports) = Scripted::new(|report| match report.seq {
        2 => Err(lost()),
        _ => Ok(grant(1, Some(PATIENCE / 400))),
    });
    let mut listened = store.listened.subscribe();
    let _fleet = Fleet::join(store, "db", options()).await.unwrap();
    timeout(PATIENCE, listened.wait_for(|times| *times == 2))
        .await
        .expect("the connection on which it listens may be dead too")
        .unwrap();
}

#[tokio::test]
async fn who_cannot_join_gives_back_what_it_may_have_been_granted() {
    let (store, mut reports) = Scripted::new(|_| Err(lost()));
    let failed = Fleet::join(store, "db", options()).await;
    assert!(matches!(failed, Err(FleetError::Store(_))));
    assert!(!reports.recv().await.unwrap().leaving);
    let last = reports.recv().await.expect("the store hears of it");
    assert!(last.leaving);
    assert_eq!((last.seq, last.share, last.out), (2, 0, 0));
    assert!(reports.recv().await.is_none(), "it tries that once");
}

#[tokio::test]
async fn who_waits_no_more_until_all_has_settled_has_the_store_asked_no_more() {
    let (store, _reports) = Scripted::new(|_| Ok(grant(1, None)));
    let snapshots = Arc::clone(&store.snapshots);
    let left = || snapshots.lock().unwrap().len();
    let fleet = Fleet::join(store, "db", options()).await.unwrap();
    let nobody = || Err(Refusal::NoFleet.into());
    snapshots
        .lock()
        .unwrap()
        .extend((0..9_999).map(|_| nobody()));
    {
        let mut settled = std::pin::pin!(fleet.settled());
        while left() == 9_999 {
            let waited = timeout(Duration::from_millis(1), settled.as_mut()).await;
            assert!(waited.is_err(), "it has not settled");
        }
    }
    // What the thread has begun is over when it answers.
    assert!(fleet.snapshot().await.is_err());
    let before = left();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(left(), before);
}

#[tokio::test]
async fn a_share_of_more_permits_than_a_semaphore_has_is_cut() {
    let (store, _reports) = Scripted::new(|_| Ok(grant(u32::MAX, None)));
    let fleet = Fleet::join(store, "db", options()).await.unwrap();
    assert_eq!(fleet.semaphore().max(), Semaphore::MAX_PERMITS);
}

#[tokio::test]
async fn settled_waits_until_the_store_knows_all_that_it_may_have_forgotten() {
    let (store, _reports) = Scripted::new(|_| Ok(grant(1, None)));
    let memory = Memory::new();
    let known = Fleet::join(memory, "db", options()).await.unwrap();
    let complete = known.snapshot().await.unwrap();
    assert!(complete.complete);
    let mut incomplete = complete.clone();
    incomplete.complete = false;
    let snapshots = Arc::clone(&store.snapshots);
    let fleet = Fleet::join(store, "db", options()).await.unwrap();
    let nobody = Err(Refusal::NoFleet.into());
    *snapshots.lock().unwrap() = [nobody, Ok(incomplete), Ok(complete)].into();
    fleet.settled().await.unwrap();
    assert!(snapshots.lock().unwrap().is_empty(), "it has seen the last");
}

#[tokio::test]
async fn a_clock_may_use_the_store_that_reads_it() {
    let itself = Arc::new(OnceLock::<Memory>::new());
    let (known, busy) = (Arc::clone(&itself), AtomicBool::new(false));
    let store = Memory::with_clock(move || {
        if !busy.swap(true, Relaxed) {
            known.get().unwrap().forget_all(LEASE, Duration::ZERO);
            busy.store(false, Relaxed);
        }
        Duration::ZERO
    });
    assert!(itself.set(store.clone()).is_ok());
    let joined = timeout(PATIENCE, Fleet::join(store, "db", options())).await;
    joined.expect("nobody holds the store").unwrap();
}

#[tokio::test]
async fn a_store_that_panics_leaves_nobody_waiting() {
    let (store, _reports) = Scripted::new(|_| Ok(grant(1, None)));
    let fleet = Fleet::join(store, "db", options()).await.unwrap();
    let semaphore = Arc::clone(fleet.semaphore());
    let permit = semaphore.acquire().await.unwrap();
    assert!(matches!(fleet.set_max(3).await, Err(FleetError::Left)));
    timeout(PATIENCE, async {
        assert!(semaphore.acquire().await.is_err(), "it is closed");
        // Also who waits for a state that does not come any more.
        fleet.wait_for(State::Lost).await;
        assert_eq!(fleet.state(), State::Left);
        assert!(fleet.snapshot().await.is_err());
        drop(permit);
        fleet.leave().await;
    })
    .await
    .expect("nobody waits for ever");
}

#[tokio::test]
async fn who_leaves_waits_for_a_store_that_is_lost_no_longer_than_its_lease() {
    let (store, _reports) = Scripted::new(|report| match report.seq {
        1 => Ok(grant(4, None)),
        _ => Err(lost()),
    });
    let lease = Duration::from_millis(100);
    let fleet = Fleet::join(store, "db", options().lease(lease));
    let fleet = fleet.await.unwrap();
    timeout(PATIENCE, fleet.leave()).await.expect("it ends");
}

#[tokio::test]
async fn an_attempt_that_has_failed_leaves_the_semaphore_for_the_next() {
    let semaphore = Arc::new(Semaphore::new(9));
    let options = options().semaphore(Arc::clone(&semaphore));
    let (store, _reports) = Scripted::new(|_| Err(Refusal::TooManyMembers.into()));
    let failed = Fleet::join(store, "db", options.clone()).await;
    assert!(matches!(failed, Err(FleetError::Store(_))));
    assert_eq!(semaphore.max(), 0);
    let (store, _reports) = Scripted::new(|_| Ok(grant(2, None)));
    let _fleet = Fleet::join(store, "db", options).await.unwrap();
    assert!(!semaphore.is_closed());
    assert_eq!(semaphore.max(), 2);
}
