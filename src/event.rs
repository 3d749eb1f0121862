//! event-listener's [`Event`](event_listener::Event), which never sees a foreign waker.
//!
//! event-listener 5.4.2 wakes, clones and drops wakers inside its mutex. A waker that
//! panics there leaves the event dead, and one that notifies the same event hangs. So
//! what is registered there is a [`Note`]: a waker of ours that holds the real one.
//!
//! 1. When the event wakes a note, the note puts itself on a list of this thread. That
//!    is all that runs inside the mutex.
//! 2. Whoever may have caused that (by notifying, or by dropping a listener, which
//!    passes its notification on) then takes the list and wakes the real wakers. The
//!    mutex is free by then.
//! 3. A note that is on a list already is not put on another one. Whoever has it on
//!    its list takes the newest real waker when its turn comes. A listener that waits
//!    again meanwhile takes a new note, so that nobody depends on that turn.
//!
//! A real waker is cloned and dropped outside of every lock.

use std::{
    cell::Cell,
    mem::{self, ManuallyDrop},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

use event_listener::{EventListener, IntoNotification};

use crate::{
    foreign::Deferred,
    sync::{Mutex, MutexGuard, const_fn},
};

thread_local! {
    /// The notes to wake, the newest first. It is empty unless a call of this module
    /// is under way, so there is nothing to drop with the thread, and a thread may
    /// come here while its other locals are being destroyed.
    static WOKEN: ManuallyDrop<Cell<Option<Arc<Note>>>> =
        const { ManuallyDrop::new(Cell::new(None)) };
}

/// Something that can be waited for.
pub(crate) struct Event(event_listener::Event);

impl Event {
    const_fn! {
        pub(crate) fn new() -> Self {
            Self(event_listener::Event::new())
        }
    }

    /// Takes a place at the end of those that listen. A notification from now on counts,
    /// polled or not; `waker` is woken by one that comes after the first poll.
    pub(crate) fn listen(&self, waker: &Waker) -> Listener {
        // Cloned first: if that panics, nothing has happened.
        let note = Note::new(waker.clone());
        Listener {
            place: Some(self.0.listen()),
            note,
        }
    }

    /// Sees to it that at least `n` of those that listen have been notified and have
    /// not come yet, in the order in which they began to listen. Says how many are
    /// notified by this call.
    pub(crate) fn notify(&self, n: usize) -> (usize, Deferred) {
        let notified = self.0.notify(n);
        (notified, wake_noted())
    }

    /// Notifies one more, whoever has been notified and has not come.
    pub(crate) fn notify_one_more(&self) -> Deferred {
        self.0.notify(1.additional());
        wake_noted()
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

/// A place among those that listen. Dropping it is to [leave](Self::leave).
#[must_use]
pub(crate) struct Listener {
    /// `None` once it has been notified and has seen that.
    place: Option<EventListener>,
    note: Arc<Note>,
}

impl Listener {
    /// Has it been notified? If not, `waker` is the one that is woken.
    pub(crate) fn poll(&mut self, waker: &Waker) -> Poll<()> {
        let Some(place) = &mut self.place else {
            return Poll::Ready(());
        };
        // Declared first, so dropped last: what it holds may be foreign.
        let mut _old = None;
        if !self.note.set_waker(waker) {
            _old = Some(mem::replace(&mut self.note, Note::new(waker.clone())));
        }
        let ours = Waker::from(Arc::clone(&self.note));
        let polled = Pin::new(place).poll(&mut Context::from_waker(&ours));
        if polled.is_ready() {
            self.place = None;
        }
        polled
    }

    /// Takes a new place at the end, with what it needed for the last one.
    pub(crate) fn listen_again(&mut self, event: &Event) {
        self.place = Some(event.0.listen());
    }

    /// Has its waker been woken since it was polled?
    pub(crate) fn is_woken(&self) -> bool {
        self.note.lock().waker.is_none()
    }

    /// Gives its place up, and passes a notification that it has not seen to the next.
    pub(crate) fn leave(mut self) -> Deferred {
        self.give_up()
    }

    fn give_up(&mut self) -> Deferred {
        match self.place.take() {
            Some(place) => {
                drop(place);
                wake_noted()
            }
            None => Deferred::default(),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.give_up().resume();
    }
}

/// The waker that an event sees.
struct Note(Mutex<Noted>);

struct Noted {
    /// The real one, until it is woken.
    waker: Option<Waker>,
    /// On the list of some thread.
    listed: bool,
    /// The next on that list.
    next: Option<Arc<Note>>,
}

impl Note {
    fn new(waker: Waker) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Noted {
            waker: Some(waker),
            listed: false,
            next: None,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        // No foreign code runs under the lock, so a poisoned one is whole.
        self.0
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Makes `waker` the real one. `false`, and nothing changed, if it is on a list.
    fn set_waker(&self, waker: &Waker) -> bool {
        {
            let noted = self.lock();
            if noted.listed {
                return false;
            }
            if noted
                .waker
                .as_ref()
                .is_some_and(|known| known.will_wake(waker))
            {
                return true;
            }
        }
        let mut newest = Some(waker.clone());
        let mut noted = self.lock();
        if noted.listed {
            return false;
        }
        mem::swap(&mut noted.waker, &mut newest);
        // The guard goes before the old waker: it was declared later.
        true
    }
}

impl Wake for Note {
    fn wake(self: Arc<Self>) {
        WOKEN.with(|woken| {
            {
                let mut noted = self.lock();
                if mem::replace(&mut noted.listed, true) {
                    return;
                }
                noted.next = woken.take();
            }
            woken.set(Some(self));
        });
    }
}

/// Wakes the real wakers of all notes that this thread has on its list, in the order
/// in which the event has woken them.
fn wake_noted() -> Deferred {
    let mut deferred = Deferred::default();
    let mut newest = WOKEN.with(|woken| woken.take());
    let mut oldest = None;
    while let Some(note) = newest {
        newest = mem::replace(&mut note.lock().next, oldest);
        oldest = Some(note);
    }
    while let Some(note) = oldest {
        let waker = {
            let mut noted = note.lock();
            noted.listed = false;
            oldest = noted.next.take();
            noted.waker.take()
        };
        if let Some(waker) = waker {
            deferred.run(|| waker.wake());
        }
        deferred.run(|| drop(note));
    }
    deferred
}
