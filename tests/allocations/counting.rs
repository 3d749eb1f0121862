//! An allocator that counts, for each thread by itself.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

/// What a thread has done so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    pub allocations: usize,
    /// Allocated and not freed by this thread.
    pub bytes: isize,
    /// The most that `bytes` has been.
    pub peak: isize,
}

thread_local! {
    static COUNT: Cell<Count> = const {
        Cell::new(Count { allocations: 0, bytes: 0, peak: 0 })
    };
}

/// What this thread has done so far.
pub fn count() -> Count {
    COUNT.get()
}

/// Forgets the peak that was.
pub fn reset_peak() {
    let now = COUNT.get();
    COUNT.set(Count {
        peak: now.bytes,
        ..now
    });
}

fn note(allocations: usize, bytes: isize) {
    // A cell without a destructor: it is there as long as the thread is.
    let now = COUNT.get();
    let bytes = now.bytes + bytes;
    COUNT.set(Count {
        allocations: now.allocations + allocations,
        bytes,
        peak: now.peak.max(bytes),
    });
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

// SAFETY: everything is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(1, layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        note(0, -(layout.size() as isize));
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(1, size as isize - layout.size() as isize);
        unsafe { System.realloc(memory, layout, size) }
    }
}
