//! All of this crate beside all of the crates that it is used with.
#![cfg(feature = "rayon")]

#[allow(unused_imports)]
use dynaphore::*;
use rayon::prelude::*;

#[test]
fn a_glob_of_ours_hides_no_crate() {
    let semaphore = Semaphore::new(2);
    let sum: u32 = (0..10_u32).into_par_iter().sum();
    assert_eq!(sum, 45);
    rayon::scope(|_| drop(semaphore.try_acquire()));
    futures::executor::block_on(async { drop(semaphore.acquire().await) });
    let (_, ()) = (
        tokio::sync::Notify::new(),
        std::future::ready(()).into_inner(),
    );
}
