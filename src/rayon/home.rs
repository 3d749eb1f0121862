//! Which pool a job runs in.

use std::{
    cell::Cell,
    fmt,
    sync::{Arc, LazyLock, mpsc},
    thread,
};

use rayon::ThreadPool;

/// The pool that the jobs of a throttle run in.
#[derive(Clone)]
pub(super) enum Home {
    /// rayon's own.
    Global,
    Pool(Arc<ThreadPool>),
}

type Job = Box<dyn FnOnce() + Send>;

thread_local! {
    /// This thread is known to be a worker of the global pool.
    static IN_GLOBAL: Cell<bool> = const { Cell::new(false) };
}

/// A thread in no pool. `rayon::spawn` takes the pool that the caller is a
/// worker of, and rayon has no handle on the global one: from within another
/// pool a job gets there by way of this thread.
static PORTER: LazyLock<mpsc::Sender<Job>> = LazyLock::new(|| {
    let (sender, jobs) = mpsc::channel::<Job>();
    thread::Builder::new()
        .name("dynaphore-porter".to_owned())
        .spawn(move || {
            // So that workers of the global pool need no porter any more.
            rayon::spawn_broadcast(|_| IN_GLOBAL.set(true));
            for job in jobs {
                rayon::spawn(job);
            }
        })
        .unwrap_or_else(|error| panic!("no thread to carry jobs to the global pool: {error}"));
    sender
});

impl Home {
    /// Spawns `job`. From one of the pool's own workers it goes to the top of
    /// that worker's stack of jobs, from elsewhere to the end of the pool's
    /// queue.
    pub(super) fn spawn(&self, job: impl FnOnce() + Send + 'static) {
        match self {
            Self::Pool(pool) => pool.spawn(job),
            Self::Global if IN_GLOBAL.get() => rayon::spawn(job),
            Self::Global if rayon::current_thread_index().is_none() => rayon::spawn(|| {
                IN_GLOBAL.set(true);
                job();
            }),
            Self::Global => {
                // The porter never ends.
                let _ = PORTER.send(Box::new(job));
            }
        }
    }
}

impl fmt::Debug for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Global => "Global",
            Self::Pool(_) => "Pool",
        })
    }
}
