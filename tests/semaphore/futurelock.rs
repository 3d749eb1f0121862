//! A task that keeps a future in line, does not poll it, and waits in another one: Oxide's RFD
//! 609, tokio#6450. With `grant_to_tasks` it has its permit.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use dynaphore::{AcquireError, Fairness, Order, Semaphore, SemaphorePermit};
use futures::{FutureExt, future::join_all, poll};
use tokio::{join, select, sync::oneshot, task::yield_now};

use super::common::{FAIRNESSES, Panics, Random, Wakes, panic_of, watchdog};

const SEEDS: usize = 1_000;

fn semaphore(max: usize, fairness: Fairness) -> Arc<Semaphore> {
    let builder = Semaphore::builder(max)
        .fairness(fairness)
        .grant_to_tasks(true);
    // Whoever is woken in vain joins the line.
    Arc::new(builder.bound(Duration::from_micros(1)).build())
}

/// Runs `program` with each seed and each fairness, beside a thread that takes permits too.
fn with_each_seed<F>(program: impl Fn(Arc<Semaphore>, Random) -> F + Send + Copy + 'static)
where
    F: Future<Output = ()>,
{
    watchdog(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = { runtime }.worker_threads(2).build().unwrap();
        for fairness in FAIRNESSES {
            for seed in 0..SEEDS {
                let semaphore = semaphore(1, fairness);
                let theirs = semaphore.clone();
                let others = runtime.spawn(async move {
                    let mut random = Random::new(seed + SEEDS);
                    for _ in 0..3 {
                        let permit = theirs.acquire().await.unwrap();
                        for _ in 0..random.below(4) {
                            yield_now().await;
                        }
                        drop(permit);
                        yield_now().await;
                    }
                });
                runtime.block_on(program(semaphore.clone(), Random::new(seed)));
                runtime.block_on(others).unwrap();
                assert_eq!(semaphore.active(), 0, "{fairness:?}, seed {seed}");
                assert_eq!(semaphore.waiting(), 0, "{fairness:?}, seed {seed}");
            }
        }
    });
}

async fn some_yields(random: &mut Random) {
    for _ in 0..random.below(4) {
        yield_now().await;
    }
}

/// RFD 609: a future that is polled by reference loses a race, and the arm that has won waits
/// for the same semaphore.
#[test]
fn select_by_reference_finishes() {
    with_each_seed(|semaphore, mut random| async move {
        let held = semaphore.acquire().await.unwrap();
        let (tell, told) = oneshot::channel::<()>();
        let background = async {
            some_yields(&mut random).await;
            drop(held);
            let _ = tell.send(());
        };
        let foreground = async {
            let mut kept = pin!(semaphore.acquire());
            select! {
                biased;
                permit = &mut kept => drop(permit.unwrap()),
                _ = told => drop(semaphore.acquire().await.unwrap()),
            }
        };
        join!(foreground, background);
    });
}

/// tokio#6450: a future is polled once, kept, and its task asks again.
#[test]
fn a_future_that_is_kept_holds_up_nobody_of_its_task() {
    with_each_seed(|semaphore, mut random| async move {
        let held = semaphore.acquire().await.unwrap();
        let mut kept = pin!(semaphore.acquire());
        assert!(poll!(&mut kept).is_pending());
        some_yields(&mut random).await;
        drop(held);
        some_yields(&mut random).await;
        drop(semaphore.acquire().await.unwrap());
        drop(semaphore.acquire().await.unwrap());
        drop(kept.await.unwrap());
    });
}

/// Polls `kept` again when `wakes` has counted something new, as its task would: how often
/// that came to `Ready`.
fn polled_when_woken<'a>(
    kept: &mut Kept<'a>,
    wakes: &Wakes,
    waker: &Waker,
    seen: &mut usize,
) -> Option<SemaphorePermit<'a>> {
    while wakes.count() > *seen {
        *seen = wakes.count();
        if let Poll::Ready(permit) = polled(kept, waker) {
            return Some(permit.unwrap());
        }
    }
    None
}

/// The newer one is polled first, in any order, and the older ones are not.
#[test]
fn join_and_join_all_finish() {
    with_each_seed(|semaphore, mut random| async move {
        let one = |yields: u32| {
            let semaphore = &semaphore;
            async move {
                let permit = semaphore.acquire().await.unwrap();
                for _ in 0..yields {
                    yield_now().await;
                }
                drop(permit);
            }
        };
        let held = semaphore.acquire().await.unwrap();
        let mut kept = pin!(semaphore.acquire());
        assert!(poll!(&mut kept).is_pending());
        drop(held);
        let yields = [random.below(4), random.below(4)];
        join!(one(yields[0]), one(yields[1]));
        join_all((0..5).map(|at| one(at % 3))).await;
        drop(kept.await.unwrap());
    });
}

type Kept<'a> = Pin<Box<dyn Future<Output = Result<SemaphorePermit<'a>, AcquireError>> + 'a>>;

/// One that waits in line, with `waker`.
fn waits<'a>(semaphore: &'a Semaphore, n: u32, waker: &Waker) -> Kept<'a> {
    let mut kept: Kept<'a> = Box::pin(semaphore.acquire_many(n));
    assert!(
        kept.poll_unpin(&mut Context::from_waker(waker))
            .is_pending()
    );
    kept
}

fn polled<'a>(
    kept: &mut Kept<'a>,
    waker: &Waker,
) -> Poll<Result<SemaphorePermit<'a>, AcquireError>> {
    kept.poll_unpin(&mut Context::from_waker(waker))
}

fn granted<'a>(kept: &mut Kept<'a>, waker: &Waker) -> SemaphorePermit<'a> {
    match polled(kept, waker) {
        Poll::Ready(Ok(permit)) => permit,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_one_whose_grant_is_taken_stands_where_it_stood() {
    let semaphore = semaphore(1, Fairness::Fifo);
    let held = semaphore.try_acquire().unwrap();
    let ((_, mine), (_, theirs)) = (Wakes::new(), Wakes::new());
    let mut kept = waits(&semaphore, 1, &mine);
    let mut other = waits(&semaphore, 1, &theirs);
    let mut asked = waits(&semaphore, 1, &mine);
    drop(held);
    assert_eq!(semaphore.unclaimed().unwrap().requests, 1);
    let permit = granted(&mut asked, &mine);
    assert_eq!(semaphore.unclaimed().unwrap().requests, 0);
    assert_eq!(semaphore.waiting(), 2);
    drop(permit);
    assert!(polled(&mut other, &theirs).is_pending(), "it came later");
    drop(granted(&mut kept, &mine));
    drop(granted(&mut other, &theirs));
}

#[test]
fn another_task_takes_nothing() {
    let semaphore = semaphore(1, Fairness::Fifo);
    let held = semaphore.try_acquire().unwrap();
    let ((_, mine), (_, theirs)) = (Wakes::new(), Wakes::new());
    let mut kept = waits(&semaphore, 1, &mine);
    let mut other = waits(&semaphore, 1, &theirs);
    drop(held);
    assert!(polled(&mut other, &theirs).is_pending());
    drop(granted(&mut kept, &mine));
    drop(granted(&mut other, &theirs));
}

#[test]
fn who_is_there_again_is_woken_by_the_task() {
    let semaphore = semaphore(1, Fairness::Fifo);
    let held = semaphore.try_acquire().unwrap();
    let (wakes, mine) = Wakes::new();
    let mut kept = waits(&semaphore, 1, &mine);
    drop(held);
    let mut asked: Kept<'_> = Box::pin(semaphore.acquire());
    let permit = granted(&mut asked, &mine);
    let before = wakes.count();
    drop(permit);
    assert_eq!(wakes.count(), before + 1);
    drop(granted(&mut kept, &mine));
}

#[test]
fn of_a_larger_grant_the_rest_goes_on() {
    let semaphore = semaphore(3, Fairness::Fifo);
    let held = semaphore.try_acquire_many(3).unwrap();
    let ((_, mine), (_, theirs)) = (Wakes::new(), Wakes::new());
    let mut kept = waits(&semaphore, 3, &mine);
    drop(held);
    let mut asked: Kept<'_> = Box::pin(semaphore.acquire());
    let permit = granted(&mut asked, &mine);
    assert_eq!(semaphore.active(), 1);
    let mut other = waits(&semaphore, 1, &theirs);
    assert!(polled(&mut kept, &mine).is_pending(), "two are free");
    drop(permit);
    drop(granted(&mut kept, &mine));
    drop(granted(&mut other, &theirs));
    assert_eq!(semaphore.active(), 0);
}

/// It would have to be topped up, and its task woken whenever that can be done.
#[test]
fn a_smaller_grant_is_left_alone() {
    let semaphore = semaphore(3, Fairness::Fifo);
    let held = semaphore.try_acquire_many(3).unwrap();
    let (_, mine) = Wakes::new();
    let mut kept = waits(&semaphore, 1, &mine);
    drop(held);
    let mut asked = waits(&semaphore, 3, &mine);
    assert_eq!(semaphore.active(), 1);
    drop(granted(&mut kept, &mine));
    drop(granted(&mut asked, &mine));
    assert_eq!(semaphore.active(), 0);
}

#[test]
fn one_that_is_dropped_after_its_grant_was_taken_gives_nothing_back() {
    let semaphore = semaphore(1, Fairness::Fifo);
    let held = semaphore.try_acquire().unwrap();
    let (_, mine) = Wakes::new();
    let kept = waits(&semaphore, 1, &mine);
    drop(held);
    let mut asked: Kept<'_> = Box::pin(semaphore.acquire());
    let permit = granted(&mut asked, &mine);
    drop(kept);
    assert_eq!((semaphore.active(), semaphore.waiting()), (1, 0));
    drop(permit);
    assert!(semaphore.try_acquire().is_ok());
}

#[test]
fn one_whose_grant_was_taken_is_closed_out_as_others_are() {
    let semaphore = semaphore(1, Fairness::Fifo);
    let held = semaphore.try_acquire().unwrap();
    let (_, mine) = Wakes::new();
    let mut kept = waits(&semaphore, 1, &mine);
    drop(held);
    let mut asked: Kept<'_> = Box::pin(semaphore.acquire());
    let permit = granted(&mut asked, &mine);
    semaphore.close();
    assert!(matches!(
        polled(&mut kept, &mine),
        Poll::Ready(Err(AcquireError::Closed))
    ));
    drop(permit);
    assert_eq!(semaphore.active(), 0);
}

#[test]
fn a_grant_outlives_a_close_and_is_not_taken_by_one_that_is_refused() {
    let semaphore = semaphore(1, Fairness::Fifo);
    let held = semaphore.try_acquire().unwrap();
    let (_, mine) = Wakes::new();
    let mut kept = waits(&semaphore, 1, &mine);
    let mut asked = waits(&semaphore, 1, &mine);
    drop(held);
    semaphore.close();
    assert!(matches!(
        polled(&mut asked, &mine),
        Poll::Ready(Err(AcquireError::Closed))
    ));
    drop(granted(&mut kept, &mine));
    assert_eq!(semaphore.active(), 0);
}

#[test]
fn in_every_order() {
    for order in [Order::Fifo, Order::Lifo, Order::AdaptiveLifo] {
        let semaphore = Semaphore::builder(1)
            .order(order)
            .grant_to_tasks(true)
            .build();
        let held = semaphore.try_acquire().unwrap();
        let ((_, mine), (_, theirs)) = (Wakes::new(), Wakes::new());
        let mut kept = waits(&semaphore, 1, &mine);
        drop(held);
        let mut other = waits(&semaphore, 1, &theirs);
        let mut asked: Kept<'_> = Box::pin(semaphore.acquire());
        drop(granted(&mut asked, &mine));
        // Whoever is the next has it, and then the other.
        let mut left = vec![(&mut kept, &mine), (&mut other, &theirs)];
        while !left.is_empty() {
            let before = left.len();
            left.retain_mut(|(kept, waker)| match polled(kept, waker) {
                Poll::Ready(permit) => permit.is_err(),
                Poll::Pending => true,
            });
            assert!(left.len() < before, "{order:?}");
        }
        assert_eq!(semaphore.active(), 0, "{order:?}");
    }
}

/// It goes on as long as anything is left: at random, with many tasks and weights.
#[test]
fn at_random_nothing_is_lost() {
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let semaphore = semaphore(3, FAIRNESSES[seed % 3]);
        let wakers = [(); 3].map(|()| Wakes::new().1);
        let mut kept: Vec<(Kept<'_>, usize)> = Vec::new();
        let mut held = Vec::new();
        for _ in 0..200 {
            let of = random.below(3) as usize;
            match random.below(6) {
                0 | 1 => {
                    let mut asked: Kept<'_> = Box::pin(semaphore.acquire_many(1 + random.below(3)));
                    match polled(&mut asked, &wakers[of]) {
                        Poll::Ready(permit) => held.push(permit.unwrap()),
                        Poll::Pending => kept.push((asked, of)),
                    }
                }
                2 if !kept.is_empty() => {
                    let at = random.below(kept.len() as u32) as usize;
                    let (asked, of) = &mut kept[at];
                    if let Poll::Ready(permit) = polled(asked, &wakers[*of]) {
                        held.push(permit.unwrap());
                        drop(kept.swap_remove(at));
                    }
                }
                3 if !kept.is_empty() => {
                    drop(kept.swap_remove(random.below(kept.len() as u32) as usize));
                }
                4 => drop(semaphore.set_max(1 + random.below(4) as usize)),
                _ if !held.is_empty() => {
                    drop(held.swap_remove(random.below(held.len() as u32) as usize));
                }
                _ => {}
            }
        }
        semaphore.set_max(3);
        drop(held);
        // In the order of arrival, each by its own task: each is served.
        while !kept.is_empty() {
            let before = kept.len();
            kept.retain_mut(|(asked, of)| match polled(asked, &wakers[*of]) {
                Poll::Ready(permit) => permit.is_err(),
                Poll::Pending => true,
            });
            assert!(kept.len() < before, "seed {seed}: {semaphore:?}");
        }
        assert_eq!(
            (semaphore.active(), semaphore.waiting()),
            (0, 0),
            "seed {seed}"
        );
        let unclaimed = semaphore.unclaimed().unwrap();
        assert_eq!(
            (unclaimed.requests, unclaimed.longest),
            (0, None),
            "seed {seed}"
        );
    }
}

#[test]
fn only_one_that_grants_to_tasks_knows_what_is_unclaimed() {
    assert_eq!(Semaphore::new(1).unclaimed(), None);
}

/// The wake-up that tells its task of the grant is used up by one that has waited for the bound
/// and joins the line. It looks for the grant there.
#[test]
fn one_that_joins_the_line_takes_what_its_task_has() {
    let builder = Semaphore::builder(2).fairness(Fairness::Eventual);
    let bound = Duration::from_millis(1);
    let semaphore = builder.bound(bound).grant_to_tasks(true).build();
    let held = semaphore.try_acquire_many(2).unwrap();
    let ((wakes, mine), (_, theirs)) = (Wakes::new(), Wakes::new());
    let mut kept = waits(&semaphore, 2, &mine);
    let mut asked = waits(&semaphore, 1, &mine);
    let mut other = waits(&semaphore, 2, &theirs);
    std::thread::sleep(2 * bound);
    let mut seen = wakes.count();
    drop(held);
    let permit = polled_when_woken(&mut asked, &wakes, &mine, &mut seen);
    drop(permit.expect("its task has two permits"));
    drop(granted(&mut kept, &mine));
    drop(granted(&mut other, &theirs));
    assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
}

/// What is left of a grant goes to one whose waker panics.
#[test]
fn a_waker_that_panics_while_a_grant_is_taken_loses_nothing() {
    let builder = Semaphore::builder(2).grant_to_tasks(true);
    // Who is put back comes after the other one.
    let newest_first = builder.order(Order::Lifo);
    for builder in [newest_first, builder.fairness(Fairness::Barging)] {
        let semaphore = builder.build();
        let held = semaphore.try_acquire_many(2).unwrap();
        let (_, mine) = Wakes::new();
        let mut kept = waits(&semaphore, 2, &mine);
        drop(held);
        let other = waits(&semaphore, 1, &Panics::waker("a waker"));
        let mut asked: Kept<'_> = Box::pin(semaphore.acquire());
        panic_of(|| drop(polled(&mut asked, &mine)));
        drop((asked, other));
        drop(granted(&mut kept, &mine));
        assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
        drop(semaphore.try_acquire_many(2).unwrap());
    }
}
