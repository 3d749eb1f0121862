//! The maximum changes all the time under a thread that never has to wait.

use std::hint::black_box;

use super::{Runner, threads};
use crate::subject::{AsyncAcquire, Resize};

/// One apart, so that the peers that only add and take away permits change as
/// little per call as those with a maximum.
const HIGH: usize = 8;
const LOW: usize = HIGH - 1;

/// One thread awaits and drops while another resizes without pause.
pub fn resize_storm_2t<S: AsyncAcquire + Resize>() -> Runner {
    let semaphore = S::semaphore(HIGH);
    Box::new(move |ops| {
        let semaphore = black_box(&semaphore);
        let resize = || {
            S::resize(semaphore, HIGH, LOW);
            S::resize(semaphore, LOW, HIGH);
        };
        threads::beside(resize, || {
            pollster::block_on(async {
                for _ in 0..ops {
                    drop(S::acquire(semaphore).await);
                }
            });
        })
    })
}
