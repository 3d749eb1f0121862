//! What can be read and reset through a shared reference.

use std::{
    array, mem,
    sync::{Mutex, atomic::*},
};

/// Can be emptied through a shared reference, while nobody else uses it.
///
/// [`Swap::take`](super::Swap::take) calls it when the last writer has gone, so
/// an implementation need not be atomic as a whole, and `Relaxed` will do for
/// its atomics: it sees all that the writers did, and those who write to the
/// same copy later see that it is empty.
///
/// Done for the atomic integers and `AtomicBool` (back to zero and `false`), for
/// `Mutex` (back to the default, poisoned or not), and for arrays, vectors,
/// boxes and tuples of what it is done for. The length of a vector stays.
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

atomics!(
    AtomicBool bool,
    AtomicU8 u8,
    AtomicU16 u16,
    AtomicU32 u32,
    AtomicU64 u64,
    AtomicUsize usize,
    AtomicI8 i8,
    AtomicI16 i16,
    AtomicI32 i32,
    AtomicI64 i64,
    AtomicIsize isize
);

impl<T: Default> Take for Mutex<T> {
    type Taken = T;

    fn take(&self) -> T {
        let mut guard = self.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        mem::take(&mut guard)
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
