//! What both kinds of event do.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::Wake,
};

use super::*;

#[derive(Default)]
struct Counts(AtomicUsize);

impl Wake for Counts {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

fn counting() -> (Arc<Counts>, Waker) {
    let counts = Arc::new(Counts::default());
    (Arc::clone(&counts), Waker::from(counts))
}

fn listening(event: &Event, waker: &Waker) -> Listener {
    let mut listener = event.listen(waker);
    assert!(listener.poll(waker).is_pending());
    listener
}

#[test]
fn those_that_listen_are_woken_in_order() {
    let event = Event::new();
    let wakers = [counting(), counting(), counting()];
    let mut listeners = wakers.each_ref().map(|(_, waker)| listening(&event, waker));
    event.notify(2).1.resume();
    let woken = wakers.each_ref().map(|(counts, _)| counts.0.load(Relaxed));
    assert_eq!(woken, [1, 1, 0]);
    #[cfg(feature = "std")]
    assert!(listeners[0].is_woken() && !listeners[2].is_woken());
    assert!(listeners[0].poll(Waker::noop()).is_ready());
    assert!(listeners[2].poll(Waker::noop()).is_pending());
}

#[test]
fn as_few_as_are_notified_already_are_not_notified_again() {
    let event = Event::new();
    let _two = [
        listening(&event, Waker::noop()),
        listening(&event, Waker::noop()),
    ];
    assert_eq!(event.notify(1).0, 1);
    assert_eq!(event.notify(1).0, 0);
    assert_eq!(event.notify(2).0, 1);
}

#[test]
fn one_that_leaves_unseen_passes_its_notification_on() {
    let event = Event::new();
    let (counts, waker) = counting();
    let first = listening(&event, Waker::noop());
    let _second = listening(&event, &waker);
    event.notify(1).1.resume();
    assert_eq!(counts.0.load(Relaxed), 0);
    first.leave(&event).resume();
    assert_eq!(counts.0.load(Relaxed), 1);
}

#[test]
fn it_passes_it_on_beside_others_that_are_notified() {
    let event = Event::new();
    let (counts, waker) = counting();
    let first = listening(&event, Waker::noop());
    let _second = listening(&event, Waker::noop());
    let _third = listening(&event, &waker);
    event.notify(2).1.resume();
    first.leave(&event).resume();
    assert_eq!(counts.0.load(Relaxed), 1);
}

/// Inside event-listener's mutex this would leave the event dead.
#[cfg(feature = "std")]
#[test]
fn a_waker_that_panics_harms_neither_the_others_nor_the_event() {
    struct Panics;

    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            std::panic::resume_unwind(Box::new("a waker's"));
        }
    }

    let event = Event::new();
    let (counts, waker) = counting();
    let _panics = listening(&event, &Waker::from(Arc::new(Panics)));
    let _second = listening(&event, &waker);
    let deferred = event.notify_all();
    assert_eq!(counts.0.load(Relaxed), 1);
    assert!(deferred.resumes());
    let _third = listening(&event, &waker);
    event.notify_all().resume();
    assert_eq!(counts.0.load(Relaxed), 2);
}

/// Inside event-listener's mutex this would hang.
#[test]
fn a_waker_may_use_the_event() {
    struct Uses(Arc<Event>, Counts);

    impl Wake for Uses {
        fn wake(self: Arc<Self>) {
            self.0.notify_all().resume();
            drop(listening(&self.0, Waker::noop()));
            self.1.0.fetch_add(1, Relaxed);
        }
    }

    let event = Arc::new(Event::new());
    let uses = Arc::new(Uses(Arc::clone(&event), Counts::default()));
    let _listener = listening(&event, &Waker::from(Arc::clone(&uses)));
    event.notify_all().resume();
    assert_eq!(uses.1.0.load(Relaxed), 1);
}

/// A waker's turn to be woken may come late: the one before it takes its time. Who
/// listens again meanwhile does not depend on that.
#[test]
fn who_listens_again_before_its_turn_is_woken_by_the_next_notification() {
    struct ListensAgain {
        event: Arc<Event>,
        other: std::sync::Mutex<Option<Listener>>,
        waker: Waker,
        counts: Arc<Counts>,
    }

    impl Wake for ListensAgain {
        fn wake(self: Arc<Self>) {
            let mut other = self.other.lock().unwrap().take().unwrap();
            assert!(other.poll(&self.waker).is_ready());
            other.listen_again(&self.event);
            assert!(other.poll(&self.waker).is_pending());
            self.event.notify_all().resume();
            assert_eq!(self.counts.0.load(Relaxed), 1);
        }
    }

    let event = Arc::new(Event::new());
    let (counts, waker) = counting();
    let slow = Arc::new(ListensAgain {
        event: Arc::clone(&event),
        other: std::sync::Mutex::new(None),
        waker: waker.clone(),
        counts,
    });
    let _first = listening(&event, &Waker::from(Arc::clone(&slow)));
    *slow.other.lock().unwrap() = Some(listening(&event, &waker));
    event.notify_all().resume();
    assert!(slow.other.lock().unwrap().is_none());
}
