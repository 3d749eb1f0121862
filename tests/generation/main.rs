//! Tokens, increments, and those who wait.

#[path = "../common/mod.rs"]
mod common;
mod threads;
mod turns;
mod waiting;
