//! Which permits are timed.
//!
//! A look at the clock costs more than a permit. So where many permits follow each other
//! quickly, one is timed and stands for several, such that the looks are some microseconds
//! apart. Where they are slower, or few, each is timed and stands for itself.
//!
//! Permits are numbered as they are handed out. The numbers are cut into blocks of 1, 2, 4
//! and so on up to 256. Of each block one number is timed, drawn at random, or what comes in
//! turns might be seen on every other turn only; it stands for the block. How large the next
//! block is, and which number is drawn, is decided when that of the last one comes.
//!
//! So where all are slow each is timed exactly, and everywhere the sum of what the timed
//! stand for is that of the blocks: it differs from the number of permits by less than the
//! last block, on a stripe that belongs to one thread. Threads that share a stripe may be
//! past the number by the time it is drawn; then the next one to come is timed for it.

use std::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

use super::packed::Start;

/// Where looks at the clock are closer to each other, in nanoseconds, blocks get larger.
const CLOSE: u64 = 2_000;
/// Where they are as far from each other, blocks get smaller.
const FAR: u64 = 4 * CLOSE;
/// But not before so many in a row have been close.
const IN_A_ROW: u64 = 16;
/// The largest are of 2^this.
const LARGEST: u8 = 8;
/// Nobody is to be timed.
const NEVER: u64 = u64::MAX;

pub(super) struct Pace {
    /// How many permits have been handed out.
    handed_out: AtomicU64,
    /// Whoever hands out this number, or a later one, times it.
    next: AtomicU64,
    /// The last number of the block. This and what follows is for whoever times.
    end: AtomicU64,
    /// The block is of 2^this.
    size: AtomicU64,
    /// When the last one was timed.
    last: AtomicU64,
    /// So many in a row have been close.
    close: AtomicU64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            handed_out: AtomicU64::new(0),
            next: AtomicU64::new(1),
            end: AtomicU64::new(1),
            size: AtomicU64::new(0),
            last: AtomicU64::new(0),
            close: AtomicU64::new(0),
        }
    }
}

/// Adds one, by a plain store where only one thread counts. Returns the sum.
#[inline]
pub(super) fn count_one(count: &AtomicU64, is_owned: bool) -> u64 {
    if is_owned {
        let sum = count.load(Relaxed).wrapping_add(1);
        count.store(sum, Relaxed);
        sum
    } else {
        count.fetch_add(1, Relaxed).wrapping_add(1)
    }
}

impl Pace {
    /// A permit is handed out, always by the same thread if that `is_owned`. If it is timed,
    /// its start.
    #[inline]
    pub(super) fn hand_out(&self, is_owned: bool, now: impl FnOnce() -> u64) -> Option<Start> {
        if count_one(&self.handed_out, is_owned) >= self.next.load(Relaxed) {
            self.time(now)
        } else {
            None
        }
    }

    /// One that is to be timed is, unless another thread has come first.
    #[cold]
    fn time(&self, now: impl FnOnce() -> u64) -> Option<Start> {
        let next = self.next.load(Relaxed);
        // ORDERING: Acquire, pairs with the Release below: who times sees what the last one
        // has left.
        let first = next != NEVER
            && self
                .next
                .compare_exchange(next, NEVER, Acquire, Relaxed)
                .is_ok();
        first.then(|| self.time_next(now()))
    }

    fn time_next(&self, now: u64) -> Start {
        let since = now.saturating_sub(self.last.load(Relaxed));
        let size = self.size.load(Relaxed) as u8;
        let close = match since {
            CLOSE.. => 0,
            _ => self.close.load(Relaxed) + 1,
        };
        let next_size = match since {
            // Blocks that are half as large are half as far from each other.
            FAR.. => size.saturating_sub((since / (FAR / 2)).ilog2() as u8),
            _ if close >= IN_A_ROW => LARGEST.min(size + 1),
            _ => size,
        };
        let end = self.end.load(Relaxed);
        let spread = (now ^ end).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let drawn = spread >> 32 & ((1 << next_size) - 1);
        self.last.store(now, Relaxed);
        self.close.store(close, Relaxed);
        self.size.store(u64::from(next_size), Relaxed);
        self.end.store(end + (1 << next_size), Relaxed);
        // ORDERING: Release, pairs with the Acquire in `time`.
        self.next.store(end + 1 + drawn, Release);
        Start {
            nanos: now,
            stands_for: size,
        }
    }
}

#[cfg(all(test, not(dynaphore_loom)))]
mod tests {
    use super::{IN_A_ROW, LARGEST, Pace};

    /// What those that are timed stand for, of `count` permits that are `apart` nanoseconds.
    fn stand_for(pace: &Pace, now: &mut u64, count: u64, apart: u64) -> u64 {
        let mut all = 0;
        for _ in 0..count {
            *now += apart;
            if let Some(start) = pace.hand_out(true, || *now) {
                all += 1 << start.stands_for;
            }
        }
        all
    }

    #[test]
    fn where_permits_are_far_apart_each_stands_for_itself() {
        let pace = Pace::default();
        let mut now = 0;
        for _ in 0..1_000 {
            assert_eq!(stand_for(&pace, &mut now, 1, 5_000), 1);
        }
    }

    #[test]
    fn a_few_that_are_close_stand_for_themselves() {
        let pace = Pace::default();
        let mut now = 0;
        for _ in 0..10 {
            now += 1_000_000;
            for _ in 0..IN_A_ROW {
                assert_eq!(stand_for(&pace, &mut now, 1, 5), 1);
            }
        }
    }

    #[test]
    fn where_they_are_close_looks_at_the_clock_are_rare_and_the_sum_is_right() {
        let pace = Pace::default();
        let (mut now, mut looks) = (0, 0);
        let mut sum = 0;
        for _ in 0..100_000 {
            let one = stand_for(&pace, &mut now, 1, 5);
            looks += u64::from(one > 0);
            sum += one;
        }
        assert!(looks < 500, "{looks}");
        assert!(sum.abs_diff(100_000) < 1 << LARGEST, "{sum}");
        // Soon after, each is timed again.
        sum += stand_for(&pace, &mut now, 2 << LARGEST, 1_000_000);
        assert_eq!(sum, 100_000 + (2 << LARGEST));
        assert_eq!(stand_for(&pace, &mut now, 1, 1_000_000), 1);
    }

    #[test]
    fn what_comes_in_turns_is_seen_on_every_turn() {
        let pace = Pace::default();
        let mut seen = [0, 0];
        let mut now = 0;
        for number in 0..100_000 {
            seen[number % 2] += stand_for(&pace, &mut now, 1, 50);
        }
        assert!(seen.iter().all(|&one| one > 30_000), "{seen:?}");
    }
}
