//! Throttled jobs in a rayon scope.
#![cfg(feature = "rayon")]

mod alone;
#[path = "../rayon/child.rs"]
mod child;
#[path = "../common/mod.rs"]
mod common;
#[path = "../rayon/room.rs"]
mod room;
mod scoped;
