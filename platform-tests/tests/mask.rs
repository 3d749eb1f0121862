//! What the program masks interrupts with is called as said.

use std::{
    cell::Cell,
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Wake, Waker},
};

use dynaphore::{Fairness, Semaphore, mask_interrupts_with};

thread_local! {
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    static MASKED: Cell<usize> = const { Cell::new(0) };
}

fn mask() -> usize {
    MASKED.set(MASKED.get() + 1);
    DEPTH.replace(DEPTH.get() + 1)
}

fn unmask(before: usize) {
    assert_eq!(DEPTH.replace(before), before + 1, "not in pairs");
}

/// Woken, cloned and dropped with nothing masked.
#[derive(Default)]
struct Looks(AtomicUsize);

impl Wake for Looks {
    fn wake(self: Arc<Self>) {
        assert_eq!(DEPTH.get(), 0);
        self.0.fetch_add(1, SeqCst);
    }
}

impl Drop for Looks {
    fn drop(&mut self) {
        assert_eq!(DEPTH.get(), 0);
    }
}

/// How often interrupts are masked by `run`.
fn masked(run: impl FnOnce()) -> usize {
    let before = MASKED.get();
    run();
    assert_eq!(DEPTH.get(), 0);
    MASKED.get() - before
}

// One test: what is set is set for all.
#[test]
fn while_a_lock_is_held_and_only_then() {
    assert!(mask_interrupts_with(mask, unmask));
    assert!(
        !mask_interrupts_with(|| 7, |_| panic!()),
        "the first counts"
    );
    for fairness in [Fairness::Fifo, Fairness::Barging, Fairness::Eventual] {
        let semaphore = Semaphore::builder(1).fairness(fairness).build();
        let without_lock = masked(|| {
            let held = semaphore.try_acquire().unwrap();
            assert!(semaphore.try_acquire().is_err());
            assert_eq!(semaphore.snapshot().active, 1);
            drop(held);
            semaphore.set_max(2);
            semaphore.set_max(1);
        });
        assert_eq!(without_lock, 0);

        let looks = Arc::new(Looks::default());
        let held = semaphore.try_acquire().unwrap();
        let mut waiter = pin!(semaphore.acquire());
        let waker = Waker::from(looks.clone());
        let waits = masked(|| {
            let polled = waiter.as_mut().poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending());
        });
        assert!(waits > 0);
        assert!(masked(|| drop(held)) > 0);
        assert_eq!(looks.0.load(SeqCst), 1);
    }
}
