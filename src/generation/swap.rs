//! Two copies of something: one is written while the other is read and reset.
//!
//! Writers go to the copy `phase % 2`, under a token of that phase. Takers come
//! one at a time, which a semaphore sees to. Take number n (from 0) begins phase
//! n + 1, unless one that was cancelled has done so, waits until phase n has
//! drained, and empties copy `n % 2`. Nobody else moves the tracker, so as take
//! n begins, phase n is the current one, or n + 1 after a cancelled one; phase
//! n + 2, whose writers use the same copy, begins after take n has ended. What
//! take n has read and reset happens before phase n + 2 by way of the semaphore
//! and of the tracker's phase.

use alloc::{boxed::Box, vec::Vec};
use core::{array, fmt, ops::Deref, sync::atomic::*};

use crossbeam_utils::CachePadded;

use super::{
    pending::Pending,
    tracker::{Token, Tracker},
};
use crate::{Semaphore, sync};

/// Two copies of a `T`, so that one can be read and reset as a whole while
/// traffic goes on in the other.
///
/// Writers [`write`](Self::write) to the current copy through `&T`, so `T` is
/// made of atomics or the like. [`take`](Self::take) exchanges the copies, waits
/// for those who still write to the old one, and returns what is in it, which it
/// resets. Each write is in exactly one taken interval. Writers take no lock and
/// never wait, and write to memory that no other processor reads meanwhile, but
/// for what `T` shares among them.
///
/// # Fairness
///
/// Takers come one at a time, first in, first out.
///
/// # Memory ordering
///
/// What a writer did before it dropped its guard is visible to the taker that
/// takes it; what a taker left, to later writers. For writers and takers
/// `Relaxed` is enough.
///
/// # Examples
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
/// use dynaphore::generation::Swap;
///
/// // Requests by status.
/// let counters: Swap<[AtomicU64; 5]> = Swap::default();
/// counters.write()[2].fetch_add(1, Relaxed);
/// counters.write()[4].fetch_add(1, Relaxed);
/// assert_eq!(counters.blocking_take(), [0, 0, 1, 0, 1]);
/// assert_eq!(counters.blocking_take(), [0; 5]);
/// ```
pub struct Swap<T> {
    tracker: Tracker,
    takers: Semaphore,
    /// How many takes there have been. Only who has the permit touches it.
    takes: sync::AtomicU64,
    copies: CachePadded<[T; 2]>,
}

impl<T> Swap<T> {
    sync::const_fn! {
        /// One with these two copies, which should be equal and empty. The first
        /// one is written first.
        ///
        /// # Examples
        ///
        /// ```
        /// use std::sync::atomic::AtomicU64;
        /// use dynaphore::generation::Swap;
        ///
        /// static HITS: Swap<AtomicU64> = Swap::new([const { AtomicU64::new(0) }; 2]);
        /// assert_eq!(HITS.blocking_take(), 0);
        /// ```
        #[must_use]
        pub fn new(copies: [T; 2]) -> Self {
            Self {
                tracker: Tracker::new(),
                takers: Semaphore::new(1),
                takes: sync::AtomicU64::new(0),
                copies: CachePadded::new(copies),
            }
        }
    }

    /// The current copy, which is not taken as long as the guard lives.
    ///
    /// A thread that takes while it holds a guard itself waits for ever.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    ///
    /// let counter = dynaphore::generation::Swap::<AtomicU64>::default();
    /// counter.write().fetch_add(1, Relaxed);
    /// assert_eq!(counter.blocking_take(), 1);
    /// ```
    #[inline]
    pub fn write(&self) -> Write<'_, T> {
        let token = self.tracker.acquire();
        Write {
            copy: &self.copies[token.counter().index.get() % 2],
            _token: token,
        }
    }

    /// Exchanges the copies, waits for those who write to the old one, and
    /// returns what `read` makes of it. `read` is to reset it, too.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost. A take that is cancelled after its first poll may have
    /// exchanged the copies already; the next take then returns the interval
    /// that ended with that, and what came after is in the one that follows.
    ///
    /// # Panics
    ///
    /// When `read` does. What it has left in the copy is for the next take. And when the waker
    /// of the next one that takes does: what `read` has returned is lost then.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    ///
    /// # futures::executor::block_on(async {
    /// // The largest of each interval.
    /// let largest = dynaphore::generation::Swap::new([const { AtomicU64::new(0) }; 2]);
    /// largest.write().fetch_max(7, Relaxed);
    /// assert_eq!(largest.take_with(|old| old.swap(0, Relaxed)).await, 7);
    /// # });
    /// ```
    pub async fn take_with<R>(&self, read: impl FnOnce(&T) -> R) -> R {
        let _permit = self.takers.acquire().await.expect("never closed");
        let (pending, old) = self.exchange();
        pending.await;
        self.finish(old, read)
    }

    /// [`take_with`](Self::take_with), blocking the thread.
    ///
    /// # Panics
    ///
    /// As for `take_with`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Mutex;
    ///
    /// let log = dynaphore::generation::Swap::<Mutex<Vec<&str>>>::default();
    /// log.write().lock().unwrap().push("hello");
    /// let lines = log.blocking_take_with(|old| old.lock().unwrap().drain(..).count());
    /// assert_eq!(lines, 1);
    /// ```
    #[cfg(feature = "std")]
    pub fn blocking_take_with<R>(&self, read: impl FnOnce(&T) -> R) -> R {
        let _permit = self.takers.blocking_acquire().expect("never closed");
        let (pending, old) = self.exchange();
        pending.wait();
        self.finish(old, read)
    }

    /// [`take_with`](Self::take_with), if that need not wait: `None` while somebody else takes
    /// or still writes to the old copy.
    ///
    /// In the latter case the copies have been exchanged. As after a take that was
    /// cancelled, the next one then returns the interval that ended with that.
    ///
    /// # Panics
    ///
    /// As for `take_with`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    ///
    /// let counter = dynaphore::generation::Swap::<AtomicU64>::default();
    /// let writes = counter.write();
    /// writes.fetch_add(1, Relaxed);
    /// assert_eq!(counter.try_take_with(|old| old.swap(0, Relaxed)), None);
    /// drop(writes);
    /// assert_eq!(counter.try_take_with(|old| old.swap(0, Relaxed)), Some(1));
    /// ```
    #[must_use = "what has been taken is not there any more"]
    pub fn try_take_with<R>(&self, read: impl FnOnce(&T) -> R) -> Option<R> {
        let _permit = self.takers.try_acquire().ok()?;
        let (pending, old) = self.exchange();
        pending.is_drained().then(|| self.finish(old, read))
    }

    /// Lets writers go to the other copy, unless a cancelled take has done so.
    /// Returns what to wait for, and the copy that is to be taken then.
    fn exchange(&self) -> (Pending<'_>, &T) {
        let take = self.takes.load(Ordering::Relaxed);
        let pending = if self.tracker.generation() == take {
            self.tracker.increment()
        } else {
            Pending::new(&self.tracker, take, take)
        };
        (pending, &self.copies[take as usize % 2])
    }

    /// The old copy has no writers any more.
    fn finish<R>(&self, old: &T, read: impl FnOnce(&T) -> R) -> R {
        let taken = read(old);
        self.takes.fetch_add(1, Ordering::Relaxed);
        taken
    }
}

impl<T: Take> Swap<T> {
    /// Exchanges the copies, waits for those who write to the old one, and
    /// returns what is in it. It is left empty.
    ///
    /// # Cancel safety
    ///
    /// As for [`take_with`](Self::take_with).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    ///
    /// # futures::executor::block_on(async {
    /// let counter = dynaphore::generation::Swap::<AtomicU64>::default();
    /// counter.write().fetch_add(1, Relaxed);
    /// assert_eq!(counter.take().await, 1);
    /// # });
    /// ```
    pub async fn take(&self) -> T::Taken {
        self.take_with(T::take).await
    }

    /// [`take`](Self::take), blocking the thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    ///
    /// let counter = dynaphore::generation::Swap::<AtomicU64>::default();
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| counter.write().fetch_add(1, Relaxed));
    /// });
    /// assert_eq!(counter.blocking_take(), 1);
    /// ```
    #[cfg(feature = "std")]
    pub fn blocking_take(&self) -> T::Taken {
        self.blocking_take_with(T::take)
    }

    /// [`take`](Self::take), if that need not wait, as
    /// [`try_take_with`](Self::try_take_with).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    ///
    /// let counter = dynaphore::generation::Swap::<AtomicU64>::default();
    /// counter.write().fetch_add(1, Relaxed);
    /// assert_eq!(counter.try_take(), Some(1));
    /// ```
    #[must_use = "what has been taken is not there any more"]
    pub fn try_take(&self) -> Option<T::Taken> {
        self.try_take_with(T::take)
    }
}

impl<T: Default> Default for Swap<T> {
    fn default() -> Self {
        Self::new([T::default(), T::default()])
    }
}

impl<T> fmt::Debug for Swap<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Swap")
            .field("takes", &self.takes.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

/// The current copy of a [`Swap`], by [`Swap::write`].
///
/// # Examples
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
/// use dynaphore::generation::{Swap, Write};
///
/// let requests: Swap<AtomicU64> = Swap::default();
/// let copy: Write<'_, AtomicU64> = requests.write();
/// copy.fetch_add(1, Relaxed);
/// drop(copy);
/// assert_eq!(requests.blocking_take(), 1);
/// ```
#[must_use = "writes go through it"]
pub struct Write<'a, T> {
    copy: &'a T,
    _token: Token<'a>,
}

impl<T> Deref for Write<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.copy
    }
}

impl<T: fmt::Debug> fmt::Debug for Write<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.copy.fmt(f)
    }
}

/// Can be emptied through a shared reference, while nobody else uses it.
///
/// [`Swap::take`] calls it when the last writer has gone, so
/// an implementation need not be atomic as a whole, and `Relaxed` will do for
/// its atomics: it sees all that the writers did, and those who write to the
/// same copy later see that it is empty.
///
/// Done for the atomic integers and `AtomicBool` (back to zero and `false`; those of
/// `core`, not portable-atomic's that stand for them on some targets), for `Mutex` (back
/// to the default, poisoned or not), and for arrays, vectors, boxes and tuples of what it
/// is done for. The length of a vector stays.
///
/// # Examples
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
/// use dynaphore::generation::Take;
///
/// #[derive(Default)]
/// struct Traffic {
///     requests: AtomicU64,
///     bytes: AtomicU64,
/// }
///
/// impl Take for Traffic {
///     type Taken = (u64, u64);
///
///     fn take(&self) -> (u64, u64) {
///         (self.requests.take(), self.bytes.take())
///     }
/// }
///
/// let traffic = Traffic::default();
/// traffic.bytes.fetch_add(1500, Relaxed);
/// assert_eq!(traffic.take(), (0, 1500));
/// assert_eq!(traffic.take(), (0, 0));
/// ```
pub trait Take {
    /// What there was.
    type Taken;

    /// Returns what there was and leaves nothing behind.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::AtomicU64;
    /// use dynaphore::generation::Take;
    ///
    /// assert_eq!(AtomicU64::new(3).take(), 3);
    /// ```
    fn take(&self) -> Self::Taken;
}

#[cfg(target_has_atomic = "ptr")]
macro_rules! atomics {
    ($($atomic:ident $value:ty),+) => {
        $(impl Take for $atomic {
            type Taken = $value;

            fn take(&self) -> $value {
                self.swap(<$value>::default(), Ordering::Relaxed)
            }
        })+
    };
}

#[cfg(target_has_atomic = "ptr")]
atomics!(
    AtomicBool bool,
    AtomicU8 u8,
    AtomicU16 u16,
    AtomicU32 u32,
    AtomicUsize usize,
    AtomicI8 i8,
    AtomicI16 i16,
    AtomicI32 i32,
    AtomicIsize isize
);

#[cfg(target_has_atomic = "64")]
atomics!(AtomicU64 u64, AtomicI64 i64);

#[cfg(feature = "std")]
impl<T: Default> Take for std::sync::Mutex<T> {
    type Taken = T;

    fn take(&self) -> T {
        let mut guard = self.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        std::mem::take(&mut guard)
    }
}

impl<T: Take, const N: usize> Take for [T; N] {
    type Taken = [T::Taken; N];

    fn take(&self) -> Self::Taken {
        array::from_fn(|index| self[index].take())
    }
}

impl<T: Take> Take for [T] {
    type Taken = Vec<T::Taken>;

    fn take(&self) -> Self::Taken {
        self.iter().map(Take::take).collect()
    }
}

impl<T: Take> Take for Vec<T> {
    type Taken = Vec<T::Taken>;

    fn take(&self) -> Self::Taken {
        self.as_slice().take()
    }
}

impl<T: Take + ?Sized> Take for Box<T> {
    type Taken = T::Taken;

    fn take(&self) -> Self::Taken {
        (**self).take()
    }
}

macro_rules! tuples {
    ($(($($part:ident $index:tt),+)),+) => {
        $(impl<$($part: Take),+> Take for ($($part,)+) {
            type Taken = ($($part::Taken,)+);

            fn take(&self) -> Self::Taken {
                ($(self.$index.take(),)+)
            }
        })+
    };
}

tuples!(
    (A 0),
    (A 0, B 1),
    (A 0, B 1, C 2),
    (A 0, B 1, C 2, D 3),
    (A 0, B 1, C 2, D 3, E 4),
    (A 0, B 1, C 2, D 3, E 4, F 5)
);
