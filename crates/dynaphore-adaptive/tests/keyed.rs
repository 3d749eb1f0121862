//! A max for each key.

use std::{
    pin::pin,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    task::{Context, Wake, Waker},
    time::{Duration, Instant},
};

use dynaphore::KeyedSemaphore;
use dynaphore_adaptive::{AdaptiveKeyed, Controller, Fixed, KeyedRequest, Outcome, Window};

/// Twice of max, or a panic.
struct Twice(bool);

impl Controller for Twice {
    fn name(&self) -> &'static str {
        "twice"
    }

    fn window(&mut self, window: &Window) -> u32 {
        // No hook runs for it, so that nothing is printed.
        if self.0 {
            std::panic::resume_unwind(Box::new("no more"));
        }
        window.max * 2
    }
}

fn twice(max: usize) -> AdaptiveKeyed<&'static str> {
    AdaptiveKeyed::new(Arc::new(KeyedSemaphore::new(max)), |key| {
        Twice(*key == "panics")
    })
}

/// A time at which any window is complete.
fn later() -> Instant {
    Instant::now() + Duration::from_secs(3600)
}

fn hold_all(
    adaptive: &AdaptiveKeyed<&'static str>,
    key: &'static str,
) -> Vec<KeyedRequest<&'static str>> {
    let held = (0..adaptive.semaphore().max(&key))
        .map(|_| adaptive.try_acquire(&key).unwrap())
        .collect();
    assert!(adaptive.try_acquire(&key).is_err(), "finds max in its way");
    held
}

#[test]
fn each_key_finds_its_own_max() {
    let adaptive = twice(4);
    let _held = hold_all(&adaptive, "busy");
    let quiet = adaptive.try_acquire(&"quiet").unwrap();
    let changes = adaptive.step(later());
    let [(key, change)] = &changes[..] else {
        panic!("{changes:?}");
    };
    assert_eq!((*key, change.from, change.to), ("busy", 4, 8));
    assert_eq!(adaptive.semaphore().max(&"busy"), 8);
    assert_eq!(adaptive.semaphore().max(&"quiet"), 4);
    quiet.finish(Outcome::Served);
}

#[test]
fn a_key_keeps_its_max_while_nobody_uses_it() {
    let adaptive = twice(4);
    drop(hold_all(&adaptive, "a"));
    adaptive.step(later());
    assert_eq!(adaptive.semaphore().max(&"a"), 8);
    let others = ["b", "c", "d"];
    for other in &others {
        drop(adaptive.try_acquire(other));
    }
    assert_eq!((adaptive.len(), adaptive.semaphore().max(&"a")), (4, 8));
}

#[test]
fn a_key_that_nobody_uses_is_forgotten_when_a_new_one_comes() {
    let adaptive = twice(4).remember(Duration::ZERO);
    drop(hold_all(&adaptive, "idle"));
    let held = hold_all(&adaptive, "busy");
    adaptive.step(later());
    drop(adaptive.try_acquire(&"new"));
    assert_eq!(adaptive.len(), 2);
    assert_eq!(adaptive.semaphore().max(&"idle"), 4);
    assert_eq!(adaptive.semaphore().max(&"busy"), 8);
    drop(held);
}

/// A key with a max of its own takes one of the semaphore's places.
#[test]
fn a_key_that_nobody_uses_makes_room_for_a_new_one() {
    let keyed = KeyedSemaphore::builder(4).max_keys(2).build();
    let adaptive = AdaptiveKeyed::new(Arc::new(keyed), |_: &&'static str| Twice(false));
    let adaptive = adaptive.remember(Duration::ZERO);
    let held = (hold_all(&adaptive, "a"), hold_all(&adaptive, "b"));
    assert_eq!(adaptive.step(later()).len(), 2);
    drop(held);
    assert!(adaptive.try_acquire(&"new").is_ok());
    assert_eq!(adaptive.len(), 1);
}

#[test]
fn a_timer_that_steps_is_no_use_of_a_key() {
    let adaptive = twice(4).remember(Duration::from_nanos(1));
    drop(hold_all(&adaptive, "idle"));
    let used = Instant::now();
    adaptive.step(later());
    while Instant::now() <= used {}
    drop(adaptive.try_acquire(&"new"));
    assert_eq!((adaptive.len(), adaptive.semaphore().max(&"idle")), (1, 4));
}

#[test]
fn a_max_that_somebody_else_has_set_is_not_cleared() {
    let adaptive = twice(4).remember(Duration::ZERO);
    adaptive.semaphore().set_max(&"idle", 7).unwrap();
    drop(adaptive.try_acquire(&"idle"));
    drop(adaptive.try_acquire(&"new"));
    assert_eq!((adaptive.len(), adaptive.semaphore().max(&"idle")), (1, 7));
}

#[test]
fn a_max_that_somebody_else_has_set_after_the_controller_is_not_cleared() {
    let adaptive = twice(4).remember(Duration::ZERO);
    for (key, max) in [("paused", 0), ("less", 7)] {
        drop(hold_all(&adaptive, key));
        adaptive.step(later());
        assert_eq!(adaptive.semaphore().set_max(&key, max), Ok(8));
        drop(adaptive.try_acquire(&"new"));
        assert_eq!(adaptive.semaphore().max(&key), max);
    }
}

#[test]
fn a_max_that_could_not_be_set_is_not_cleared() {
    let keyed = KeyedSemaphore::builder(4).max_keys(2).build();
    let adaptive = AdaptiveKeyed::new(Arc::new(keyed), |_: &&'static str| Twice(false));
    let adaptive = adaptive.remember(Duration::ZERO);
    drop(hold_all(&adaptive, "a"));
    let others = ["b", "c"].map(|key| adaptive.semaphore().try_acquire(&key).unwrap());
    assert_eq!(adaptive.step(later()), [], "there is no room for it");
    drop(others);
    // By chance the same.
    assert_eq!(adaptive.semaphore().set_max(&"a", 8), Ok(4));
    drop(adaptive.try_acquire(&"new"));
    assert_eq!(adaptive.semaphore().max(&"a"), 8);
}

#[test]
fn a_panic_stops_one_key_only_and_says_so() {
    let adaptive = twice(4);
    let _held = (hold_all(&adaptive, "panics"), hold_all(&adaptive, "works"));
    assert_eq!(adaptive.step(later()).len(), 1);
    assert_eq!(adaptive.semaphore().max(&"panics"), 4);
    assert_eq!(adaptive.semaphore().max(&"works"), 8);
    let panicked = adaptive.panicked(&"panics").expect("it is told");
    assert_eq!(
        panicked.to_string(),
        "the controller `twice` has panicked, max stays as it was: no more"
    );
    assert_eq!(adaptive.panicked(&"works"), None);
    assert_eq!(adaptive.panicked(&"never seen"), None);
}

#[test]
fn bounds_shadow_and_the_hook_hold_for_each_key() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = told.clone();
    let adaptive = twice(4)
        .bounds(2..=6)
        .shadow(true)
        .on_change(move |key, change| tell.lock().unwrap().push((*key, change.to, change.shadow)));
    let _held = (hold_all(&adaptive, "a"), hold_all(&adaptive, "b"));
    adaptive.step(later());
    let mut told = told.lock().unwrap();
    told.sort_unstable();
    assert_eq!(*told, [("a", 6, true), ("b", 6, true)]);
    assert_eq!(adaptive.semaphore().max(&"a"), 4);
}

#[test]
fn a_semaphore_with_no_room_for_a_key_says_so() {
    let keyed = KeyedSemaphore::builder(1).max_keys(0).build();
    let adaptive = AdaptiveKeyed::new(Arc::new(keyed), |_: &u32| Fixed);
    assert!(adaptive.try_acquire(&1).is_err());
    assert!(adaptive.blocking_acquire(&1).is_err());
}

fn is_pending(future: impl Future) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    pin!(future).poll(&mut context).is_pending()
}

#[test]
fn a_key_that_is_refused_is_not_remembered() {
    let keyed = Arc::new(KeyedSemaphore::builder(1).max_keys(1).build());
    let adaptive = AdaptiveKeyed::new(keyed.clone(), |_: &u32| Fixed);
    let _held = keyed.try_acquire(&0).unwrap();
    for key in 1..1000 {
        assert!(adaptive.try_acquire(&key).is_err());
        assert!(adaptive.blocking_acquire(&key).is_err());
        assert!(!is_pending(adaptive.acquire(&key)));
        drop(adaptive.acquire(&key));
    }
    assert_eq!(adaptive.len(), 0);
}

#[test]
fn a_key_is_remembered_by_who_waits_for_it() {
    let adaptive = twice(1);
    let held = adaptive
        .semaphore()
        .clone()
        .try_acquire_owned(&"a")
        .unwrap();
    let mut waits = Box::pin(adaptive.acquire(&"a"));
    assert!(is_pending(waits.as_mut()));
    assert_eq!(adaptive.len(), 1);
    // It has found max in its way, though its key was new.
    drop(held);
    assert!(!is_pending(waits));
    assert_eq!(adaptive.step(later()).len(), 1);
}

/// Runs in a thread: the watchdog only makes a failure of what would hang.
fn does_not_hang(test: impl FnOnce() + Send + 'static) {
    let (done, is_done) = mpsc::channel();
    std::thread::spawn(move || {
        test();
        done.send(())
    });
    assert_eq!(is_done.recv_timeout(Duration::from_secs(30)), Ok(()));
}

/// Where a controller or a waker finds what it is to call.
type Cell = Arc<OnceLock<AdaptiveKeyed<&'static str>>>;

/// Looks at the keys when it is dropped.
struct Looks(Cell, Arc<AtomicUsize>);

impl Controller for Looks {
    fn name(&self) -> &'static str {
        "looks"
    }

    fn window(&mut self, window: &Window) -> u32 {
        window.max / 2
    }
}

impl Drop for Looks {
    fn drop(&mut self) {
        let Some(adaptive) = self.0.get() else {
            return;
        };
        self.1.fetch_add(adaptive.len(), SeqCst);
    }
}

#[test]
fn a_controller_of_a_key_that_is_forgotten_is_dropped_without_a_lock() {
    does_not_hang(|| {
        let (cell, seen) = (Cell::default(), Arc::new(AtomicUsize::new(0)));
        let (inside, counts) = (cell.clone(), seen.clone());
        let adaptive = AdaptiveKeyed::new(Arc::new(KeyedSemaphore::new(4)), move |_| {
            Looks(inside.clone(), counts.clone())
        })
        .remember(Duration::ZERO);
        cell.set(adaptive.clone()).unwrap();
        let _held = adaptive.try_acquire(&"busy");
        drop(adaptive.try_acquire(&"idle"));
        drop(adaptive.try_acquire(&"new"));
        assert_eq!(
            seen.load(SeqCst),
            1,
            "the busy one is there, the idle one is not"
        );
    });
}

#[test]
fn a_controller_that_comes_too_late_is_dropped_without_a_lock() {
    does_not_hang(|| {
        let (cell, seen) = (Cell::default(), Arc::new(AtomicUsize::new(0)));
        let (inside, counts) = (cell.clone(), seen.clone());
        let made = AtomicUsize::new(0);
        let keyed = Arc::new(KeyedSemaphore::new(4));
        let adaptive = AdaptiveKeyed::new(keyed, move |key| {
            if made.fetch_add(1, SeqCst) == 0 {
                // Another request for the key is quicker.
                drop(inside.get().unwrap().try_acquire(key));
            }
            Looks(inside.clone(), counts.clone())
        });
        cell.set(adaptive.clone()).unwrap();
        drop(adaptive.try_acquire(&"a"));
        assert_eq!((adaptive.len(), seen.load(SeqCst)), (1, 1));
    });
}

/// Looks at the keys when it is woken.
struct LooksWoken(Cell, AtomicUsize);

impl Wake for LooksWoken {
    fn wake(self: Arc<Self>) {
        self.1.store(self.0.get().unwrap().len(), SeqCst);
    }
}

#[test]
fn who_fits_when_a_key_is_forgotten_is_woken_without_a_lock() {
    does_not_hang(|| {
        let cell = Cell::default();
        let adaptive = AdaptiveKeyed::new(Arc::new(KeyedSemaphore::new(4)), |_: &&str| {
            Looks(Cell::default(), Arc::default())
        })
        .remember(Duration::ZERO);
        cell.set(adaptive.clone()).unwrap();
        let _held = adaptive.try_acquire(&"busy");
        drop(hold_all(&adaptive, "idle"));
        adaptive.step(later());
        assert_eq!(adaptive.semaphore().max(&"idle"), 2);

        let woken = Arc::new(LooksWoken(cell, AtomicUsize::new(0)));
        let waker = Waker::from(woken.clone());
        let mut waits = pin!(adaptive.semaphore().acquire_many(&"idle", 3));
        let polled = waits.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending(), "it wants more than max");
        drop(adaptive.try_acquire(&"new"));
        assert_eq!(woken.1.load(SeqCst), 1);
    });
}

#[tokio::test]
async fn a_request_that_waits_gets_the_permit_of_its_key() {
    let adaptive = twice(1);
    let held = adaptive.acquire(&"a").await.unwrap();
    let waits = tokio::spawn(adaptive.acquire(&"a"));
    while adaptive.semaphore().snapshot(&"a").waiting == 0 {
        tokio::task::yield_now().await;
    }
    held.finish(Outcome::Served);
    waits.await.unwrap().unwrap().finish(Outcome::Served);
    assert_eq!(adaptive.semaphore().snapshot(&"a").active, 0);
}

#[test]
fn many_threads_and_keys_leave_nothing_behind() {
    let made = Arc::new(AtomicUsize::new(0));
    let count = made.clone();
    let keyed = Arc::new(KeyedSemaphore::<usize>::new(2));
    let adaptive = AdaptiveKeyed::new(keyed, move |_| {
        count.fetch_add(1, SeqCst);
        Twice(false)
    })
    .bounds(1..=3)
    .windows(Duration::from_nanos(1), 5, Duration::from_millis(1))
    .remember(Duration::ZERO);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let adaptive = &adaptive;
            scope.spawn(move || {
                for number in 0..500 {
                    let request = adaptive.blocking_acquire(&((thread + number) % 7)).unwrap();
                    request.finish(Outcome::Served);
                }
            });
        }
    });
    assert!(adaptive.len() <= 7);
    assert!(made.load(SeqCst) >= 7);
    for key in 0..7 {
        assert_eq!(adaptive.semaphore().snapshot(&key).active, 0);
        assert!((1..=3).contains(&adaptive.semaphore().max(&key)));
    }
}

#[test]
#[should_panic(expected = "the wrong way round")]
#[expect(clippy::reversed_empty_ranges)]
fn reversed_bounds_are_refused() {
    let _ = twice(1).bounds(512..=4);
}
