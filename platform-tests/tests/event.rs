//! The event that the crate has without std, by the unit tests that the other one has too.

#![allow(dead_code)]

extern crate alloc;

#[path = "../../src/event/bare.rs"]
mod event;
#[path = "../../src/foreign.rs"]
mod foreign;

/// What it asks for of `src/sync.rs`.
mod sync {
    pub(crate) use std::sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{Ordering::SeqCst, fence},
    };

    macro_rules! const_fn {
        ($vis:vis fn $($function:tt)*) => {
            $vis const fn $($function)*
        };
    }
    pub(crate) use const_fn;

    pub(crate) struct Lazy<T>(OnceLock<T>);

    impl<T: Default> Lazy<T> {
        pub(crate) const fn new() -> Self {
            Self(OnceLock::new())
        }

        pub(crate) fn get(&self) -> Option<&T> {
            self.0.get()
        }

        pub(crate) fn force(&self) -> &T {
            self.0.get_or_init(T::default)
        }
    }
}
