//! Without the standard library: core, alloc, and a lock that spins. Names and signatures are
//! std's, as far as they are used here.
//!
//! Nobody is known here who could put a thread to sleep. The lock is held for a few dozen
//! instructions, or some for each who waits, in which nothing foreign runs but the allocator.
//! Whoever finds it taken spins until its holder has run on, so that one must not be kept from
//! running. It would be by a handler that interrupts it, or a task of a higher priority, that
//! spins. Where there are such, the program says how they are kept away meanwhile.
//! They are too while an atomic is used that is made of a lock.

use core::{
    ops::{Deref, DerefMut},
    panic::{RefUnwindSafe, UnwindSafe},
};

use spin::Once;

static MASK: Once<Mask> = Once::new();

type Mask = (fn() -> usize, fn(usize));

/// See [`mask_interrupts_with`](super::mask_interrupts_with).
pub(super) fn mask_with(mask: fn() -> usize, unmask: fn(usize)) -> bool {
    let mut is_first = false;
    MASK.call_once(|| {
        is_first = true;
        (mask, unmask)
    });
    is_first
}

/// As long as it lives, nobody interrupts the caller who would spin.
struct Masked(Option<(fn(usize), usize)>);

impl Masked {
    fn new() -> Self {
        Self(MASK.get().map(|&(mask, unmask)| (unmask, mask())))
    }
}

impl Drop for Masked {
    fn drop(&mut self) {
        if let Some((unmask, before)) = self.0 {
            unmask(before);
        }
    }
}

#[derive(Default)]
pub(crate) struct Mutex<T>(spin::Mutex<T>);

impl<T> UnwindSafe for Mutex<T> {}
impl<T> RefUnwindSafe for Mutex<T> {}

pub(crate) struct MutexGuard<'a, T> {
    // Dropped in this order.
    guard: spin::MutexGuard<'a, T>,
    _masked: Masked,
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(spin::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> Result<MutexGuard<'_, T>, PoisonError<MutexGuard<'_, T>>> {
        let _masked = Masked::new();
        let guard = self.0.lock();
        Ok(MutexGuard { guard, _masked })
    }
}

#[cfg(not(target_has_atomic = "ptr"))]
pub(crate) use portable_atomic::AtomicU64;

/// Where the processor compares and swaps, but not 64 bits, portable-atomic's is a lock that
/// spins.
#[cfg(all(target_has_atomic = "ptr", not(target_has_atomic = "64")))]
#[derive(Default)]
pub(crate) struct AtomicU64(portable_atomic::AtomicU64);

#[cfg(all(target_has_atomic = "ptr", not(target_has_atomic = "64")))]
mod masked {
    use core::sync::atomic::Ordering;

    use super::{AtomicU64, Masked};

    macro_rules! masked {
        ($(fn $name:ident($($arg:ident: $type:ty),*) $(-> $ret:ty)?;)*) => {
            $(pub(crate) fn $name(&self, $($arg: $type),*) $(-> $ret)? {
                let _masked = Masked::new();
                self.0.$name($($arg),*)
            })*
        };
    }

    type Exchanged = Result<u64, u64>;

    impl AtomicU64 {
        pub(crate) const fn new(value: u64) -> Self {
            Self(portable_atomic::AtomicU64::new(value))
        }

        masked! {
            fn load(order: Ordering) -> u64;
            fn store(to: u64, order: Ordering);
            fn fetch_add(n: u64, order: Ordering) -> u64;
            fn fetch_sub(n: u64, order: Ordering) -> u64;
            fn fetch_or(bits: u64, order: Ordering) -> u64;
            fn fetch_max(n: u64, order: Ordering) -> u64;
            fn compare_exchange(from: u64, to: u64, ok: Ordering, no: Ordering) -> Exchanged;
            fn compare_exchange_weak(from: u64, to: u64, ok: Ordering, no: Ordering) -> Exchanged;
        }
    }
}

/// There is none.
pub(crate) struct PoisonError<G>(G);

impl<G> PoisonError<G> {
    pub(crate) fn into_inner(self) -> G {
        self.0
    }
}

pub(crate) struct OnceLock<T>(Once<T>);

impl<T: UnwindSafe> UnwindSafe for OnceLock<T> {}
impl<T: RefUnwindSafe + UnwindSafe> RefUnwindSafe for OnceLock<T> {}

impl<T> OnceLock<T> {
    pub(crate) const fn new() -> Self {
        Self(Once::new())
    }

    #[inline]
    pub(crate) fn get(&self) -> Option<&T> {
        self.0.get()
    }

    #[inline]
    pub(crate) fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
        self.get().unwrap_or_else(|| {
            let _masked = Masked::new();
            self.0.call_once(make)
        })
    }
}

/// What is left of `thread_number.rs`: nobody tells threads apart. So none has a number of its
/// own, none owns a counter, and all of them share one.
pub(crate) mod no_threads {
    /// How many threads at once may have a number of their own, if there were any: what a
    /// counter is called has to fit for both.
    pub(crate) const NUMBERS: usize = 512;

    /// This thread's number.
    pub(crate) const fn number() -> usize {
        NUMBERS
    }

    /// One larger than any.
    #[inline(always)]
    pub(crate) const fn known() -> usize {
        NUMBERS
    }

    /// How many counters there are.
    pub(crate) const fn stripes() -> usize {
        1
    }
}
