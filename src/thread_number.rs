//! A small number for each thread, so that counters can belong to one.
//!
//! Numbers are dense: a thread takes the smallest that is free when it first
//! needs one, and gives it back when it ends. They are bits in a few words, so
//! that neither takes a lock. Who finds none free, or has given its own back
//! already, gets a number that others may have too, and owns nothing by it.

use std::sync::OnceLock;

use crate::sync::{Acquire, AtomicU64, Relaxed, Release};

/// How many threads at once may have a number of their own.
pub(crate) const NUMBERS: usize = WORDS * 64;

const WORDS: usize = if cfg!(dynaphore_loom) { 1 } else { 8 };

/// The numbers that are taken, a bit each.
struct Numbers([AtomicU64; WORDS]);

impl Numbers {
    /// The smallest number that is free.
    fn take(&self) -> Option<usize> {
        self.0.iter().enumerate().find_map(|(index, word)| {
            let mut bits = word.load(Relaxed);
            while bits != u64::MAX {
                let free = bits.trailing_ones();
                // ORDERING: Acquire, pairs with the Release in `give_back`: the
                // counts that the number's last owner left are those that this
                // one goes on from.
                bits = word.fetch_or(1 << free, Acquire);
                if bits & (1 << free) == 0 {
                    return Some(index * 64 + free as usize);
                }
            }
            None
        })
    }

    fn give_back(&self, number: usize) {
        // ORDERING: Release, pairs with the Acquire in `take`.
        self.0[number / 64].fetch_and(!(1 << (number % 64)), Release);
    }
}

#[cfg(not(any(dynaphore_loom, dynaphore_shuttle)))]
mod local {
    use std::cell::Cell;

    use super::{AtomicU64, NUMBERS, Numbers, Relaxed, WORDS};

    static NUMBERS_TAKEN: Numbers = Numbers([const { AtomicU64::new(0) }; WORDS]);

    /// Not asked for yet.
    const NONE: usize = usize::MAX;

    std::thread_local! {
        // Two, because one without a destructor costs no check on each access,
        // and can be read as long as the thread runs.
        static NUMBER: Cell<usize> = const { Cell::new(NONE) };
        static GUARD: Guard = const { Guard };
    }

    /// Gives the number back at the end of the thread.
    struct Guard;

    impl Drop for Guard {
        fn drop(&mut self) {
            let number = NUMBER.replace(shared());
            if number < NUMBERS {
                NUMBERS_TAKEN.give_back(number);
            }
        }
    }

    /// This thread's number.
    #[inline]
    pub(crate) fn number() -> usize {
        match NUMBER.get() {
            NONE => first(),
            number => number,
        }
    }

    /// This thread's number, or one larger than any if it has none so far.
    #[inline(always)]
    pub(crate) fn known() -> usize {
        NUMBER.get()
    }

    #[cold]
    fn first() -> usize {
        // A thread that cannot give a number back any more takes none.
        let guard = GUARD.try_with(|_| ()).ok();
        let number = guard.and_then(|()| NUMBERS_TAKEN.take());
        let number = number.unwrap_or_else(shared);
        NUMBER.set(number);
        number
    }

    /// A number for one that owns none.
    fn shared() -> usize {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        NUMBERS + (NEXT.fetch_add(1, Relaxed) % 1024) as usize
    }
}

#[cfg(any(dynaphore_loom, dynaphore_shuttle))]
mod local {
    use std::sync::Arc;

    use super::{AtomicU64, NUMBERS, Numbers, WORDS};
    use crate::sync::{lazy_static, thread_local};

    // Shared, since loom drops its statics before the main thread's locals.
    lazy_static! {
        static ref NUMBERS_TAKEN: Arc<Numbers> =
            Arc::new(Numbers([(); WORDS].map(|()| AtomicU64::new(0))));
    }

    thread_local! {
        static GUARD: Guard = Guard::new();
    }

    struct Guard {
        number: usize,
        numbers: Arc<Numbers>,
    }

    impl Guard {
        fn new() -> Self {
            let numbers = Arc::clone(&NUMBERS_TAKEN);
            let number = numbers.take().expect("fewer threads than numbers");
            Self { number, numbers }
        }
    }

    impl Drop for Guard {
        fn drop(&mut self) {
            self.numbers.give_back(self.number);
        }
    }

    pub(crate) fn number() -> usize {
        GUARD.try_with(|guard| guard.number).unwrap_or(NUMBERS)
    }

    pub(crate) fn known() -> usize {
        number()
    }
}

pub(crate) use local::{known, number};

/// How many threads have counters of their own: two for each that can run at once. More than
/// that are about in most programs, and each that finds no stripe of its own has to share.
pub(crate) fn stripes() -> usize {
    if cfg!(dynaphore_loom) {
        return 1;
    }
    // Asking reads files, so it is done once.
    static THREADS: OnceLock<usize> = OnceLock::new();
    let threads =
        *THREADS.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from));
    (2 * threads).min(NUMBERS)
}

#[cfg(all(test, not(any(dynaphore_loom, dynaphore_shuttle))))]
mod tests {
    use super::*;

    fn numbers() -> Numbers {
        Numbers([const { AtomicU64::new(0) }; WORDS])
    }

    #[test]
    fn the_smallest_that_is_free() {
        let numbers = numbers();
        for expected in 0..70 {
            assert_eq!(numbers.take(), Some(expected));
        }
        for number in [66, 3, 64] {
            numbers.give_back(number);
        }
        for expected in [3, 64, 66, 70] {
            assert_eq!(numbers.take(), Some(expected));
        }
    }

    #[test]
    fn none_when_all_are_taken() {
        let numbers = numbers();
        for _ in 0..NUMBERS {
            assert!(numbers.take().is_some());
        }
        assert_eq!(numbers.take(), None);
        numbers.give_back(NUMBERS - 1);
        assert_eq!(numbers.take(), Some(NUMBERS - 1));
    }

    #[test]
    fn a_thread_keeps_its_number_and_nobody_else_has_it() {
        let own = number();
        assert_eq!(number(), own);
        let other = std::thread::spawn(number).join().unwrap();
        assert_ne!(other, own);
    }
}
