//! Permits: what has been acquired, given back on drop.

use core::{fmt, mem, ptr};

use super::{
    core::Semaphore,
    packed::{Held, Packed},
};
use crate::sync::Arc;

/// Panics of the permits, at the caller's line.
#[track_caller]
fn assert_same(ours: &Semaphore, theirs: &Semaphore) {
    assert!(
        ptr::eq(ours, theirs),
        "merging permits from different semaphores"
    );
}

/// Permits, whose semaphore is reached by a `$handle`.
macro_rules! permit {
    ($(#[$docs:meta])* $name:ident $(<$lifetime:lifetime>)?, $handle:ty) => {
        $(#[$docs])*
        #[must_use = "dropping a permit at once gives it back at once"]
        #[clippy::has_significant_drop]
        pub struct $name $(<$lifetime>)? {
            semaphore: $handle,
            packed: Packed,
        }

        impl $(<$lifetime>)? $name $(<$lifetime>)? {
            #[inline]
            pub(super) fn new((semaphore, held): ($handle, Held)) -> Self {
                let packed = semaphore.hand_out(held);
                Self::from_packed(semaphore, packed)
            }

            #[inline(always)]
            pub(super) fn from_packed(semaphore: $handle, packed: Packed) -> Self {
                Self { semaphore, packed }
            }

            /// Lets go of the permits without giving them back: the semaphore's max
            /// goes down by their number, but not below zero.
            ///
            /// # Examples
            ///
            /// ```
            /// let semaphore = dynaphore::Semaphore::new(3);
            /// semaphore.try_acquire_many(2).unwrap().forget();
            /// assert_eq!((semaphore.max(), semaphore.active()), (1, 0));
            /// ```
            pub fn forget(mut self) {
                self.semaphore.forget(&mut self.packed);
            }

            /// Adds the permits of `other` to these.
            ///
            /// # Panics
            ///
            /// When `other` belongs to another semaphore. Both keep what they have, and
            /// give it back as they are dropped.
            ///
            /// # Examples
            ///
            /// ```
            /// let semaphore = dynaphore::Semaphore::new(3);
            /// let mut all = semaphore.try_acquire().unwrap();
            /// all.merge(semaphore.try_acquire_many(2).unwrap());
            /// assert_eq!(all.num_permits(), 3);
            /// ```
            #[track_caller]
            pub fn merge(&mut self, mut other: Self) {
                assert_same(&self.semaphore, &other.semaphore);
                self.semaphore.merge(&mut self.packed, &mut other.packed);
            }

            /// Takes more permits until these are `n`, or no more are available. Never waits.
            ///
            /// # Fairness
            ///
            /// As for [`try_acquire`](Semaphore::try_acquire): nothing is taken from those in line.
            ///
            /// # Examples
            ///
            /// ```
            /// let semaphore = dynaphore::Semaphore::new(5);
            /// let mut permit = semaphore.try_acquire()?;
            /// permit.extend_up_to(4);
            /// assert_eq!((permit.num_permits(), semaphore.active()), (4, 4));
            /// permit.extend_up_to(8);
            /// assert_eq!((permit.num_permits(), semaphore.active()), (5, 5));
            /// # Ok::<(), dynaphore::TryAcquireError>(())
            /// ```
            pub fn extend_up_to(&mut self, n: usize) {
                self.semaphore.extend(&mut self.packed, n);
            }

            /// Splits `n` permits off, into one of their own. `None`, and nothing
            /// changed, when there are fewer than `n`.
            ///
            /// # Examples
            ///
            /// ```
            /// let semaphore = dynaphore::Semaphore::new(3);
            /// let mut all = semaphore.try_acquire_many(3).unwrap();
            /// let two = all.split(2).unwrap();
            /// assert_eq!((all.num_permits(), two.num_permits()), (1, 2));
            /// assert!(all.split(2).is_none());
            /// ```
            pub fn split(&mut self, n: usize) -> Option<Self> {
                let packed = self.semaphore.split(&mut self.packed, n)?;
                Some(Self::from_packed(self.semaphore.clone(), packed))
            }

            /// How many permits these are: 0 to [`Semaphore::MAX_PERMITS`].
            ///
            /// # Examples
            ///
            /// ```
            /// let semaphore = dynaphore::Semaphore::new(3);
            /// assert_eq!(semaphore.try_acquire_many(2).unwrap().num_permits(), 2);
            /// ```
            #[must_use]
            pub fn num_permits(&self) -> usize {
                self.semaphore.held(&self.packed).n as usize
            }

            /// The generation in which they were handed out, or that of the oldest of
            /// them. `None` unless the semaphore keeps
            /// [generations](crate::Builder::generations).
            ///
            /// # Examples
            ///
            /// ```
            /// let semaphore = dynaphore::Semaphore::builder(2).generations(true).build();
            /// let old = semaphore.try_acquire().unwrap();
            /// let resize = semaphore.resize(4);
            /// let new = semaphore.try_acquire().unwrap();
            /// assert!(old.generation() < Some(resize.generation));
            /// assert_eq!(new.generation(), Some(resize.generation));
            /// ```
            #[must_use]
            pub fn generation(&self) -> Option<u64> {
                self.semaphore.generation_of(&self.packed)
            }
        }

        impl $(<$lifetime>)? Drop for $name $(<$lifetime>)? {
            #[inline]
            fn drop(&mut self) {
                self.semaphore.take_back(&mut self.packed);
            }
        }

        impl $(<$lifetime>)? fmt::Debug for $name $(<$lifetime>)? {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name))
                    .field("permits", &self.num_permits())
                    .field("semaphore", &self.semaphore)
                    .finish()
            }
        }
    };
}

permit! {
    /// Permits of a [`Semaphore`], given back when this is dropped.
    ///
    /// Returned by [`acquire`](Semaphore::acquire),
    /// [`try_acquire`](Semaphore::try_acquire),
    /// [`blocking_acquire`](Semaphore::blocking_acquire) and their kin. Unwinding
    /// drops it like anything else, so a panic loses no permit.
    ///
    /// # Memory ordering
    ///
    /// All that its holder did before dropping it is visible to whoever gets the
    /// permits next.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = dynaphore::Semaphore::new(1);
    /// let permit = semaphore.try_acquire().unwrap();
    /// assert_eq!(semaphore.active(), 1);
    /// drop(permit);
    /// assert_eq!(semaphore.active(), 0);
    /// ```
    SemaphorePermit<'a>, &'a Semaphore
}

permit! {
    /// Permits of a [`Semaphore`] that keep it alive, given back when this is
    /// dropped.
    ///
    /// Returned by [`acquire_owned`](Semaphore::acquire_owned),
    /// [`try_acquire_owned`](Semaphore::try_acquire_owned),
    /// [`blocking_acquire_owned`](Semaphore::blocking_acquire_owned) and their kin:
    /// for what is moved to another task or thread. Otherwise like
    /// [`SemaphorePermit`].
    ///
    /// # Memory ordering
    ///
    /// As for [`SemaphorePermit`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{sync::Arc, thread};
    /// use dynaphore::Semaphore;
    ///
    /// let semaphore = Arc::new(Semaphore::new(1));
    /// let permit = Arc::clone(&semaphore).try_acquire_owned().unwrap();
    /// thread::spawn(move || drop(permit)).join().unwrap();
    /// assert_eq!(semaphore.active(), 0);
    /// ```
    OwnedSemaphorePermit, Arc<Semaphore>
}

impl<'a> SemaphorePermit<'a> {
    /// The semaphore that they came from.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = dynaphore::Semaphore::new(3);
    /// let permit = semaphore.try_acquire().unwrap();
    /// assert_eq!(permit.semaphore().active(), 1);
    /// ```
    #[must_use]
    pub fn semaphore(&self) -> &'a Semaphore {
        self.semaphore
    }

    /// The same permits, which keep their semaphore alive from now on. So an `Arc` is cloned
    /// only where there was a permit.
    ///
    /// # Panics
    ///
    /// When `semaphore` is another one. The permits are given back then.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use dynaphore::Semaphore;
    ///
    /// let semaphore = Arc::new(Semaphore::new(1));
    /// let permit = semaphore.try_acquire()?.into_owned(semaphore.clone());
    /// std::thread::spawn(move || drop(permit)).join().unwrap();
    /// assert_eq!(semaphore.active(), 0);
    /// # Ok::<(), dynaphore::TryAcquireError>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn into_owned(self, semaphore: Arc<Semaphore>) -> OwnedSemaphorePermit {
        assert!(
            ptr::eq(self.semaphore, &raw const *semaphore),
            "the permits are those of another semaphore"
        );
        let packed = self.packed.by_value();
        mem::forget(self);
        OwnedSemaphorePermit::from_packed(semaphore, packed)
    }
}

impl OwnedSemaphorePermit {
    /// The semaphore that they came from.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// let semaphore = Arc::new(dynaphore::Semaphore::new(3));
    /// let permit = semaphore.clone().try_acquire_owned().unwrap();
    /// assert!(Arc::ptr_eq(permit.semaphore(), &semaphore));
    /// ```
    #[must_use]
    pub fn semaphore(&self) -> &Arc<Semaphore> {
        &self.semaphore
    }
}
