//! Time since a clock was made, by what there is to tell it.

pub(crate) use self::kind::Clock;

/// The standard library's.
#[cfg(not(any(
    test,
    dynaphore_loom,
    dynaphore_shuttle,
    not(feature = "std"),
    all(target_family = "wasm", target_os = "unknown")
)))]
mod kind {
    pub(crate) struct Clock(std::time::Instant);

    impl Default for Clock {
        fn default() -> Self {
            Self(std::time::Instant::now())
        }
    }

    impl Clock {
        pub(crate) fn nanos(&self) -> u64 {
            // Over 500 years.
            self.0.elapsed().as_nanos() as u64
        }
    }
}

#[cfg(any(
    test,
    dynaphore_loom,
    dynaphore_shuttle,
    not(feature = "std"),
    all(target_family = "wasm", target_os = "unknown")
))]
mod kind {
    use crate::sync::{Relaxed, Unmodelled64};

    /// What each look at it takes: a microsecond, where nothing tells the time, and under
    /// shuttle, where a schedule must be all that decides. In unit tests it stands still until a
    /// test moves it. loom knows no time.
    const STEP: u64 = if cfg!(any(dynaphore_loom, all(test, not(dynaphore_shuttle)))) {
        0
    } else {
        1_000
    };

    #[derive(Default)]
    pub(crate) struct Clock(Unmodelled64);

    impl Clock {
        pub(crate) fn nanos(&self) -> u64 {
            self.0.fetch_add(STEP, Relaxed)
        }

        #[cfg(test)]
        pub(crate) fn set(&self, nanos: u64) {
            self.0.store(nanos, Relaxed);
        }
    }
}
