//! A waker that calls back.
//!
//! The standard `Wake` has no hook for `clone`, so the table is made by hand.

use std::{
    sync::{Arc, Mutex},
    task::{RawWaker, RawWakerVTable, Waker},
};

/// What a semaphore does with a waker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    Wake,
    Clone,
    Drop,
}

type Action = Box<dyn FnOnce() + Send>;

/// Runs an action, once, the next time that a moment has come.
#[derive(Default)]
pub struct Hooked(Mutex<Option<(Moment, Action)>>);

impl Hooked {
    pub fn new() -> (Arc<Self>, Waker) {
        let hooked = Arc::new(Self::default());
        let data = Arc::into_raw(Arc::clone(&hooked)).cast();
        // SAFETY: the table below takes `data` for what it is, the raw form of
        // an `Arc<Hooked>`, and what it does is what `Arc` does.
        let waker = unsafe { Waker::from_raw(RawWaker::new(data, &TABLE)) };
        (hooked, waker)
    }

    pub fn arm(&self, moment: Moment, action: impl FnOnce() + Send + 'static) {
        *self.0.lock().unwrap() = Some((moment, Box::new(action)));
    }

    /// Whether the moment is yet to come.
    pub fn disarm(&self) -> bool {
        self.0.lock().unwrap().take().is_some()
    }

    fn come(&self, now: Moment) {
        let action = self.0.lock().unwrap().take_if(|(moment, _)| *moment == now);
        // Outside the lock: it may lead to the next moment.
        if let Some((_, action)) = action {
            action();
        }
    }
}

static TABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop);

// SAFETY, for all four: they are called with the data that `Hooked::new` or
// `clone` has made, `wake` and `drop` as its owners.

unsafe fn clone(data: *const ()) -> RawWaker {
    let hooked: *const Hooked = data.cast();
    unsafe {
        Arc::increment_strong_count(hooked);
        (*hooked).come(Moment::Clone);
    }
    RawWaker::new(data, &TABLE)
}

unsafe fn wake(data: *const ()) {
    let hooked: Arc<Hooked> = unsafe { Arc::from_raw(data.cast()) };
    hooked.come(Moment::Wake);
}

unsafe fn wake_by_ref(data: *const ()) {
    let hooked: *const Hooked = data.cast();
    unsafe { (*hooked).come(Moment::Wake) };
}

unsafe fn drop(data: *const ()) {
    let hooked: Arc<Hooked> = unsafe { Arc::from_raw(data.cast()) };
    hooked.come(Moment::Drop);
}
