//! Time since a clock was made, by what there is to tell it.

pub(crate) use self::kind::Clock;

/// The standard library's.
#[cfg(all(
    feature = "std",
    not(any(
        test,
        dynaphore_loom,
        dynaphore_shuttle,
        all(target_family = "wasm", target_os = "unknown")
    ))
))]
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

/// Under shuttle, where a schedule must be all that decides, and where nothing tells the
/// time, each look at it takes a microsecond.
#[cfg(any(
    dynaphore_shuttle,
    all(
        not(any(test, dynaphore_loom)),
        any(
            not(feature = "std"),
            all(target_family = "wasm", target_os = "unknown")
        )
    )
))]
mod kind {
    use crate::sync::{AtomicU64, Relaxed};

    #[derive(Default)]
    pub(crate) struct Clock(AtomicU64);

    impl Clock {
        pub(crate) fn nanos(&self) -> u64 {
            self.0.fetch_add(1_000, Relaxed)
        }
    }
}

/// In unit tests it stands still until a test moves it.
#[cfg(all(test, not(any(dynaphore_loom, dynaphore_shuttle))))]
mod kind {
    use crate::sync::{AtomicU64, Relaxed};

    #[derive(Default)]
    pub(crate) struct Clock(AtomicU64);

    impl Clock {
        pub(crate) fn nanos(&self) -> u64 {
            self.0.load(Relaxed)
        }

        pub(crate) fn set(&self, nanos: u64) {
            self.0.store(nanos, Relaxed);
        }
    }
}

/// loom knows no time: it stands still.
#[cfg(dynaphore_loom)]
mod kind {
    #[derive(Default)]
    pub(crate) struct Clock;

    impl Clock {
        pub(crate) fn nanos(&self) -> u64 {
            0
        }
    }
}
