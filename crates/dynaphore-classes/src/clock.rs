//! The time, in nanoseconds. In unit tests it stands still until it is moved.

/// A clock that starts at zero.
#[cfg(not(test))]
pub(crate) struct Clock(std::time::Instant);

#[cfg(not(test))]
impl Clock {
    pub(crate) fn start() -> Self {
        Self(std::time::Instant::now())
    }

    pub(crate) fn now(&self) -> u64 {
        // Over 500 years.
        self.0.elapsed().as_nanos() as u64
    }
}

#[cfg(test)]
pub(crate) struct Clock(std::sync::atomic::AtomicU64);

#[cfg(test)]
impl Clock {
    pub(crate) fn start() -> Self {
        Self(std::sync::atomic::AtomicU64::new(0))
    }

    pub(crate) fn now(&self) -> u64 {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }

    pub(crate) fn set(&self, now: u64) {
        self.0.store(now, std::sync::atomic::Ordering::Relaxed);
    }
}
