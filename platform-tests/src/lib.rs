//! Tests that run wherever the crate does: they need no threads, no clock, no unwinding, and
//! less than 16 KiB of memory.
//!
//! On a host they are tests like any others (`cargo test`). Elsewhere `main.rs` runs them
//! one after the other; one that fails ends the program.

#![no_std]

extern crate alloc;

/// Functions that are tests on a host, and can be called anywhere.
macro_rules! tests {
    ($($(#[$meta:meta])* fn $name:ident() $body:block)*) => {
        pub(crate) const ALL: &[crate::Test] = &[
            $((concat!(module_path!(), "::", stringify!($name)), $name),)*
        ];

        $($(#[$meta])* #[cfg_attr(test, test)] fn $name() $body)*
    };
}

mod fairness;
mod generations;
#[cfg(target_has_atomic = "ptr")]
mod owned;
mod resizing;
mod task;
mod tokio;

/// Its name, and what it does.
pub type Test = (&'static str, fn());

/// All tests.
pub fn all() -> impl Iterator<Item = &'static Test> {
    let suites = [
        tokio::ALL,
        #[cfg(target_has_atomic = "ptr")]
        owned::ALL,
        resizing::ALL,
        fairness::ALL,
        generations::ALL,
    ];
    suites.into_iter().flatten()
}
