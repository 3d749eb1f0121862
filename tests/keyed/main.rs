//! A semaphore for each key.
#![cfg(feature = "keyed")]

mod bounds;
mod calls;
#[path = "../common/mod.rs"]
mod common;
mod foreign;
mod resize;
mod stress;
mod wakers;
mod watch;
