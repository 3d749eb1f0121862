//! What is behind [`throttle`](crate::throttle): that module says what it does.
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
//! 3. *It finds them.* The thread that they lie on is a worker: no other runs items. It is
//!    doing something on top, and will come to wait in rayon, which runs the broadcasts of
//!    `wait`, or here. What one item has too little of comes from over max.
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
//! | `source` | all that is asked of a semaphore |
//! | `parker` | where a thread naps |
//! | `frames` | what is suspended on this thread |
//! | `wait` | waiting on a worker, and lending to who starves |
//! | `call` | what is set aside, helpers, and who waits on their behalf |
//! | `iter` and `leaf` | parallel iterators: the calls, and the items |
//! | `scope` | jobs that borrow |
//! | `throttle` | jobs of their own |

mod call;
mod frames;
mod iter;
mod leaf;
mod parker;
mod scope;
pub(crate) mod source;
mod throttle;
mod wait;

pub use iter::{ThrottleExt, Throttled};
pub use scope::ScopeThrottle;
pub use source::Source;
pub use throttle::{Throttle, ThrottlePermit};
