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
//! use dynaphore::{Semaphore, rayon::ThrottleExt};
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
//! - a job that waits for jobs of *another* pool which need its permits, or for anything
//!   else that rayon does not know of, while its thread is blocked.
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
//! no worker waits by itself.
//!
//! A spawned job that waits keeps its semaphore and its pool, and the semaphore's line keeps
//! the job: if nobody is left who could give it a permit, none of them is ever dropped.
//! [Close](crate::Semaphore::close) the semaphore before the last handle goes.
//!
//! # Why everything goes on
//!
//! Calls are numbered as they begin (`frames`). A call may use what is suspended in an item
//! that began before it.
//!
//! 1. *What a suspended item waits for is younger than the item.* It waits for jobs that it
//!    has begun, and for whatever lies on top of it or of them; all of that began later. (A
//!    call that stays out of its source on top of something younger does not do so, see
//!    `leaf`; the helper of a scope counts from when it came to lie there.)
//! 2. *Of all calls that wait, the youngest goes on.* What it needs is held by items, by
//!    requests that were granted to calls which lie beneath something else, or by somebody
//!    outside. If any of the items is at work, it will end. If all are suspended, take one:
//!    by 1 it waits, in the end, for a call that waits for permits and is younger than the
//!    item. That one is no younger than ours, so our call is younger than the item, and may
//!    use its permits. The same goes for a granted request, which counts as suspended.
//! 3. *It finds them.* The thread that they lie on is doing something on top, and will come to
//!    wait in rayon, which runs the broadcasts of `wait`, or here. What one item has too
//!    little of comes from over max.
//! 4. So some call ends, and the next is the youngest.
//!
//! Nothing that was set aside is left alone: whoever adds a job calls `tend` *afterwards*,
//! which spawns a helper for each that finds permits; in a scope, one helper at least, which
//! waits if it finds none. A call that returns waits itself. A keeper leaves when nothing is
//! set aside, and all who stop running jobs call `tend`, also in a panic.
//!
//! # The parts
//!
//! | file | what it is about |
//! |---|---|
//! | `source` and `keyed` | all that is asked of a semaphore |
//! | `frames` | what is suspended on this thread |
//! | `wait` | waiting on a worker, and lending to who starves |
//! | `call` | what is set aside, helpers, and who waits on their behalf |
//! | `iter` and `leaf` | parallel iterators: the calls, and the items |
//! | `scope` | jobs that borrow |
//! | `throttle` | jobs of their own |

mod call;
mod frames;
mod iter;
#[cfg(feature = "keyed")]
mod keyed;
mod leaf;
mod scope;
mod source;
mod throttle;
mod wait;

pub use iter::{ThrottleExt, Throttled};
#[cfg(feature = "keyed")]
pub use keyed::{KeyedSource, OwnedKeyedSource};
pub use scope::ScopeThrottle;
pub use source::Source;
pub use throttle::{Throttle, ThrottlePermit};
