//! What one would write by hand to limit threads: a count behind a lock.

use parking_lot::{Condvar, Mutex};

/// The count of free permits, and who waits for it.
pub struct Semaphore {
    free: Mutex<usize>,
    freed: Condvar,
}

struct Permit<'a>(&'a Semaphore);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        *self.0.free.lock() += 1;
        self.0.freed.notify_one();
    }
}

subject! {
    /// A semaphore made of a parking_lot mutex and condition variable.
    ParkingLotCondvar, "parking_lot_condvar": Semaphore;
    new(permits) Semaphore {
        free: Mutex::new(permits),
        freed: Condvar::new(),
    };
    acquire_blocking(semaphore) {
        let mut free = semaphore.free.lock();
        while *free == 0 {
            semaphore.freed.wait(&mut free);
        }
        *free -= 1;
        drop(free);
        Permit(semaphore)
    };
}
