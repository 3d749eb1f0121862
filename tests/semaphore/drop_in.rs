//! One program, written for tokio, with tokio's semaphore and with this one:
//! between the two modules only the `use` line differs.

/// Runs a part of the program to its end, which must come.
fn run(part: impl Future<Output = ()> + Send + 'static) {
    crate::common::watchdog(|| tokio::runtime::Runtime::new().unwrap().block_on(part));
}

mod with_tokio {
    use tokio::sync::{
        AcquireError, OwnedSemaphorePermit, Semaphore, SemaphorePermit, TryAcquireError,
    };

    include!("drop_in/program.rs");
}

mod with_dynaphore {
    use dynaphore::{
        AcquireError, OwnedSemaphorePermit, Semaphore, SemaphorePermit, TryAcquireError,
    };

    include!("drop_in/program.rs");
}
