//! Throttled jobs in rayon's pools: limited by a [`Semaphore`](crate::Semaphore), and no worker is
//! blocked.
//!
//! A job that blocks a rayon worker until it has a permit takes that worker from
//! all other work. It may do worse: a worker that waits for a nested job takes
//! on any other, which may want the same permit, on top of a job that holds it;
//! then nothing moves any more. Here a job without a permit is no blocked
//! thread: it is a closure or an item, set aside, and in the semaphore's own
//! line. So rayon jobs, async tasks and blocked threads stand in one line, under
//! one max, with one fairness.
//!
//! | what there is to do | how |
//! |---|---|
//! | jobs of their own, begun here and there | [`Throttle::spawn`] |
//! | jobs that borrow, in a [`rayon::Scope`] | [`ScopeThrottle::spawn`] |
//! | a few of those | [`Throttle::scope_spawn`] |
//! | a collection or an iterator | [`ThrottleExt`] |
//! | mostly waiting: network, timers | an async task and [`acquire`](crate::Semaphore::acquire) |
//!
//! # Examples
//!
//! ```
//! use dynaphore::{Semaphore, throttle::ThrottleExt};
//! use rayon::prelude::*;
//!
//! let disk = Semaphore::new(2);
//! (0..100).into_par_iter().throttle_for_each(&disk, |_| assert!(disk.active() <= 2))?;
//! # Ok::<(), dynaphore::AcquireError>(())
//! ```
//!
//! # Nesting
//!
//! A throttled job may run other rayon jobs and wait for them, and those may be throttled by
//! the same semaphore, with any weights up to max. **A permit belongs to what is at work.**
//! While an item or job waits for other rayon jobs it is suspended: its thread does
//! something else on top of it, and it cannot go on before that has ended. So calls that
//! have begun since may use its permits:
//!
//! - on top of it, on its own thread, at once, and with them what is free, ahead of the
//!   line (whose first may wait for what is suspended);
//! - on any other thread, when they have waited for 200 microseconds: then the thread on
//!   which the permits lie suspended lends them, and returns to its item when they are back.
//!
//! With a permit for each, never more than max *threads* are at work in throttled items.
//! Where no call begins within an item, nor on top of one by chance, never more than max
//! items are begun and not ended.
//!
//! A call that needs more than that waits in line for all that it needs. When it has waited
//! for 10 milliseconds it takes the rest ahead of the line and **over max**: for a moment
//! more permits are out, as after a shrink
//! ([`Snapshot::excess`](crate::Snapshot::excess)). It is max - 1 at most for each item
//! that is suspended, and nothing where all weights are equal. What needs more than max
//! waits until max is raised, here as anywhere.
//!
//! What waits for ever if nobody else gives a permit back:
//!
//! - a job that waits for permits that it took by other means itself, such as
//!   [`blocking_acquire`](crate::Semaphore::blocking_acquire);
//! - a job that blocks its worker until it has a permit by such means, if the other workers are
//!   blocked, too: a helper with that permit may be on its way, and nobody is there to run it;
//! - a job that waits for jobs of *another* pool which need its permits, or for anything
//!   else that rayon does not know of, while its thread is blocked;
//! - a call that needs permits of a job of *another* pool, where nobody waits for permits: who
//!   does has the workers of its own pool look for permits to lend, and of no other.
//!
//! A thread that waits runs other jobs meanwhile, throttled ones among them, as in all of
//! rayon. So a job must not hold a lock while it waits for nested rayon work, if another
//! job of the pool takes the same lock; in a scope, that is any of its jobs, also at a max
//! of 1. And a call whose items are all done returns only when what its thread has taken on
//! meanwhile has ended, even if that waits through a pause of another semaphore.
//!
//! Calls that wait lie on a worker's stack, one upon the other, since each looks for other
//! jobs. Beyond 32 of them on one stack the next looks only every 2, 4, 8, ...
//! milliseconds, so that the depth is bounded by the logarithm of the time. A caller that is
//! no worker waits by itself, and runs no item: those of an iterator that rayon does not split
//! are all set aside for the workers. Within [`install`](rayon::ThreadPool::install) it is one.
//!
//! A spawned job that waits is dropped with the last handle on its semaphore, keyed or not:
//! nobody is left who could let it in.

mod call;
mod frames;
mod iter;
mod leaf;
mod scope;
pub(crate) mod source;
mod spawn;
mod wait;

#[cfg(feature = "keyed")]
pub use crate::keyed::{KeyedSource, OwnedKeyedSource};
pub use iter::{ThrottleExt, Throttled};
pub use scope::ScopeThrottle;
pub use source::Source;
pub use spawn::{Throttle, ThrottlePermit};
