//! Generations: is anybody still using the old one?
//!
//! | type | what it is |
//! |---|---|
//! | [`Tracker`] | the current generation: take a token, begin the next one |
//! | [`Token`] | says that somebody is still in its generation |
//! | [`Pending`], [`Drained`] | waits until a generation has no tokens any more |
//! | [`Swap`], [`Write`], [`Take`] | two copies of something: one is written while the other is read and reset |
//!
//! # Origin
//!
//! [swaparoo](https://github.com/zeebo/swaparoo), a Go package: two copies, and
//! tokens that are counted for each thread by itself. The protocol is written
//! afresh, for tokens that take no lock and no more than one read-modify-write.
//!
//! # Examples
//!
//! ```
//! use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
//! use dynaphore::generation::Tracker;
//!
//! static TRACKER: Tracker = Tracker::new();
//! static CURRENT: AtomicUsize = AtomicUsize::new(0);
//!
//! // Whoever uses the current one:
//! let token = TRACKER.acquire();
//! let current = CURRENT.load(Relaxed);
//! drop(token);
//!
//! // Whoever replaces it:
//! CURRENT.store(current + 1, Relaxed);
//! TRACKER.increment().wait();
//! // Nobody uses the old one any more.
//! ```

mod barrier;
mod pending;
mod stripes;
mod swap;
mod tracker;

pub use pending::{Drained, Pending};
pub use swap::{Swap, Take, Write};
pub(crate) use tracker::ShortToken;
pub use tracker::{Token, Tracker};

#[cfg(all(test, not(any(dynaphore_loom, dynaphore_shuttle))))]
mod tests {
    //! What cannot be reached from outside.

    use super::{stripes::RING, tracker::Tracker};

    /// Scenario 42.
    #[test]
    fn generations_wrap_around() {
        let tracker = Tracker::starting_at(u64::MAX - 1);
        let mut tokens = Vec::new();
        let mut pendings = Vec::new();
        for expected in [u64::MAX - 1, u64::MAX, 0, 1] {
            let token = tracker.acquire();
            assert_eq!(token.generation(), expected);
            let pending = tracker.increment();
            assert_eq!(pending.generation(), expected);
            assert!(!pending.is_drained());
            tokens.push(token);
            pendings.push(pending);
        }
        // The oldest first: each drains as its token goes.
        for (token, pending) in tokens.into_iter().zip(pendings) {
            assert!(!pending.is_drained());
            drop(token);
            assert!(pending.is_drained());
            pending.wait();
        }
        assert_eq!(tracker.generation(), 2);
    }

    #[test]
    fn copies_hold_up_like_tokens() {
        let tracker = Tracker::new();
        let original = tracker.acquire_short();
        let copy = tracker.copy(&original);
        let pending = tracker.increment();
        // A copy of an old one is as old.
        let another = std::thread::scope(|scope| {
            let copy = scope.spawn(|| tracker.copy(&copy));
            copy.join().unwrap()
        });
        let now = tracker.generation();
        assert_eq!([&copy, &another].map(|token| token.age(now)), [1, 1]);
        tracker.release(original);
        assert!(!pending.is_drained());
        tracker.release(another);
        assert!(!pending.is_drained());
        std::thread::scope(|scope| scope.spawn(|| tracker.release(copy)).join().unwrap());
        assert!(pending.is_drained());
    }

    /// Increments that are not held up each begin a phase, and none goes further.
    #[test]
    fn each_increment_begins_a_phase() {
        let tracker = Tracker::new();
        for phase in 0..3 * RING as u64 {
            assert_eq!(tracker.phase(), phase);
            let pending = tracker.increment();
            assert_eq!(tracker.phase(), phase + 1);
            assert!(pending.is_drained());
            assert_eq!(tracker.phase(), phase + 1);
        }
        let _oldest = tracker.acquire();
        for _ in 0..3 * RING {
            let pending = tracker.increment();
            assert!(!pending.is_drained());
        }
        // No further than to where the oldest is counted.
        assert_eq!(tracker.phase(), 4 * RING as u64 - 1);
    }

    #[test]
    fn a_short_token_counts_a_million_generations() {
        let tracker = Tracker::starting_at(u64::MAX - 1);
        let token = tracker.acquire_short();
        for age in 0..1 << 20 {
            assert_eq!(token.age(tracker.generation()), age);
            let _ = tracker.increment();
        }
        assert_eq!(token.age(tracker.generation()), 0, "as documented");
        tracker.release(token);
    }
}
