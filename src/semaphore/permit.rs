//! Permits: what has been acquired, given back on drop.

use core::{fmt, mem, ptr};

use super::{
    core::Semaphore,
    packed::{Held, More, Packed},
    request::{Outcome, Since},
    word::{Release, Take},
};
use crate::{foreign::Deferred, sync::Arc};

/// What a permit consists of, taken and given back.
impl Semaphore {
    /// What a permit of the caller consists of. Its request has been counted.
    #[inline(always)]
    pub(super) fn hand_out(&self, held: Held) -> Packed {
        if self.optional.options.generations {
            self.hand_out_with_token(held)
        } else if self.optional.keeps_stats() {
            self.hand_out_timed(Packed::plain(held), false)
        } else {
            Packed::plain(held)
        }
    }

    /// Takes `n` permits, with a token. What is packed means nothing without them.
    #[inline(never)]
    pub(super) fn take_with_token(&self, n: u32) -> (Take, Packed) {
        let (found, held) = (self.take(n), Held::taken(n));
        let packed = match found {
            Take::Acquired => self.with_token(held),
            _ => Packed::plain(held),
        };
        (found, packed)
    }

    /// What a permit that was had at once consists of: `packed` has its token. Its request is
    /// counted here.
    #[inline(always)]
    pub(super) fn hand_out_at_once(&self, packed: Packed) -> Packed {
        if self.optional.keeps_stats() {
            self.hand_out_timed(packed, true)
        } else {
            packed
        }
    }

    // Everything rare is out of line, and what it is given fits into registers.
    #[inline(never)]
    fn hand_out_with_token(&self, held: Held) -> Packed {
        self.with_token(held)
    }

    #[inline(never)]
    fn hand_out_timed(&self, packed: Packed, at_once: bool) -> Packed {
        let held = packed.held_untimed();
        if self.optional.options.generations || held.n > Packed::MOST_TIMED {
            if at_once {
                self.record(Outcome::Acquired, Since::NEVER);
            }
            return packed;
        }
        let counters = self.optional.counters();
        match counters.and_then(|counters| counters.hand_out(at_once)) {
            Some(start) => Packed::new(held, More::Start(start)),
            None => packed,
        }
    }

    /// For permits of the caller, who loses them if a waker panics that this wakes.
    #[inline(always)]
    fn with_token(&self, held: Held) -> Packed {
        struct GivesBack<'a>(&'a Semaphore, Held);

        impl Drop for GivesBack<'_> {
            fn drop(&mut self) {
                self.0.release(self.1);
            }
        }

        let Some(tracker) = self.optional.tracker() else {
            return Packed::plain(held);
        };
        let gives_back = GivesBack(self, held);
        let token = tracker.acquire_short();
        mem::forget(gives_back);
        Packed::new(held, More::Token(token))
    }

    #[inline(always)]
    fn parts(&self, packed: &Packed) -> (Held, More) {
        packed.parts(self.optional.options.generations)
    }

    /// What was beside permits that are no more.
    #[inline(always)]
    fn end(&self, more: More) {
        match more {
            More::Nothing => {}
            More::Token(token) => self.optional.generations().release(token),
            More::Start(start) => {
                if let Some(counters) = self.optional.counters() {
                    counters.ends(start);
                }
            }
        }
    }

    /// All that a permit consists of comes back.
    #[inline(always)]
    fn take_back(&self, packed: &mut Packed) {
        if packed.has_more() {
            self.take_back_with_more(packed.by_value());
        } else {
            self.release(packed.held_untimed());
        }
    }

    #[inline(never)]
    fn take_back_with_more(&self, packed: Packed) {
        match self.parts(&packed) {
            (held, More::Token(token)) => {
                let released = match held.n {
                    0 => Release::Quiet,
                    n => self.word.release(n, held.handed),
                };
                let generations = self.optional.generations();
                // The last one out makes it idle: nothing to do but for watchers.
                if released == Release::Quiet
                    || released == Release::Reached && !self.queue.is_watched()
                {
                    generations.release(token);
                } else {
                    both(
                        move || self.finish_release(released, held.n),
                        move || generations.release(token),
                    );
                }
            }
            (held, more) => both(move || self.end(more), move || self.release(held)),
        }
    }

    /// Max goes down by the permits in `packed`, of which nothing is left.
    fn forget(&self, packed: &mut Packed) {
        let (held, more) = self.parts(&mem::take(packed));
        both(|| self.forget_held(held.n), || self.end(more));
    }

    /// Puts `other` into `packed`. Of the tokens it keeps the older:
    /// whoever waits for its generation waits for the younger as well.
    fn merge(&self, packed: &mut Packed, other: &mut Packed) {
        let (mut held, ours) = self.parts(&mem::take(packed));
        let (others, theirs) = self.parts(&mem::take(other));
        held.merge(others);
        // There is room for one of the two.
        let (mut kept, ended) = match (ours, theirs) {
            (More::Token(ours), More::Token(theirs))
                if self.optional.generations().is_older(&theirs, &ours) =>
            {
                (More::Token(theirs), More::Token(ours))
            }
            (More::Nothing, theirs) => (theirs, More::Nothing),
            both => both,
        };
        // Nor is there for the start of so many.
        if held.n > Packed::MOST_TIMED && matches!(kept, More::Start(_)) {
            let start = mem::replace(&mut kept, More::Nothing);
            *packed = Packed::plain(held);
            self.end(start);
        } else {
            *packed = Packed::new(held, kept);
        }
        self.end(ended);
    }

    /// Adds to `packed` until it is `n` permits, or no more are available.
    fn extend(&self, packed: &mut Packed, n: usize) {
        let mut missing = n.saturating_sub(self.parts(packed).0.n as usize);
        loop {
            let some = missing.min(self.available_permits());
            if some == 0 {
                return;
            }
            match self.take(some as u32) {
                Take::Acquired => {
                    let mut more = self.with_token(Held::taken(some as u32));
                    self.merge(packed, &mut more);
                    missing -= some;
                }
                // Somebody was quicker, or it is for those in line. Half of it may be had.
                _ => missing = some / 2,
            }
        }
    }

    /// Takes `n` permits out of `packed`, if there are so many.
    fn split(&self, packed: &mut Packed, n: usize) -> Option<Packed> {
        let (mut held, more) = self.parts(packed);
        let part = held.split(n)?;
        let copy = match &more {
            More::Token(token) => More::Token(self.optional.generations().copy(token)),
            // Those that stay are timed.
            More::Nothing | More::Start(_) => More::Nothing,
        };
        *packed = Packed::new(held, more);
        Some(Packed::new(part, copy))
    }
}

/// Both wake, and a waker that panics keeps neither from being done.
// Out of line, and given what it needs by value: or permits that wake nobody would go through
// memory too.
#[inline(never)]
fn both(first: impl FnOnce(), second: impl FnOnce()) {
    let mut deferred = Deferred::default();
    deferred.run(first);
    deferred.run(second);
    deferred.resume();
}

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
                self.semaphore.parts(&self.packed).0.n as usize
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
                match self.semaphore.parts(&self.packed) {
                    (_, More::Token(token)) => {
                        let generations = self.semaphore.optional.generations();
                        Some(generations.generation_of(&token))
                    },
                    _ => None,
                }
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
