//! What lies on a thread's stack: throttled items and jobs with the permits that they run
//! under, and calls that wait.
//!
//! A frame is suspended while something else runs on top of it. Only then does any code
//! here see it, so what is in the list is free to be used: the thread itself is what keeps
//! the item beneath from going on. Where nothing can go on, the thread naps.

use std::{
    cell::{Cell, RefCell},
    marker::PhantomData,
    sync::{Arc, PoisonError},
    task::Wake,
    time::Duration,
};

use super::source::Id;
use crate::sync::{
    Acquire, AtomicBool, AtomicU64, Condvar, Mutex, MutexGuard, Relaxed, Release, statics,
    thread_local,
};

statics! {
    static NUMBERS: AtomicU64 = AtomicU64::new(0);
}

thread_local! {
    static STACK: RefCell<Vec<Frame>> = const { RefCell::new(Vec::new()) };
    static WAITS: Cell<u32> = const { Cell::new(0) };
    static PARKER: Arc<Parker> = Arc::default();
}

/// A place on the stack.
struct Frame {
    id: Id,
    /// Of the youngest call when this began; a call that waits has its own.
    number: u64,
    /// Permits that nothing on top of it uses.
    free: u32,
    /// Of one that waits for its permits: whether they are there yet.
    awaited: Option<Arc<Awaited>>,
    /// Whose request it is: that call gives the permits back if nobody uses them.
    request_of: Option<u64>,
}

impl Frame {
    /// Is there anything that something on top of it may use?
    fn has_permits(&self) -> bool {
        let is_held = |awaited: &Arc<Awaited>| awaited.is_there();
        self.free > 0 && self.awaited.as_ref().is_none_or(is_held)
    }
}

/// The number of a call that begins now. It is younger than all frames there are.
pub(super) fn number_call() -> u64 {
    NUMBERS.fetch_add(1, Relaxed) + 1
}

/// The number of the youngest call.
#[inline]
pub(super) fn youngest() -> u64 {
    NUMBERS.load(Relaxed)
}

/// `None` in the destructor of a thread-local value, when the list may be gone. Such a
/// thread is no worker any more.
fn with_stack<R>(f: impl FnOnce(&mut Vec<Frame>) -> R) -> Option<R> {
    STACK.try_with(|stack| f(&mut stack.borrow_mut())).ok()
}

/// Changes how many waits lie on this thread's stack, and returns that.
pub(super) fn change_waits(by: i32) -> u32 {
    let changed = WAITS.try_with(|waits| {
        waits.set(waits.get().wrapping_add_signed(by));
        waits.get()
    });
    changed.unwrap_or(0)
}

/// Is nothing suspended on this thread?
#[inline]
pub(super) fn are_none() -> bool {
    with_stack(|stack| stack.is_empty()).unwrap_or(true)
}

/// Has anything that is suspended on this thread permits that nothing uses?
pub(super) fn have_permits() -> bool {
    with_stack(|stack| stack.iter().any(Frame::has_permits)).unwrap_or(false)
}

/// Did all that lies on this thread begin before call number `call`?
pub(super) fn are_older_than(call: u64) -> bool {
    with_stack(|stack| stack.iter().all(|frame| frame.number < call)).unwrap_or(true)
}

/// A frame of this thread, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Entered {
    not_send: PhantomData<*const ()>,
}

impl Entered {
    /// Has `permits`, since number `number` was the youngest call.
    #[inline]
    pub(super) fn new(id: Id, number: u64, permits: u32) -> Self {
        Self::push(Frame {
            id,
            number,
            free: permits,
            awaited: None,
            request_of: None,
        })
    }

    /// Waits, as number `number`, for `permits`: for those that call number `request_of` has
    /// asked for, or until what was lent is back.
    pub(super) fn waiting(
        id: Id,
        number: u64,
        permits: u32,
        awaited: &Arc<Awaited>,
        request_of: Option<u64>,
    ) -> Self {
        Self::push(Frame {
            id,
            number,
            free: permits,
            awaited: Some(Arc::clone(awaited)),
            request_of,
        })
    }

    #[inline]
    fn push(frame: Frame) -> Self {
        with_stack(|stack| stack.push(frame));
        Self {
            not_send: PhantomData,
        }
    }
}

impl Drop for Entered {
    #[inline]
    fn drop(&mut self) {
        // Where there was no list for it, there is none now.
        drop(with_stack(Vec::pop));
    }
}

/// Permits of what is suspended on this thread, used by something on top of it until this
/// is dropped.
#[derive(Debug)]
pub(super) struct Borrowed {
    /// From which frames, and how many.
    parts: Vec<(usize, u32)>,
    pub(super) permits: u32,
    /// Of the youngest of these frames.
    pub(super) number: u64,
}

/// Up to `most` permits, for call number `number`: of frames that were there when it
/// began, but the requests of call number `except`. `None` if there are none.
pub(super) fn borrow(id: Id, number: u64, most: u32, except: Option<u64>) -> Option<Borrowed> {
    with_stack(|stack| {
        let (mut parts, mut permits, mut youngest) = (Vec::new(), 0, 0);
        for (index, frame) in stack.iter_mut().enumerate().rev() {
            let is_out = frame.request_of.is_some() && frame.request_of == except;
            if frame.id == id && frame.number < number && frame.has_permits() && !is_out {
                let part = frame.free.min(most - permits);
                frame.free -= part;
                permits += part;
                youngest = youngest.max(frame.number);
                parts.push((index, part));
            }
            if permits == most {
                break;
            }
        }
        // Made only if there are any: it is not to be dropped in here.
        (permits > 0).then(|| Borrowed {
            parts,
            permits,
            number: youngest,
        })
    })?
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        with_stack(|stack| {
            for (index, part) in self.parts.drain(..) {
                stack[index].free += part;
            }
        });
    }
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in this module panics while a mutex of its own is locked.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where a thread naps.
#[derive(Debug, Default)]
pub(super) struct Parker {
    woken: Mutex<bool>,
    changed: Condvar,
}

impl Parker {
    /// One for all that waits on this thread's stack: what is on top looks after what lies
    /// beneath, whose permits it may use.
    pub(super) fn of_this_thread() -> Arc<Self> {
        // There is none of its own in the destructor of a thread-local value.
        PARKER.try_with(Arc::clone).unwrap_or_default()
    }

    pub(super) fn unpark(&self) {
        *locked(&self.woken) = true;
        self.changed.notify_one();
    }

    pub(super) fn park(&self, at_most: Duration) {
        let woken = locked(&self.woken);
        let waited = self
            .changed
            .wait_timeout_while(woken, at_most, |woken| !*woken);
        let (mut woken, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *woken = false;
    }
}

/// Permits that somebody waits for: in the semaphore's line, or to come back from a loan.
#[derive(Debug)]
pub(super) struct Awaited {
    parker: Arc<Parker>,
    are_there: AtomicBool,
}

impl Awaited {
    pub(super) fn new(parker: &Arc<Parker>) -> Arc<Self> {
        Arc::new(Self {
            parker: Arc::clone(parker),
            are_there: AtomicBool::new(false),
        })
    }

    pub(super) fn is_there(&self) -> bool {
        // ORDERING: pairs with the Release of the one who gives them.
        self.are_there.load(Acquire)
    }
}

impl Wake for Awaited {
    fn wake(self: Arc<Self>) {
        // ORDERING: Release, for `is_there`: a lender goes on with what is suspended.
        self.are_there.store(true, Release);
        self.parker.unpark();
    }
}
