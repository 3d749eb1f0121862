//! Requests for several permits: how they are served together with light ones.

use std::task::Poll;

use dynaphore::Semaphore;
use tokio_test::task::spawn;

/// Found while the hand-over was made cheaper: it stopped after an exact one,
/// although what had been too little for the heavy waiter suits the light one.
#[test]
fn what_an_exact_hand_over_leaves_goes_to_the_next() {
    let semaphore = Semaphore::new(3);
    let held = semaphore.try_acquire_many(2).unwrap();
    let mut heavy = spawn(semaphore.acquire_many(2));
    let mut light = spawn(semaphore.acquire());
    assert!(heavy.poll().is_pending() && light.poll().is_pending());

    drop(held);
    assert!(heavy.is_woken() && light.is_woken());
    assert!(matches!(light.poll(), Poll::Ready(Ok(_))));
}
