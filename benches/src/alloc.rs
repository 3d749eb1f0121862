//! The global allocator of every program here: the system's, with a count.
//!
//! The only file of the package with unsafe code.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Off while time is measured: a shared counter would slow down just those
/// subjects that allocate.
static ENABLED: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
/// Bytes allocated less bytes freed since counting began.
static GROWTH: AtomicI64 = AtomicI64::new(0);
/// The most that `GROWTH` has been.
static PEAK: AtomicI64 = AtomicI64::new(0);

struct Counting;

/// A block of `old` bytes (0: there was none) became one of `new` bytes (0:
/// there is none any more).
fn note(old: usize, new: usize) {
    if ENABLED.load(Relaxed) {
        let change = new as i64 - old as i64;
        let growth = GROWTH.fetch_add(change, Relaxed) + change;
        if new > 0 {
            ALLOCATIONS.fetch_add(1, Relaxed);
            PEAK.fetch_max(growth, Relaxed);
        }
    }
}

// SAFETY: every call goes to `System` unchanged, and counting neither
// allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(0, layout.size());
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(0, layout.size());
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        note(layout.size(), new_size);
        // SAFETY: `old` came from `System` by way of this allocator.
        unsafe { System.realloc(old, layout, new_size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        note(layout.size(), 0);
        // SAFETY: `block` came from `System` by way of this allocator.
        unsafe { System.dealloc(block, layout) }
    }
}

/// What all threads together did to the heap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heap {
    /// How many allocations, growing one in place included.
    pub allocations: u64,
    /// Live bytes at the end less those at the beginning.
    pub growth: i64,
    /// The most by which the live bytes ever exceeded those at the beginning.
    pub peak: i64,
}

/// What happens to the heap while `body` runs. Two calls at once run one after
/// the other.
pub fn watch(body: impl FnOnce()) -> Heap {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);

    ALLOCATIONS.store(0, Relaxed);
    GROWTH.store(0, Relaxed);
    PEAK.store(0, Relaxed);
    ENABLED.store(true, Relaxed);
    body();
    ENABLED.store(false, Relaxed);
    Heap {
        allocations: ALLOCATIONS.load(Relaxed),
        growth: GROWTH.load(Relaxed),
        peak: PEAK.load(Relaxed),
    }
}

/// How many allocations `body` makes; see [`watch`].
pub fn count(body: impl FnOnce()) -> u64 {
    watch(body).allocations
}

/// What to look at; counting takes time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// The time.
    Clock,
    /// The heap.
    Heap,
}

impl Watch {
    /// Runs `body`; what is not looked at is zero.
    pub fn run(self, body: impl FnOnce()) -> (Duration, Heap) {
        match self {
            Self::Clock => {
                let start = Instant::now();
                body();
                (start.elapsed(), Heap::default())
            }
            Self::Heap => (Duration::ZERO, watch(body)),
        }
    }
}
