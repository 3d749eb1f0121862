//! Weighted fair shares of a [`dynaphore`] semaphore between classes of requests.
//!
//! | type | what it is |
//! |---|---|
//! | [`Classes`] | a semaphore, and the classes that share its permits |
//! | [`ClassPermit`] | permits of a class, given back on drop |
//! | [`AcquireIn`] | the future that waits for them |
//!
//! # Examples
//!
//! ```
//! use std::sync::Arc;
//! use dynaphore::Semaphore;
//! use dynaphore_classes::Classes;
//!
//! # pollster::block_on(async {
//! let classes = Classes::new(
//!     Arc::new(Semaphore::new(100)),
//!     &[("interactive", 8), ("batch", 1)],
//! );
//! let permit = classes.acquire_in("batch").await?;
//! // In the evening:
//! classes.set_shares(&[("interactive", 1), ("batch", 8)]);
//! # drop(permit);
//! # Ok::<(), dynaphore::AcquireError>(())
//! # }).unwrap();
//! ```

#![forbid(unsafe_code)]
#![warn(missing_docs, rust_2018_idioms, unreachable_pub)]

mod classes;
mod clock;
mod line;
mod shares;

pub use classes::{AcquireIn, ClassPermit, Classes};

/// What can be sent and shared, held at compile time.
const _: () = {
    const fn shared<T: Send + Sync + Unpin>() {}

    shared::<Classes>();
    shared::<ClassPermit>();
    shared::<AcquireIn>();
};
