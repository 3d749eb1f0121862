//! A semaphore for each key. From the bottom up: `entry` is one key in use, `table` the keys
//! of one shard, `shards` the locks around the tables and the protocol of it all. On these
//! stand the semaphore, its permits, and the calls that take them.

mod acquire;
mod blocking;
mod entry;
mod key;
mod permit;
#[cfg(all(feature = "rayon", not(dynaphore_loom)))]
mod rayon;
mod semaphore;
mod shards;
mod table;
mod watch;

pub use acquire::{KeyedAcquire, KeyedAcquireOwned};
pub use key::ToKey;
pub use permit::{KeyedPermit, OwnedKeyedPermit};
#[cfg(all(feature = "rayon", not(dynaphore_loom)))]
pub(crate) use rayon::KeyRequest;
pub use semaphore::{KeyedBuilder, KeyedSemaphore};
