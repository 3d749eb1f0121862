//! Throttled jobs and parallel iterators.
#![cfg(feature = "rayon")]

mod ahead;
mod beside;
mod bridge;
mod child;
#[path = "../common/mod.rs"]
mod common;
mod form;
mod iter;
#[cfg(feature = "keyed")]
mod keyed;
mod nesting;
mod outside;
mod progress;
mod room;
mod scope;
mod spawn;
mod standstill;
#[cfg(feature = "stats")]
mod stats;
