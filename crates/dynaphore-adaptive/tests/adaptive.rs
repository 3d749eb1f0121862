//! A semaphore that is steered.

use std::{
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::SeqCst},
        mpsc,
    },
    task::{Context, Waker},
    time::{Duration, Instant},
};

use dynaphore::Semaphore;
use dynaphore_adaptive::{
    Adaptive, Aimd, Controller, Fixed, Gradient, Outcome, Overload, Request, Window,
};

/// Answers what it is told to, and keeps what it saw.
#[derive(Clone, Default)]
struct Puppet {
    answer: Arc<AtomicU32>,
    seen: Arc<Mutex<Vec<Window>>>,
}

impl Puppet {
    fn saying(answer: u32) -> Self {
        let puppet = Self::default();
        puppet.answer.store(answer, SeqCst);
        puppet
    }

    fn last(&self) -> Window {
        self.seen.lock().unwrap().last().expect("was asked").clone()
    }
}

impl Controller for Puppet {
    fn name(&self) -> &'static str {
        "puppet"
    }

    fn window(&mut self, window: &Window) -> u32 {
        self.seen.lock().unwrap().push(window.clone());
        match self.answer.load(SeqCst) {
            u32::MAX => panic!("no strings"),
            answer => answer,
        }
    }
}

fn adaptive(max: usize, controller: impl Controller + 'static) -> Adaptive {
    Adaptive::new(Arc::new(Semaphore::new(max)), controller)
}

/// A time at which any window is complete.
fn later() -> Instant {
    Instant::now() + Duration::from_secs(3600)
}

fn hold_all(adaptive: &Adaptive) -> Vec<Request> {
    let held = (0..adaptive.semaphore().max())
        .map(|_| adaptive.try_acquire().unwrap())
        .collect();
    assert!(adaptive.try_acquire().is_err(), "finds max in its way");
    held
}

#[test]
fn an_answer_is_made_max() {
    let adaptive = adaptive(4, Puppet::saying(7));
    let _held = hold_all(&adaptive);
    let change = adaptive.step(later()).unwrap().expect("changes");
    assert_eq!((change.from, change.to, change.shadow), (4, 7, false));
    assert_eq!(adaptive.semaphore().max(), 7);
}

#[test]
fn an_answer_is_kept_in_bounds() {
    let puppet = Puppet::saying(0);
    let adaptive = adaptive(8, puppet.clone()).bounds(4..=16);
    let _held = hold_all(&adaptive);
    assert_eq!(adaptive.step(later()).unwrap().unwrap().to, 4);
    puppet.answer.store(1_000_000, SeqCst);
    assert!(adaptive.try_acquire().is_err());
    assert_eq!(
        adaptive
            .step(later() + Duration::from_secs(60))
            .unwrap()
            .unwrap()
            .to,
        16
    );
}

#[test]
fn max_stays_where_nothing_is_limited_by_it() {
    let adaptive = adaptive(4, Puppet::saying(7));
    adaptive.try_acquire().unwrap().finish(Outcome::Served);
    assert_eq!(adaptive.step(later()), Ok(None));
    assert_eq!(adaptive.semaphore().max(), 4);
}

#[test]
fn a_pause_is_not_ended() {
    let adaptive = adaptive(4, Puppet::saying(7));
    let _held = hold_all(&adaptive);
    adaptive.semaphore().set_max(0);
    assert!(adaptive.try_acquire().is_err());
    assert_eq!(adaptive.step(later()), Ok(None));
    assert_eq!(adaptive.semaphore().max(), 0);
}

/// Sets max to 0 while it is asked.
struct Pauses(Arc<Semaphore>);

impl Controller for Pauses {
    fn name(&self) -> &'static str {
        "pauses"
    }

    fn window(&mut self, _: &Window) -> u32 {
        self.0.set_max(0);
        7
    }
}

#[test]
fn a_pause_that_comes_while_the_controller_runs_is_not_ended() {
    let semaphore = Arc::new(Semaphore::new(4));
    let adaptive = Adaptive::new(semaphore.clone(), Pauses(semaphore));
    let _held = hold_all(&adaptive);
    assert_eq!(adaptive.step(later()), Ok(None));
    assert_eq!(adaptive.semaphore().max(), 0);
}

#[test]
fn a_window_that_is_not_complete_is_left_open() {
    let puppet = Puppet::saying(7);
    let adaptive = adaptive(4, puppet.clone());
    let _held = hold_all(&adaptive);
    assert_eq!(adaptive.step(Instant::now()), Ok(None));
    assert!(puppet.seen.lock().unwrap().is_empty());
}

#[test]
fn the_request_that_completes_a_window_sets_max() {
    let shortest = Duration::from_nanos(1);
    let adaptive = adaptive(1, Puppet::saying(3)).windows(shortest, 1, Duration::from_secs(3600));
    let mut held = hold_all(&adaptive);
    held.pop().unwrap().finish(Outcome::Served);
    assert_eq!(adaptive.semaphore().max(), 3);
}

#[test]
fn shadow_mode_only_tells() {
    let told = Arc::new(AtomicU32::new(0));
    let tell = told.clone();
    let adaptive = adaptive(4, Puppet::saying(7))
        .shadow(true)
        .on_change(move |change| tell.store(change.to, SeqCst));
    let _held = hold_all(&adaptive);
    assert!(adaptive.step(later()).unwrap().unwrap().shadow);
    assert_eq!((adaptive.semaphore().max(), told.load(SeqCst)), (4, 7));
}

#[test]
fn a_hook_may_step_and_take_permits() {
    let cell = Arc::new(Mutex::new(None::<Adaptive>));
    let inside = cell.clone();
    let adaptive = adaptive(1, Puppet::saying(3)).on_change(move |_| {
        let adaptive = inside.lock().unwrap().take().unwrap();
        assert_eq!(adaptive.step(later()), Ok(None));
        adaptive.try_acquire().unwrap().finish(Outcome::Served);
    });
    *cell.lock().unwrap() = Some(adaptive.clone());
    let _held = hold_all(&adaptive);
    assert_eq!(adaptive.step(later()).unwrap().unwrap().to, 3);
}

/// The watchdog only makes a failure of what would hang.
#[test]
fn a_hook_may_ask_whether_the_controller_has_panicked() {
    let (done, is_done) = mpsc::channel();
    std::thread::spawn(move || {
        let cell = Arc::new(Mutex::new(None::<Adaptive>));
        let inside = cell.clone();
        let adaptive = adaptive(1, Puppet::saying(3)).on_change(move |_| {
            let adaptive = inside.lock().unwrap().take().unwrap();
            assert_eq!(adaptive.panicked(), None);
        });
        *cell.lock().unwrap() = Some(adaptive.clone());
        let _held = hold_all(&adaptive);
        done.send(adaptive.step(later()).unwrap().unwrap().to)
    });
    assert_eq!(is_done.recv_timeout(Duration::from_secs(30)), Ok(3));
}

#[test]
fn a_controller_that_panics_leaves_max_and_says_so() {
    let puppet = Puppet::saying(u32::MAX);
    let adaptive = adaptive(4, puppet.clone());
    assert_eq!(adaptive.panicked(), None);
    let _held = hold_all(&adaptive);
    let panicked = adaptive.step(later()).unwrap_err();
    assert_eq!(
        panicked.to_string(),
        "the controller `puppet` has panicked, max stays as it was: no strings"
    );
    assert_eq!(adaptive.semaphore().max(), 4);
    assert_eq!(adaptive.panicked(), Some(panicked.clone()));

    // It is not asked again, and each window says so.
    puppet.answer.store(9, SeqCst);
    assert_eq!(
        adaptive.step(later() + Duration::from_secs(60)),
        Err(panicked)
    );
    assert_eq!(puppet.seen.lock().unwrap().len(), 1);
    assert_eq!(adaptive.semaphore().max(), 4);
}

#[test]
fn a_hook_that_panics_leaves_it_in_working_order() {
    let puppet = Puppet::saying(5);
    let adaptive = adaptive(4, puppet.clone()).on_change(|_| panic!("hook"));
    let _held = hold_all(&adaptive);
    let step = std::panic::AssertUnwindSafe(|| adaptive.step(later()));
    assert!(std::panic::catch_unwind(step).is_err());
    assert_eq!(adaptive.semaphore().max(), 5);
    puppet.answer.store(5, SeqCst);
    assert_eq!(adaptive.step(later() + Duration::from_secs(60)), Ok(None));
}

#[test]
fn a_window_tells_how_requests_ended() {
    let puppet = Puppet::saying(5);
    let adaptive = adaptive(5, puppet.clone());
    let mut held = hold_all(&adaptive).into_iter();
    let mut served = held.next().unwrap();
    served.delayed(Duration::from_millis(7));
    served.finish(Outcome::Served);
    held.next()
        .unwrap()
        .finish(Outcome::Overload(Overload::Rejected));
    held.next()
        .unwrap()
        .finish(Outcome::Overload(Overload::TimedOut));
    drop(held.next());
    assert_eq!(adaptive.semaphore().active(), 1);
    adaptive.step(later()).unwrap();

    let window = puppet.last();
    assert_eq!((window.arrived, window.gave_up), (6, 1));
    assert_eq!(
        (
            window.served,
            window.rejected,
            window.timed_out,
            window.ignored
        ),
        (1, 1, 1, 1)
    );
    assert_eq!((window.holds.count(), window.waits.count()), (1, 5));
    assert_eq!(window.delays.mean(), Some(Duration::from_millis(7)));
    assert_eq!(
        (window.highest_active, window.max, window.limited),
        (5, 5, true)
    );
}

#[test]
fn waits_are_measured_and_who_leaves_the_line_has_given_up() {
    let puppet = Puppet::saying(1);
    let adaptive = adaptive(1, puppet.clone());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let held = adaptive.acquire().await.unwrap();
        let mut waits = Box::pin(adaptive.acquire());
        let mut leaves = Box::pin(adaptive.acquire());
        assert!(futures_are_pending(&mut waits).await);
        assert!(futures_are_pending(&mut leaves).await);
        drop(leaves);
        held.finish(Outcome::Served);
        waits.await.unwrap().finish(Outcome::Served);
    });
    adaptive.step(later()).unwrap();
    let window = puppet.last();
    assert_eq!((window.arrived, window.served, window.gave_up), (3, 2, 1));
    assert!(window.limited);
    assert!(window.waits.quantile(1.0) > Some(Duration::ZERO));

    // Nobody waits any more, so the next window is not limited.
    adaptive.step(later() + Duration::from_secs(60)).unwrap();
    assert!(!puppet.last().limited);
}

async fn futures_are_pending<F: Future + Unpin>(future: &mut F) -> bool {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(context).is_pending())
    })
    .await
}

#[test]
fn a_future_that_was_never_polled_counts_for_nothing() {
    let puppet = Puppet::saying(5);
    let adaptive = adaptive(1, puppet.clone());
    drop(adaptive.acquire());
    adaptive.step(later()).unwrap();
    let window = puppet.last();
    assert_eq!((window.arrived, window.gave_up), (0, 0));
    assert!(!window.limited);
}

#[test]
fn a_try_that_fails_counts_as_one_request() {
    let puppet = Puppet::saying(5);
    let adaptive = adaptive(1, puppet.clone());
    let held = adaptive.acquire().try_now().expect("there is one");
    let again = adaptive.acquire().try_now().expect_err("there is none");
    drop(again);
    adaptive.step(later()).unwrap();
    let window = puppet.last();
    assert_eq!((window.arrived, window.gave_up), (2, 1));
    assert!(window.limited);
    drop(held);
}

#[test]
fn a_request_of_many_permits_counts_as_so_many_active() {
    let puppet = Puppet::saying(5);
    let adaptive = adaptive(5, puppet.clone());
    let three = adaptive.acquire_many(3).try_now().expect("there are");
    let two = adaptive.acquire_many(2).try_now().expect("there are");
    three.finish(Outcome::Served);
    two.finish(Outcome::Served);
    let one = adaptive.try_acquire().unwrap();
    adaptive.step(later()).unwrap();
    assert_eq!(puppet.last().highest_active, 5);
    one.finish(Outcome::Served);
    adaptive.step(later() + Duration::from_secs(60)).unwrap();
    let window = puppet.last();
    assert_eq!((window.highest_active, window.served), (1, 1));
}

fn is_pending(future: impl Future) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    pin!(future).poll(&mut context).is_pending()
}

#[test]
fn max_does_not_fall_below_the_weight_of_a_request() {
    let shortest = Duration::from_nanos(1);
    let adaptive = adaptive(4, Puppet::saying(2)).windows(shortest, 1, Duration::from_secs(3600));
    let held = adaptive.acquire_many(4).try_now().expect("there are");
    let mut waits = pin!(adaptive.acquire_many(4));
    assert!(is_pending(waits.as_mut()));
    // It gives its permits back, and then a window ends.
    held.finish(Outcome::Overload(Overload::Rejected));
    assert_eq!(adaptive.semaphore().max(), 4);
    assert!(!is_pending(waits));
    let next = adaptive.acquire_many(4).try_now();
    next.expect("there are").finish(Outcome::Served);
}

#[test]
fn max_does_not_fall_below_a_weight_that_has_been_there_before() {
    let adaptive = adaptive(4, Puppet::saying(2));
    drop(adaptive.acquire_many(3).try_now().expect("there are"));
    adaptive.step(later()).unwrap();
    let _held = hold_all(&adaptive);
    let change = adaptive.step(later() + Duration::from_secs(60)).unwrap();
    assert_eq!(change.expect("changes").to, 3);
}

#[test]
fn a_window_in_which_a_request_weighs_more_than_max_makes_room_for_it() {
    // It holds nothing, so the controller says nothing.
    let adaptive = adaptive(2, Aimd::default());
    let mut waits = pin!(adaptive.acquire_many(4));
    assert!(is_pending(waits.as_mut()));
    let change = adaptive.step(later()).unwrap().expect("changes");
    assert_eq!((change.from, change.to), (2, 4));
    assert!(!is_pending(waits));
}

#[test]
fn a_weight_does_not_lift_max_above_its_bound() {
    let adaptive = adaptive(2, Puppet::saying(1)).bounds(1..=3);
    let mut waits = pin!(adaptive.acquire_many(4));
    assert!(is_pending(waits.as_mut()));
    assert_eq!(adaptive.step(later()).unwrap().unwrap().to, 3);
}

#[tokio::test]
async fn a_wait_ends_with_its_event() {
    let adaptive = adaptive(1, Fixed);
    let held = adaptive.try_acquire().unwrap();
    let never = adaptive.acquire().until(std::future::ready(())).await;
    assert!(never.is_err());
    held.finish(Outcome::Served);
    let request = adaptive.acquire().until(std::future::pending::<()>()).await;
    request.unwrap().finish(Outcome::Served);
}

#[test]
fn a_closed_semaphore_says_so() {
    let adaptive = adaptive(1, Fixed);
    adaptive.semaphore().close();
    assert!(adaptive.blocking_acquire().is_err());
    assert!(adaptive.try_acquire().is_err());
}

#[tokio::test]
async fn a_thread_that_blocks_is_one_request_in_the_statistics() {
    let semaphore = Arc::new(Semaphore::builder(1).stats(true).build());
    let adaptive = Adaptive::new(semaphore.clone(), Fixed);
    let held = adaptive.blocking_acquire().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| drop(adaptive.blocking_acquire().unwrap()));
        while semaphore.snapshot().waiting == 0 {
            std::thread::yield_now();
        }
        drop(held);
    });
    let interval = semaphore.stats().take().await;
    let turned_away = interval.rejected + interval.cancelled;
    assert_eq!((interval.acquired, turned_away), (2, 0));
}

#[test]
fn threads_and_an_early_clock_do_no_harm() {
    let early = Instant::now().checked_sub(Duration::from_secs(1));
    let windows = (Duration::from_millis(1), 10, Duration::from_millis(50));
    let adaptive = adaptive(4, Gradient::default())
        .bounds(2..=8)
        .windows(windows.0, windows.1, windows.2);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..500 {
                    let request = adaptive.blocking_acquire().unwrap();
                    std::thread::yield_now();
                    request.finish(Outcome::Served);
                }
            });
        }
        if let Some(early) = early {
            adaptive.step(early).unwrap();
        }
    });
    assert_eq!(adaptive.semaphore().active(), 0);
    assert!((2..=8).contains(&adaptive.semaphore().max()));
    assert_eq!(adaptive.panicked(), None);
}

#[test]
#[should_panic(expected = "the wrong way round")]
#[expect(clippy::reversed_empty_ranges)]
fn reversed_bounds_are_refused() {
    let _ = adaptive(1, Fixed).bounds(512..=4);
}

#[test]
#[should_panic(expected = "max 0 is a pause")]
fn a_lower_bound_of_zero_is_refused() {
    let _ = adaptive(1, Fixed).bounds(0..=4);
}

#[test]
#[should_panic(expected = "at most MAX_PERMITS")]
fn an_upper_bound_that_no_semaphore_has_is_refused() {
    let _ = adaptive(1, Fixed).bounds(1..=u32::MAX);
}

#[test]
#[should_panic(expected = "a window must have a length")]
fn a_window_of_no_length_is_refused() {
    let _ = adaptive(1, Fixed).windows(Duration::ZERO, 1, Duration::ZERO);
}
