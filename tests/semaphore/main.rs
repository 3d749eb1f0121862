//! The semaphore: its calls, alone and from many threads.

mod accounting;
mod api;
mod blocking;
mod close;
#[path = "../common/mod.rs"]
mod common;
mod drop_in;
mod empty_line;
mod fairness;
mod futurelock;
mod lend;
mod lifetime;
mod matrix;
mod max_waiting;
mod ordering;
mod overdue;
mod reentrancy;
mod resize_races;
mod resizing;
mod stress;
mod tokio_suite;
mod until;
mod up_to;
mod waker_panics;
mod wakeups;
mod weighted;
