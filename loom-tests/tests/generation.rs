//! Tokens against increments.

use std::sync::Arc;

use dynaphore::generation::Tracker;
use dynaphore_loom_tests::{Data, model, spawn};

/// After the wait nobody who had a token of the old generation is still at it.
#[test]
fn token_against_increment() {
    for stripes in [1, 2] {
        model(3, move || {
            let tracker = Arc::new(Tracker::modelled(stripes, false));
            // One for each generation.
            let data = [Data::new(), Data::new()];
            let (theirs, shared) = (tracker.clone(), data.clone());
            let holder = spawn(move || {
                let token = theirs.acquire();
                shared[token.generation() as usize].bump();
                drop(token);
            });
            let pending = tracker.increment();
            assert_eq!(pending.generation(), 0);
            pending.wait();
            let before = data[0].read();
            holder.join().unwrap();
            assert_eq!(before + data[1].read(), 1);
        });
    }
}
