//! A semaphore for each key. From the bottom up: `entry` is one key in use, `table` the keys
//! of one shard, `shards` the locks around the tables and the protocol of it all. On these
//! stand the semaphore, its permits, and the calls that take them.

// In the order in which a caller reads of them, which is rustdoc's.
mod builder;

mod acquire;

mod blocking;

mod semaphore;

mod watch;

mod entry;
mod key;
mod permit;
mod shards;
#[cfg(all(feature = "rayon", not(dynaphore_loom)))]
mod source;
mod table;

pub use acquire::{KeyedAcquire, KeyedAcquireOwned, KeyedAcquireUntil};
pub use builder::KeyedBuilder;
pub use key::ToKey;
pub use permit::{KeyedPermit, OwnedKeyedPermit};
pub use semaphore::KeyedSemaphore;
#[cfg(all(feature = "rayon", not(dynaphore_loom)))]
pub use source::{KeyedSource, OwnedKeyedSource};
