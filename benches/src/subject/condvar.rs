//! What one would write by hand to limit threads: a count behind a lock.

use parking_lot::{Condvar, Mutex};

use super::{BlockingAcquire, Subject};

/// A semaphore made of a parking_lot mutex and condition variable.
pub struct ParkingLotCondvar;

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

impl Subject for ParkingLotCondvar {
    const NAME: &'static str = "parking_lot_condvar";
    type Semaphore = Semaphore;

    fn semaphore(permits: usize) -> Semaphore {
        Semaphore {
            free: Mutex::new(permits),
            freed: Condvar::new(),
        }
    }
}

impl BlockingAcquire for ParkingLotCondvar {
    #[inline]
    fn acquire_blocking(semaphore: &Semaphore) -> impl Sized {
        let mut free = semaphore.free.lock();
        while *free == 0 {
            semaphore.freed.wait(&mut free);
        }
        *free -= 1;
        Permit(semaphore)
    }
}
