//! event-listener's [`Event`](event_listener::Event), which never sees a foreign waker.
//!
//! event-listener 5.4.2 wakes, clones and drops wakers inside its mutex. A waker that
//! panics there leaves the event dead, and one that notifies the same event hangs. So
//! what is registered there is a [`ProxyWaker`]: a waker of ours that holds the real one.
//!
//! 1. When the event wakes a proxy, the proxy puts itself on a list of this thread. That
//!    is all that runs inside the mutex.
//! 2. Whoever may have caused that (by notifying, or by giving a listener up, which
//!    passes its notification on) then takes the list and wakes the real wakers. The
//!    mutex is free by then.
//!
//! To listen ends with a SeqCst fence, and to notify begins with one: that is in
//! event-listener's documentation. (In 5.4.2 both lock its mutex, which is as good, and which
//! loom sees.) So if somebody changes something and then notifies, and somebody else
//! listens and then looks, the one is notified or sees the change.
//!
//! A listener of event-listener's that is dropped passes its notification on only if
//! nobody else is notified. Ours has to do so always: of several permits that are free,
//! each is for one.
//!
//! A proxy never changes, so it may be on several lists, and serves its listener for as long
//! as that is polled with the same waker. A real waker is cloned and dropped outside of
//! every lock.

use std::{
    cell::RefCell,
    mem::{self, ManuallyDrop},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, Wake, Waker},
};

use event_listener::{EventListener, IntoNotification, Listener as _};

use crate::{foreign::Deferred, sync::const_fn};

thread_local! {
    /// It is empty unless a call of this module is under way. So there is nothing to drop
    /// with the thread, and a thread may come here while its other locals are dropped.
    static WOKEN: ManuallyDrop<RefCell<Woken>> = const {
        ManuallyDrop::new(RefCell::new(Woken {
            first: None,
            more: Vec::new(),
        }))
    };
}

/// Proxies to wake, in order. Often there is one.
#[derive(Default)]
struct Woken {
    first: Option<Arc<ProxyWaker>>,
    more: Vec<Arc<ProxyWaker>>,
}

/// Something that can be waited for.
pub(crate) struct Event(Inner);

/// A crate that uses this one may test itself with `--cfg loom`. That name means something
/// to event-listener too, whose events cannot be made in a `const fn` then.
#[allow(unexpected_cfgs)]
mod inner {
    #[cfg(any(not(loom), dynaphore_loom))]
    pub(super) type Inner = event_listener::Event;
    #[cfg(all(loom, not(dynaphore_loom)))]
    pub(super) type Inner = std::sync::LazyLock<event_listener::Event>;

    crate::sync::const_fn! {
        pub(super) fn new() -> Inner {
            #[cfg(any(not(loom), dynaphore_loom))]
            return Inner::new();
            #[cfg(all(loom, not(dynaphore_loom)))]
            return Inner::new(event_listener::Event::new);
        }
    }
}
use inner::Inner;

impl Event {
    const_fn! {
        pub(crate) fn new() -> Self {
            Self(inner::new())
        }
    }

    /// Does nobody listen?
    pub(crate) fn is_empty(&self) -> bool {
        self.0.total_listeners() == 0
    }

    /// Takes a place at the end of those that listen. A notification from now on counts,
    /// polled or not; `waker` is woken by one that comes after the first poll.
    pub(crate) fn listen(&self, waker: &Waker) -> Listener {
        // Cloned first: if that panics, nothing has happened.
        let proxy = ProxyWaker::new(waker.clone());
        Listener {
            place: Some(self.0.listen()),
            ours: Waker::from(Arc::clone(&proxy)),
            proxy,
        }
    }

    /// Sees to it that at least `n` of those that listen have been notified and have not
    /// come yet, in the order in which they began to listen. Says how many are notified by
    /// this call.
    pub(crate) fn notify(&self, n: usize) -> (usize, Deferred) {
        let notified = self.0.notify(n);
        let woken = match notified {
            0 => Deferred::default(),
            _ => wake_real_ones(),
        };
        (notified, woken)
    }

    /// Notifies one more, whoever has been notified and has not come.
    pub(crate) fn notify_one_more(&self) -> Deferred {
        self.0.notify(1.additional());
        wake_real_ones()
    }

    /// Notifies all that listen.
    pub(crate) fn notify_all(&self) -> Deferred {
        self.notify(usize::MAX).1
    }
}

impl Default for Event {
    fn default() -> Self {
        Self::new()
    }
}

/// Whoever listens without keeping the event alive is told that it is gone, and drops what
/// holds the listener: each holds the other.
#[cfg(all(feature = "rayon", not(dynaphore_loom)))]
impl Drop for Event {
    fn drop(&mut self) {
        if !self.is_empty() {
            self.notify_all().resume();
        }
    }
}

/// A place among those that listen, to be given up by [leaving](Self::leave).
#[must_use]
pub(crate) struct Listener {
    /// `None` once it has been notified and has seen that.
    place: Option<EventListener>,
    proxy: Arc<ProxyWaker>,
    /// The proxy, as the event sees it.
    ours: Waker,
}

impl Listener {
    /// Has it been notified? If not, `waker` is the one that is woken.
    pub(crate) fn poll(&mut self, waker: &Waker) -> Poll<()> {
        // Declared first, so dropped last, and not in the event's mutex.
        let mut _old = None;
        if !self.proxy.waker.will_wake(waker) {
            _old = Some(mem::replace(
                &mut self.proxy,
                ProxyWaker::new(waker.clone()),
            ));
            self.ours = Waker::from(Arc::clone(&self.proxy));
        }
        let Some(place) = &mut self.place else {
            return Poll::Ready(());
        };
        let polled = Pin::new(place).poll(&mut Context::from_waker(&self.ours));
        if polled.is_ready() {
            self.place = None;
        }
        polled
    }

    /// Takes a new place at the end, with what it needed for the last one.
    pub(crate) fn listen_again(&mut self, event: &Event) {
        self.proxy.woken.store(false, Relaxed);
        self.place = Some(event.0.listen());
    }

    /// Has its waker been woken since it was polled?
    pub(crate) fn is_woken(&self) -> bool {
        self.proxy.woken.load(Relaxed)
    }

    /// Gives its place at `event` up. A notification that it has not seen goes to the first
    /// that has none.
    pub(crate) fn leave(mut self, event: &Event) -> Deferred {
        if self.place.take().is_some_and(EventListener::discard) {
            event.notify_one_more()
        } else {
            Deferred::default()
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if self.place.take().is_some() {
            wake_real_ones().resume();
        }
    }
}

/// The waker that an event sees.
struct ProxyWaker {
    waker: Waker,
    /// The event has woken it since it listened. A hint, so std's in models too: they must
    /// not switch threads inside the event's mutex.
    woken: AtomicBool,
}

impl ProxyWaker {
    fn new(waker: Waker) -> Arc<Self> {
        Arc::new(Self {
            waker,
            woken: AtomicBool::new(false),
        })
    }
}

impl Wake for ProxyWaker {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Relaxed);
        WOKEN.with(|woken| {
            let mut woken = woken.borrow_mut();
            if woken.first.is_none() {
                woken.first = Some(self);
            } else {
                woken.more.push(self);
            }
        });
    }
}

/// Wakes the real wakers of all proxies that this thread has on its list.
fn wake_real_ones() -> Deferred {
    let mut deferred = Deferred::default();
    let woken = WOKEN.with(|woken| mem::take(&mut *woken.borrow_mut()));
    let mut wake = |proxy: Arc<ProxyWaker>| {
        deferred.run(|| {
            proxy.waker.wake_by_ref();
            drop(proxy);
        });
    };
    if let Some(proxy) = woken.first {
        wake(proxy);
        if !woken.more.is_empty() {
            woken.more.into_iter().for_each(wake);
        }
    }
    deferred
}

#[cfg(all(test, not(any(dynaphore_loom, dynaphore_shuttle))))]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

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
}
