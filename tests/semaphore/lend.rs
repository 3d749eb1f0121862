//! Permits that are lent to what their holder waits for.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
};

use crate::common::{Panics, silently};
use dynaphore::{AcquireError, Lent, Semaphore};
use tokio::sync::Barrier;
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task::spawn};

fn lent(semaphore: &Arc<Semaphore>, n: u32) -> Lent {
    let permit = semaphore.clone().try_acquire_many_owned(n).unwrap();
    permit.lend()
}

/// A tree of tasks, each of which needs a permit, and waits for its children.
struct Tree {
    max: usize,
    children: usize,
    at_work: AtomicUsize,
    visited: AtomicUsize,
}

impl Tree {
    async fn work(&self) {
        assert!(self.at_work.fetch_add(1, Relaxed) < self.max);
        tokio::task::yield_now().await;
        self.at_work.fetch_sub(1, Relaxed);
    }

    fn visit(
        self: Arc<Self>,
        above: Lent,
        depth: usize,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let permit = above.acquire().await.unwrap();
            self.visited.fetch_add(1, Relaxed);
            self.work().await;
            if depth > 0 {
                let lent = permit.lend();
                let children: Vec<_> = (0..self.children)
                    .map(|_| tokio::spawn(self.clone().visit(lent.clone(), depth - 1)))
                    .collect();
                for child in children {
                    child.await.unwrap();
                }
                let _permit = lent.back().await.unwrap();
                self.work().await;
            }
        })
    }

    async fn run(max: usize, children: usize, depth: usize) -> usize {
        let semaphore = Arc::new(Semaphore::new(max));
        let tree = Arc::new(Self {
            max,
            children,
            at_work: AtomicUsize::new(0),
            visited: AtomicUsize::new(0),
        });
        tree.clone().visit(lent(&semaphore, 1), depth).await;
        assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
        tree.visited.load(Relaxed)
    }
}

#[tokio::test]
async fn a_tree_of_depth_64_finishes_with_one_permit() {
    assert_eq!(Tree::run(1, 1, 64).await, 65);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_wide_tree_finishes_with_any_max_and_no_more_are_at_work() {
    for max in [1, 2, 3, 7] {
        assert_eq!(Tree::run(max, 3, 5).await, 364, "max {max}");
        assert_eq!(Tree::run(max, 2, 7).await, 255, "max {max}");
    }
}

/// Both wait for each other: they must be at work at once.
#[tokio::test]
async fn what_is_free_is_used_beside_what_is_lent() {
    let semaphore = Arc::new(Semaphore::new(2));
    let lent = lent(&semaphore, 1);
    let both = Arc::new(Barrier::new(2));
    let children = [(); 2].map(|()| {
        let (lent, both) = (lent.clone(), both.clone());
        tokio::spawn(async move {
            let _permit = lent.acquire().await.unwrap();
            both.wait().await;
        })
    });
    for child in children {
        child.await.unwrap();
    }
    drop(lent);
    assert_eq!(semaphore.active(), 0);
}

#[test]
fn what_is_lent_is_taken_before_what_is_free() {
    let semaphore = Arc::new(Semaphore::new(5));
    let lent = lent(&semaphore, 2);
    let _two = [(); 2].map(|()| assert_ready_ok!(spawn(lent.acquire()).poll()));
    assert_eq!(semaphore.active(), 2);
    let _third = assert_ready_ok!(spawn(lent.acquire()).poll());
    assert_eq!(semaphore.active(), 3);
}

#[test]
fn a_child_that_waits_takes_what_comes_first() {
    for from_the_loan in [true, false] {
        let semaphore = Arc::new(Semaphore::new(2));
        let lent = lent(&semaphore, 1);
        let borrowed = assert_ready_ok!(spawn(lent.acquire()).poll());
        let other = semaphore.clone().try_acquire_owned().unwrap();
        let mut waits = spawn(lent.acquire());
        assert_pending!(waits.poll());
        if from_the_loan {
            drop(borrowed);
        } else {
            drop(other);
        }
        assert!(waits.is_woken());
        drop(assert_ready_ok!(waits.poll()));
        assert_eq!(semaphore.waiting(), 0, "it is in no line any more");
    }
}

#[test]
fn the_holder_has_its_permits_back_when_all_have_given_them_back() {
    let semaphore = Arc::new(Semaphore::new(3));
    let lent = lent(&semaphore, 3);
    let other = lent.clone();
    let borrowed = [(); 2].map(|()| assert_ready_ok!(spawn(other.acquire()).poll()));
    let mut back = spawn(lent.back());
    assert_pending!(back.poll());
    let mut late = spawn(other.acquire());
    assert_pending!(late.poll());
    drop(borrowed);
    let permits = assert_ready_ok!(back.poll());
    assert_eq!((permits.num_permits(), semaphore.active()), (3, 3));
    assert_pending!(late.poll());
    assert_eq!(
        assert_ready_err!(spawn(other.back()).poll()),
        AcquireError::Closed
    );
    drop(permits);
    let _permit = assert_ready_ok!(late.poll());
    assert_eq!(semaphore.active(), 1);
}

#[test]
fn a_loan_lasts_until_what_was_borrowed_is_back() {
    let semaphore = Arc::new(Semaphore::new(1));
    let child = assert_ready_ok!(spawn(lent(&semaphore, 1).acquire()).poll());
    let grandchild = assert_ready_ok!(spawn(child.lend().acquire()).poll());
    assert_eq!(semaphore.active(), 1);
    assert!(semaphore.try_acquire().is_err());
    drop(grandchild);
    assert_eq!(semaphore.active(), 0);
}

#[test]
fn one_that_gives_up_leaves_no_trace() {
    let semaphore = Arc::new(Semaphore::new(1));
    let lent = lent(&semaphore, 1);
    let borrowed = assert_ready_ok!(spawn(lent.acquire()).poll());
    let mut waits = spawn(lent.acquire());
    assert_pending!(waits.poll());
    drop(borrowed);
    drop(waits);
    assert_eq!(semaphore.waiting(), 0);
    let _back = assert_ready_ok!(spawn(lent.back()).poll());
}

/// Of both permits that it was granted it takes one, and the other goes to the next in line.
#[test]
fn a_waker_that_panics_as_the_other_permit_is_passed_on_loses_neither() {
    let semaphore = Arc::new(Semaphore::new(1));
    let lent = lent(&semaphore, 1);
    let borrowed = assert_ready_ok!(spawn(lent.acquire()).poll());
    let mut waits = Box::pin(lent.acquire());
    let mut quiet = Context::from_waker(Waker::noop());
    assert!(waits.as_mut().poll(&mut quiet).is_pending());
    let mut next = Box::pin(semaphore.acquire());
    let panicking = Panics::waker("a waker that panics");
    let mut context = Context::from_waker(&panicking);
    assert!(next.as_mut().poll(&mut context).is_pending());
    drop(borrowed);
    semaphore.set_max(2);
    assert!(silently(|| waits.as_mut().poll(&mut quiet)).is_err());
    drop(waits);
    drop(assert_ready_ok!(spawn(next).poll()));
    let _back = assert_ready_ok!(spawn(lent.back()).poll());
    assert_eq!((semaphore.active(), semaphore.waiting()), (1, 0));
}

/// What was lent ends with the request that was the last to know of it, and had another permit.
#[test]
fn a_waker_that_panics_as_the_loan_ends_loses_no_permit() {
    let semaphore = Arc::new(Semaphore::builder(1).generations(true).build());
    let waits = lent(&semaphore, 0).acquire();
    let resize = semaphore.resize(1);
    let mut drained = Box::pin(resize.drained());
    let panicking = Panics::waker("a waker that panics");
    // For some time it has itself polled again.
    let polled = silently(|| drained.as_mut().poll(&mut Context::from_waker(&panicking)));
    assert!(!matches!(polled, Ok(Poll::Ready(()))));
    assert!(silently(|| spawn(waits).poll()).is_err());
    assert!(resize.is_drained());
    assert_eq!(semaphore.active(), 0);
}

#[test]
fn what_was_lent_before_the_end_serves_until_the_end() {
    let semaphore = Arc::new(Semaphore::new(1));
    let lent = lent(&semaphore, 1);
    semaphore.close();
    let borrowed = assert_ready_ok!(spawn(lent.acquire()).poll());
    let other = lent.clone();
    let mut waits = spawn(lent.acquire());
    assert_pending!(waits.poll());
    drop(borrowed);
    drop(assert_ready_ok!(waits.poll()));
    drop(waits);
    let back = assert_ready_ok!(spawn(lent.back()).poll());
    let told = assert_ready!(spawn(other.acquire()).poll());
    assert_eq!(told.unwrap_err(), AcquireError::Closed);
    drop(back);
    assert_eq!(semaphore.active(), 0);
}

/// A loan's own line is cured of futurelocks where the semaphore's is.
#[test]
fn a_kept_future_of_a_loan_holds_up_nobody_of_its_task() {
    let semaphore = Arc::new(Semaphore::builder(1).grant_to_tasks(true).build());
    let lent = lent(&semaphore, 1);
    let held = assert_ready_ok!(spawn(lent.acquire()).poll());
    tokio_test::block_on(async {
        let mut kept = Box::pin(lent.acquire());
        assert!(futures::poll!(&mut kept).is_pending());
        drop(held);
        let asked = futures::poll!(Box::pin(lent.acquire()));
        assert!(asked.is_ready(), "its task has what was granted");
        drop(asked);
        assert!(futures::poll!(&mut kept).is_ready());
    });
    drop(lent);
    assert_eq!(semaphore.active(), 0);
}

#[test]
fn a_long_chain_of_loans_needs_no_stack() {
    let semaphore = Arc::new(Semaphore::new(1));
    let mut chain = lent(&semaphore, 1);
    for _ in 0..100_000 {
        let borrowed = assert_ready_ok!(spawn(chain.acquire()).poll());
        chain = borrowed.lend();
    }
    drop(chain);
    assert_eq!(semaphore.active(), 0);
}
