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
//! A throttled job may run other rayon jobs and wait for them, and those may be
//! throttled by the same semaphore. They need permits while the job around them
//! keeps its own; with a max of 1 there is no other. So **a job that is
//! suspended shares its permits**: where no other can be had, a nested job runs
//! under those of the job around it, which waits for it anyway. In more detail:
//!
//! - A throttled call that is begun by a thread within a job, on top of it, finds
//!   no permit and shares those of the job beneath. (Also where the thread only
//!   came by that call while it waited for something nested: the job beneath
//!   cannot go on before.) A thread does one thing at a time, so there are never
//!   more than max *threads* at work in throttled jobs. Where no call begins
//!   within a job, there are never more than max *jobs* begun and not ended.
//! - Jobs of a scope that wait for a permit may be looked after by a thread that
//!   is in another job of the scope, and waits there for something nested. If all
//!   of the scope's jobs that have begun are suspended in this way, they share
//!   their permits with those that have not: then, too, the bound is on threads.
//! - If the nested job is stolen by another worker, it asks all workers for the
//!   loan of a permit. One that waits within an older job than the call lends
//!   its own, and does not return to its job before the loan is back.
//! - A nested job can share no more permits than the job around it has. If it
//!   needs more, it waits for them in line like any other, but not for ever behind
//!   somebody who waits for what those jobs have: when it has waited for 50
//!   milliseconds, and while no item or job of its call runs, it takes what is free
//!   ahead of the line. If they can never be had, since the jobs around it keep too
//!   many, it is refused with a panic that says so.
//! - So is one of several that wait for each other: all permits that are out are
//!   held by jobs that wait, and each of the nested calls needs more than are free.
//!   The panic gives back what the jobs around it hold, and the others go on.
//! - Whether a job on another thread is around a call or only beside it cannot be seen.
//!   There, a call is refused only once no worker of the pool goes on, nobody
//!   outside has a permit, and no call in the pool waits for the permits of another
//!   semaphore or key. A call that a worker begins by chance on top of a job, and that
//!   needs more than that one leaves, is refused as if it were nested in it: the job
//!   cannot go on before the call has ended.
//!
//! What cannot be seen, and waits for ever if nobody else gives a permit back:
//!
//! - permits that a job took by other means, such as
//!   [`blocking_acquire`](crate::Semaphore::blocking_acquire);
//! - jobs of *another* pool for which a throttled job waits, or anything else for which
//!   it waits with [`rayon::yield_now`] (a call beside it that needs more than it leaves
//!   may be refused meanwhile);
//! - jobs that wait for each other by way of *two* semaphores or keys, each with permits
//!   of the one and in need of those of the other.
//!
//! # How it works
//!
//! The parts, and who may do what:
//!
//! - `waiting` is a spawned job that waits: a future in the semaphore's line,
//!   whose waker spawns what remains to be done. It has its own argument.
//! - A *crew* sees to what was set aside in one iterator call or scope: the
//!   *jobs*, under a lock; *runners*, which are jobs of the scope that carry a
//!   permit and take one job after another; and at most one *keeper*, which
//!   stands in line for more permits and hires a runner for each. How many
//!   runners there are, and whether there is a keeper, are in the crew's *duty*,
//!   under a lock of its own (taken before that of the jobs, if both are).
//! - The keeper blocks. It does so on a *broker*, a thread in a pool of its own:
//!   the worker that called it there goes on with other jobs, which is the one
//!   way that rayon's public interface has to wait for something else.
//! - `frames` knows what the jobs on a thread's stack hold, `stuck` which nested
//!   calls starve on top of them, `asks` what keepers wait for, and `census` whether a
//!   whole pool stands still.
//!
//! Why no job stays behind:
//!
//! 1. Whoever adds a job, and whoever stops running jobs, calls `tend`
//!    *afterwards*. While there are jobs and free permits, it spawns runners; if
//!    there are jobs, no free permits and no keeper, a keeper.
//! 2. `tend` leaves the jobs to the runners only if there are as many of them as
//!    workers, or as many on their way as jobs. Each of them will call `tend`
//!    when it stops, also by a panic, since that is done on drop.
//! 3. A keeper leaves when there are no jobs, which it finds with the duty
//!    locked, and strikes itself from the books in the same step. A job added
//!    later finds no keeper in the books (1); one added before is found.
//! 4. A keeper has a request in the semaphore's line whenever one more runner is
//!    of use. Whether it has is decided with the duty locked, and its mailbox is
//!    told of all that may change that later: of the answer, of runners that
//!    stop, of jobs added while it does not ask, and of a queue that has been
//!    emptied. Mail that arrives before the keeper waits is found when it does.
//! 5. A permit never waits for a certain worker: it travels with a runner, which
//!    any worker of the pool can run, also on top of a suspended job.
//! 6. Left is that all permits are held by suspended jobs that wait for those
//!    without. A nested call begins after the job around it got its permit, so
//!    when its keeper pleads, the frame of that job is on some worker's stack. A
//!    worker that waits in it runs the plea, as rayon runs such jobs
//!    ([`rayon::spawn_broadcast`]) before it sleeps, and lends. If the permit is
//!    out on another loan, the keeper is told when that is back, and pleads
//!    again.
//! 7. The keeper of a scope may come to lie on top of runners, which cannot go on
//!    before it leaves. Those do not count as runners, of whichever crew they are
//!    (`onduty`): if a crew has no others, its keeper pleads, for what they have,
//!    too, and nor do they count as so many that another one would be of no use.
//! 8. It may come to lie on plain jobs, too, for which a job waits that has a
//!    permit. So it does not stay on one stack: see `posts`.
//! 9. Workers may be blocked in what feeds an iterator: see `iter/reader`.
//!
//! All this has been run on a thread pool whose threads are shuttle's, under some
//! ten thousand schedules (`shuttle-tests/tests/rayon.rs`).
//!
//! Where locks are: an item or job that gets its permit at once takes none. One
//! that is set aside, and whoever sees to it, take those above for a few
//! instructions; no job runs under them.
//!
//! If the system has no thread left for a broker, the call or the scope that needs
//! one panics.

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
