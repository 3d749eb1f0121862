//! What a holder did is visible to whoever gets its permit.

use std::task::Poll;

use dynaphore_loom_tests::{
    Count, Data, Waiter, assert_at_rest, block_on, join, model, semaphore, spawn, take,
};

/// max 1 is a mutex: each holder sees what the one before it wrote, whether the
/// permit was handed over or lay there.
#[test]
fn ordering_through_handoff() {
    let (waited, passed) = (Count::default(), Count::default());
    let (waits, passes) = (waited.clone(), passed.clone());
    model(2, move || {
        let s = semaphore(1);
        let data = Data::new();
        let (theirs, shared) = (s.clone(), data.clone());
        let blocking = spawn(move || {
            let permit = theirs.blocking_acquire().unwrap();
            shared.bump();
            drop(permit);
        });
        let (theirs, shared) = (s.clone(), data.clone());
        let future = spawn(move || {
            let permit = block_on(theirs.acquire()).unwrap();
            shared.bump();
            drop(permit);
        });
        let mut own = Waiter::new(&s, 1);
        let permit = match own.poll() {
            Poll::Ready(permit) => {
                passes.add();
                permit.unwrap()
            }
            Poll::Pending => {
                waits.add();
                own.wait().unwrap()
            }
        };
        data.bump();
        drop(permit);
        blocking.join().unwrap();
        future.join().unwrap();
        assert_eq!(data.read(), 3);
        assert_at_rest(&s, 1);
    });
    assert!(waited.get() > 0 && passed.get() > 0);
}

/// A waiter that is polled at any moment, not because it was woken, sees it too:
/// reading the verdict is enough.
#[test]
fn ordering_when_polled_unwoken() {
    let seen = Count::default();
    let seeing = seen.clone();
    model(3, move || {
        let s = semaphore(1);
        let data = Data::new();
        let held = take(&s, 1);
        let mut waiter = Waiter::queued(&s, 1);
        let shared = data.clone();
        let release = spawn(move || {
            shared.bump();
            drop(held);
        });
        let permit = match waiter.poll() {
            Poll::Ready(permit) => {
                seeing.add();
                permit.unwrap()
            }
            Poll::Pending => waiter.wait().unwrap(),
        };
        assert_eq!(data.bump(), 2);
        drop(permit);
        release.join().unwrap();
        assert_at_rest(&s, 1);
    });
    assert!(seen.get() > 0);
}

/// So does one that has stood aside while others were served.
#[test]
fn ordering_when_a_straggler_is_polled_unwoken() {
    let seen = Count::default();
    let seeing = seen.clone();
    model(3, move || {
        let s = semaphore(1);
        let data = Data::new();
        let held = take(&s, 1);
        let mut straggler = Waiter::queued(&s, 2);
        let mut other = Waiter::queued(&s, 1);
        drop(held);
        let held = other.granted();
        s.set_max(2);
        let shared = data.clone();
        let release = spawn(move || {
            shared.bump();
            drop(held);
        });
        let permit = match straggler.poll() {
            Poll::Ready(permit) => {
                seeing.add();
                permit.unwrap()
            }
            Poll::Pending => straggler.wait().unwrap(),
        };
        assert_eq!(data.bump(), 2);
        drop(permit);
        release.join().unwrap();
        assert_at_rest(&s, 2);
    });
    assert!(seen.get() > 0);
}

/// A waiter that drops what it was granted, unseen, passes on what it would have
/// seen.
#[test]
fn ordering_through_cancelled_grant() {
    model(3, || {
        let s = semaphore(1);
        let data = Data::new();
        let held = take(&s, 1);
        let quitter = Waiter::queued(&s, 1);
        let next = Waiter::queued(&s, 1);
        let shared = data.clone();
        let release = spawn(move || {
            shared.bump();
            drop(held);
        });
        let cancel = spawn(move || drop(quitter));
        let permit = next.wait().unwrap();
        assert_eq!(data.bump(), 2);
        drop(permit);
        release.join().unwrap();
        cancel.join().unwrap();
        assert_at_rest(&s, 1);
    });
}

/// A permit that lay there: no waiter, no lock, the word alone.
#[test]
fn ordering_through_the_word() {
    let seen = Count::default();
    let seeing = seen.clone();
    model(3, move || {
        let s = semaphore(1);
        let data = Data::new();
        let writers = [(); 2].map(|()| {
            let (s, data) = (s.clone(), data.clone());
            spawn(move || {
                if let Ok(permit) = s.try_acquire() {
                    data.bump();
                    drop(permit);
                }
            })
        });
        if let Ok(permit) = s.try_acquire() {
            if data.bump() > 2 {
                seeing.add();
            }
            drop(permit);
        }
        join(writers);
        assert!(data.read() > 0);
        assert_at_rest(&s, 1);
    });
    assert!(seen.get() > 0);
}

/// C = 2: the first release is before the third acquire, the second before the
/// fourth.
#[test]
fn ordering_with_two_permits() {
    model(3, || {
        let s = semaphore(2);
        let data = [Data::new(), Data::new()];
        let held = [take(&s, 1), take(&s, 1)];
        let shared = data.clone();
        let release = spawn(move || {
            for (data, held) in shared.iter().zip(held) {
                data.bump();
                drop(held);
            }
        });
        let third = s.blocking_acquire().unwrap();
        assert_eq!(data[0].read(), 1);
        let fourth = block_on(s.acquire()).unwrap();
        assert_eq!(data[1].read(), 1);
        drop((third, fourth));
        release.join().unwrap();
        assert_at_rest(&s, 2);
    });
}

/// The same with two that wait and two that release: whoever holds both permits
/// has seen both releases.
#[test]
fn ordering_with_two_permits_from_two_threads() {
    model(2, || {
        let s = semaphore(2);
        let data = [Data::new(), Data::new()];
        let releases = data.clone().map(|data| {
            let held = take(&s, 1);
            spawn(move || {
                data.bump();
                drop(held);
            })
        });
        let third = s.blocking_acquire().unwrap();
        let fourth = s.blocking_acquire().unwrap();
        assert_eq!(data.each_ref().map(Data::read), [1, 1]);
        drop((third, fourth));
        join(releases);
        assert_at_rest(&s, 2);
    });
}

/// The third and the fourth acquire are on two threads: both come after the
/// first release.
#[test]
fn ordering_with_two_permits_and_two_waiters() {
    model(2, || {
        let s = semaphore(2);
        let data = Data::new();
        let held = [take(&s, 1), take(&s, 1)];
        let (theirs, shared) = (s.clone(), data.clone());
        let third = spawn(move || {
            let permit = theirs.blocking_acquire().unwrap();
            assert_eq!(shared.read(), 1);
            drop(permit);
        });
        let shared = data.clone();
        let release = spawn(move || {
            let [first, second] = held;
            shared.bump();
            drop(first);
            drop(second);
        });
        let permit = s.blocking_acquire().unwrap();
        assert_eq!(data.read(), 1);
        drop(permit);
        third.join().unwrap();
        release.join().unwrap();
        assert_at_rest(&s, 2);
    });
}

/// Who finds it idle sees what all holders did.
#[test]
fn ordering_to_idle() {
    model(3, || {
        let s = semaphore(2);
        let data = [Data::new(), Data::new()];
        let releases = data.clone().map(|data| {
            let held = take(&s, 1);
            spawn(move || {
                data.bump();
                drop(held);
            })
        });
        block_on(s.idle());
        assert_eq!(data.each_ref().map(Data::read), [1, 1]);
        join(releases);
        assert_at_rest(&s, 2);
    });
}

/// A permit that is forgotten instead of given back counts as well.
#[test]
fn ordering_to_idle_by_forget() {
    model(3, || {
        let s = semaphore(2);
        let data = [Data::new(), Data::new()];
        let (a, b) = (take(&s, 1), take(&s, 1));
        let shared = data[0].clone();
        let forget = spawn(move || {
            shared.bump();
            a.forget();
        });
        let shared = data[1].clone();
        let release = spawn(move || {
            shared.bump();
            drop(b);
        });
        s.blocking_idle();
        assert_eq!(data.each_ref().map(Data::read), [1, 1]);
        forget.join().unwrap();
        release.join().unwrap();
        assert_at_rest(&s, 1);
    });
}
