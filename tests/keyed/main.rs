//! A semaphore for each key.
#![cfg(feature = "keyed")]

mod bounds;
mod calls;
#[path = "../common/mod.rs"]
mod common;
mod foreign;
mod resize;
mod stress;
mod until;
mod wakers;
mod watch;

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use dynaphore::KeyedSemaphore;

fn hosts(max: usize) -> KeyedSemaphore<String> {
    KeyedSemaphore::new(max)
}

fn poll<F: Future>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
}

#[track_caller]
fn assert_no_keys<K, S>(keyed: &KeyedSemaphore<K, S>) {
    assert_eq!(keyed.len(), 0);
    assert!(keyed.is_empty());
}
