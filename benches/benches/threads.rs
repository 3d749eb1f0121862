//! Several threads on one semaphore.

mod common;

fn benches(criterion: &mut criterion::Criterion) {
    common::bench(criterion, &["try_2t", "blocking_8t", "resize_storm_2t"]);
}

criterion::criterion_group!(group, benches);
criterion::criterion_main!(group);
