//! What a fleet does, on both stores: on Redis with the feature `redis-tests`.

mod common;

use std::{sync::Arc, time::Duration};

#[cfg(feature = "redis-tests")]
use common::Server;
use common::{answered, until};
use dynaphore_fleet::{Fleet, FleetError, FleetSnapshot, Memory, Options, Redis, State, Store};

const LEASE: Duration = Duration::from_millis(600);

fn options(max: usize) -> Options {
    Options::new(max).lease(LEASE)
}

async fn join(store: impl Store + Clone, max: usize) -> Fleet {
    let joined = answered(async || Fleet::join(store.clone(), "db", options(max)).await).await;
    joined.unwrap()
}

async fn snapshot(fleet: &Fleet) -> FleetSnapshot {
    answered(async || fleet.snapshot().await).await.unwrap()
}

async fn set_max(fleet: &Fleet, max: usize) {
    answered(async || fleet.set_max(max).await).await.unwrap();
}

async fn shares_are(fleet: &Fleet, shares: &[u32]) {
    until("the shares are as they should be", async || {
        let snapshot = snapshot(fleet).await;
        let mut now: Vec<_> = snapshot.members.iter().map(|m| m.share).collect();
        now.sort_unstable();
        now == shares
    })
    .await;
}

async fn one_member_has_all<S: Store + Clone>(store: S) {
    let fleet = join(store, 5).await;
    until("its share is max", async || fleet.semaphore().max() == 5).await;
    assert_eq!(fleet.state(), State::Live);
    assert!(fleet.fence() > 0);
}

async fn idle_members_have_equal_shares_that_add_up_to_max<S: Store + Clone>(store: S) {
    let a = join(store.clone(), 10).await;
    let _b = join(store.clone(), 99).await;
    let _c = join(store, 99).await;
    shares_are(&a, &[3, 3, 4]).await;
}

async fn who_waits_gets_what_others_leave_idle<S: Store + Clone>(store: S) {
    let a = join(store.clone(), 10).await;
    let b = join(store, 10).await;
    shares_are(&a, &[5, 5]).await;
    let mut permits = Vec::new();
    for _ in 0..10 {
        permits.push(b.semaphore().acquire().await.unwrap());
    }
    assert!(a.semaphore().try_acquire().is_err(), "nothing is left");
    drop(permits);
    let all = a.semaphore().acquire_many(10).await.unwrap();
    assert_eq!(all.num_permits(), 10);
}

async fn demand_beyond_max_is_met_to_equal_parts<S: Store + Clone>(store: S) {
    let a = join(store.clone(), 8).await;
    let b = join(store, 8).await;
    let mut tasks = Vec::new();
    for fleet in [&a, &b] {
        for _ in 0..20 {
            let semaphore = Arc::clone(fleet.semaphore());
            tasks.push(tokio::spawn(async move {
                loop {
                    let permit = semaphore.acquire().await.unwrap();
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    drop(permit);
                }
            }));
        }
    }
    shares_are(&a, &[4, 4]).await;
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
}

async fn a_shrink_settles_when_holders_are_done<S: Store + Clone>(store: S) {
    let a = join(store.clone(), 8).await;
    let b = join(store, 8).await;
    shares_are(&a, &[4, 4]).await;
    let held = a.semaphore().clone().acquire_many_owned(4).await.unwrap();
    set_max(&b, 2).await;
    until("the store knows what is out", async || {
        snapshot(&b).await.out() == 4
    })
    .await;
    until("b has shrunk", async || snapshot(&b).await.counted() == 4).await;
    assert_eq!(snapshot(&b).await.max, 2);
    {
        let mut settled = std::pin::pin!(b.settled());
        tokio::select! {
            biased;
            _ = &mut settled => panic!("four are out"),
            () = std::future::ready(()) => {}
        }
    }
    drop(held);
    answered(async || b.settled().await).await.unwrap();
    let snapshot = snapshot(&a).await;
    assert!(snapshot.counted() <= 2);
    set_max(&b, 6).await;
    shares_are(&a, &[3, 3]).await;
}

async fn who_leaves_gives_all_back<S: Store + Clone>(store: S) {
    let a = join(store.clone(), 6).await;
    let b = join(store, 6).await;
    shares_are(&a, &[3, 3]).await;
    let semaphore = Arc::clone(b.semaphore());
    b.leave().await;
    assert!(semaphore.is_closed());
    until("it is gone", async || snapshot(&a).await.members.len() == 1).await;
    until("a has all", async || a.semaphore().max() == 6).await;
}

async fn a_dropped_member_gives_back_what_nobody_holds_and_then_the_rest<S: Store + Clone>(
    store: S,
) {
    let a = join(store.clone(), 6).await;
    let b = join(store, 6).await;
    shares_are(&a, &[3, 3]).await;
    let held = b.semaphore().clone().acquire_owned().await.unwrap();
    drop(b);
    let five = a.semaphore().acquire_many(5).await.unwrap();
    assert!(
        a.semaphore().try_acquire().is_err(),
        "one is out over there"
    );
    // Longer than a lease: it goes on to renew as long as somebody holds.
    tokio::time::sleep(LEASE * 2).await;
    assert_eq!(snapshot(&a).await.counted(), 6);
    assert!(
        a.semaphore().try_acquire().is_err(),
        "one is out over there"
    );
    drop(held);
    let sixth = a.semaphore().acquire().await.unwrap();
    drop((five, sixth));
}

async fn fences_grow<S: Store + Clone>(store: S) {
    let a = join(store.clone(), 6).await;
    let b = join(store.clone(), 6).await;
    assert!(b.fence() > a.fence());
    let last = b.fence();
    b.leave().await;
    assert!(join(store, 6).await.fence() > last);
}

async fn the_max_of_the_fleet_is_that_of_its_founder<S: Store + Clone>(store: S) {
    let a = join(store.clone(), 6).await;
    let b = join(store, 60).await;
    assert_eq!(snapshot(&b).await.max, 6);
    assert_eq!(snapshot(&a).await.max, 6);
}

async fn another_lease_is_refused<S: Store + Clone>(store: S) {
    let _a = join(store.clone(), 6).await;
    let other = Fleet::join(store, "db", options(6).lease(LEASE * 2)).await;
    let error = other.unwrap_err().to_string();
    assert_eq!(error, "the fleet's members use another lease or grace");
}

async fn fleets_of_other_names_are_apart<S: Store + Clone>(store: S) {
    let a = join(store.clone(), 6).await;
    let b = answered(async || Fleet::join(store.clone(), "web", options(7)).await).await;
    let b = b.unwrap();
    until("a has all", async || a.semaphore().max() == 6).await;
    until("b has all", async || b.semaphore().max() == 7).await;
    assert_eq!(snapshot(&b).await.members.len(), 1);
}

async fn bad_names_and_options_are_told<S: Store + Clone>(store: S) {
    for name in ["", "a b", "a{b", "\u{e4}", &"x".repeat(129)] {
        let error = Fleet::join(store.clone(), name, options(1))
            .await
            .unwrap_err();
        assert!(matches!(error, FleetError::Invalid(_)), "{name}: {error}");
    }
    for bad in [
        options(1).lease(Duration::from_millis(99)),
        options(1).grace(Duration::from_secs(3601)),
        options(1).drift_ppm(500_001),
        options(usize::MAX),
    ] {
        let error = Fleet::join(store.clone(), "x", bad).await.unwrap_err();
        assert!(matches!(error, FleetError::Invalid(_)), "{error}");
    }
    let fleet = join(store, 1).await;
    assert!(matches!(
        fleet.set_max(usize::MAX).await,
        Err(FleetError::Invalid(_))
    ));
    assert_eq!(snapshot(&fleet).await.max, 1);
}

macro_rules! suite {
    ($($name:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::Memory::new()).await;
            })*
        }
        #[cfg(feature = "redis-tests")]
        mod redis {
            $(#[tokio::test]
            async fn $name() {
                let server = super::Server::start(&[]);
                super::$name(super::Redis::new(server.address()).unwrap()).await;
            })*
        }
    };
}

suite! {
    one_member_has_all,
    idle_members_have_equal_shares_that_add_up_to_max,
    who_waits_gets_what_others_leave_idle,
    demand_beyond_max_is_met_to_equal_parts,
    a_shrink_settles_when_holders_are_done,
    who_leaves_gives_all_back,
    a_dropped_member_gives_back_what_nobody_holds_and_then_the_rest,
    fences_grow,
    the_max_of_the_fleet_is_that_of_its_founder,
    another_lease_is_refused,
    fleets_of_other_names_are_apart,
    bad_names_and_options_are_told,
}

#[test]
fn an_address_that_is_none_is_told_so_and_not_worth_another_attempt() {
    for address in ["localhost:6379", "redis://127.0.0.1:port", ""] {
        let error = Redis::new(address).unwrap_err();
        assert!(!error.may_pass(), "{error}");
        assert!(error.to_string().contains("address"), "{error}");
    }
}
