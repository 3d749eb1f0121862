//! Permits that know their generation, against resizes.
//!
//! As in `generation`, each generation has [`Data`] of its own that its holders
//! write, and that is read by who has waited for it. There is one stripe: the first
//! thread that takes a permit owns it, and counts in by a plain store.

use std::{
    array,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::pin,
    sync::Arc,
    task::{Context, Wake, Waker},
};

use dynaphore::Semaphore;
use dynaphore_loom_tests::{Data, model, spawn};

/// Of two holders, each in generations 0 and 1.
fn data() -> [[Data; 2]; 2] {
    array::from_fn(|_| array::from_fn(|_| Data::new()))
}

/// Holders against a resize: after the wait, no permit that was handed out before
/// is alive, and what its holder did is visible. A permit of the new generation
/// sees what came before the resize.
#[test]
fn resize_drained_sees_all() {
    model(2, || {
        let semaphore = Arc::new(Semaphore::builder(2).generations(true).build());
        let (data, target) = (data(), Data::new());
        let first = semaphore.clone().try_acquire_owned().unwrap();
        let holder = spawn({
            let data = data.clone();
            move || {
                data[0][0].bump();
                drop(first);
            }
        });
        let newcomer = spawn({
            let (semaphore, data, target) = (semaphore.clone(), data.clone(), target.clone());
            move || {
                let permit = semaphore.try_acquire().unwrap();
                let generation = permit.generation().unwrap() as usize;
                data[1][generation].bump();
                if generation == 1 {
                    assert_eq!(target.read(), 1);
                }
            }
        });
        target.bump();
        semaphore.resize(2).blocking_drained();
        assert_eq!(data[0][0].read(), 1);
        let old = data[1][0].read();
        holder.join().unwrap();
        newcomer.join().unwrap();
        assert_eq!(data[1][0].read(), old);
        assert_eq!(data[1][1].read(), 1 - old);
    });
}

/// The token rides along: no fence but the write that takes the permit.
#[test]
fn permit_against_resize() {
    model(3, || {
        let semaphore = Arc::new(Semaphore::builder(1).generations(true).build());
        let (data, target) = (data(), Data::new());
        // The only one that takes permits, so the one that owns the stripe.
        let newcomer = spawn({
            let (semaphore, data, target) = (semaphore.clone(), data.clone(), target.clone());
            move || {
                for data in &data {
                    let permit = semaphore.try_acquire().unwrap();
                    let generation = permit.generation().unwrap() as usize;
                    data[generation].bump();
                    if generation == 1 {
                        assert_eq!(target.read(), 1);
                    }
                }
            }
        });
        target.bump();
        semaphore.resize(1).blocking_drained();
        let old = [0, 1].map(|turn| data[turn][0].read());
        newcomer.join().unwrap();
        for (turn, old) in old.into_iter().enumerate() {
            assert_eq!(data[turn][0].read(), old);
            assert_eq!(data[turn][1].read(), 1 - old);
        }
    });
}

/// A token that is counted in for a permit that is not there holds nothing up.
#[test]
fn permit_that_is_not_there_against_resize() {
    model(3, || {
        let semaphore = Arc::new(Semaphore::builder(1).generations(true).build());
        let newcomer = spawn({
            let semaphore = semaphore.clone();
            move || {
                let first = semaphore.try_acquire().unwrap();
                assert!(semaphore.try_acquire().is_err());
                drop(first);
            }
        });
        semaphore.resize(1).blocking_drained();
        newcomer.join().unwrap();
        assert!(semaphore.resize(1).is_drained());
    });
}

/// One that comes late must not be counted where nobody looks for it any more.
#[test]
fn late_permit_against_two_resizes() {
    model(3, || {
        let semaphore = Arc::new(Semaphore::builder(1).generations(true).build());
        let data: [Data; 3] = array::from_fn(|_| Data::new());
        let newcomer = spawn({
            let (semaphore, data) = (semaphore.clone(), data.clone());
            move || {
                let permit = semaphore.try_acquire().unwrap();
                data[permit.generation().unwrap() as usize].bump();
            }
        });
        semaphore.resize(1).blocking_drained();
        let first = data[0].read();
        semaphore.resize(1).blocking_drained();
        let second = data[1].read();
        newcomer.join().unwrap();
        assert_eq!([0, 1].map(|old| data[old].read()), [first, second]);
        assert_eq!(data[2].read(), 1 - first - second);
    });
}

/// The generation moves on while two permits are merged: the older one counts all
/// the same.
#[test]
fn merge_against_resizes() {
    model(2, || {
        let semaphore = Arc::new(Semaphore::builder(2).generations(true).build());
        let mut older = semaphore.try_acquire().unwrap();
        let drained = semaphore.resize(2);
        let younger = semaphore.try_acquire().unwrap();
        let resizer = spawn({
            let semaphore = semaphore.clone();
            move || {
                for _ in 0..2 {
                    let _ = semaphore.resize(2);
                }
            }
        });
        older.merge(younger);
        assert_eq!(older.generation(), Some(0));
        assert!(!drained.is_drained());
        drop(older);
        assert!(drained.is_drained());
        resizer.join().unwrap();
    });
}

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        resume_unwind(Box::new("a waker's"));
    }
}

/// The phase ends while a newcomer counts itself in, and the waker that it wakes by that
/// panics: the permit that it has taken is not lost.
#[test]
fn permit_against_panicking_waker() {
    model(2, || {
        let semaphore = Arc::new(Semaphore::builder(1).generations(true).build());
        let newcomer = spawn({
            let semaphore = semaphore.clone();
            move || {
                let _ = catch_unwind(AssertUnwindSafe(|| drop(semaphore.try_acquire())));
            }
        });
        let mut drained = pin!(semaphore.resize(1).drained());
        let waker = Waker::from(Arc::new(Panics));
        let mut poll = || drained.as_mut().poll(&mut Context::from_waker(&waker));
        let _ = catch_unwind(AssertUnwindSafe(|| poll().is_ready()));
        newcomer.join().unwrap();
        assert_eq!(semaphore.active(), 0);
    });
}
