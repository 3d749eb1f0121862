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

    /// Has it been polled since it was notified?
    pub(crate) const fn has_come(&self) -> bool {
        self.place.is_none()
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
        let unseen = self.place.take().is_some_and(EventListener::discard);
        let mut deferred = Deferred::default();
        deferred.run(|| drop(self));
        if unseen {
            deferred.merge(event.notify_one_more());
        }
        deferred
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
mod tests;
