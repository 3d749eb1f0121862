//! One thread, nobody waits.

mod common;

fn benches(criterion: &mut criterion::Criterion) {
    common::bench(criterion, &["try_1t", "async_1t", "owned_1t"]);
}

criterion::criterion_group!(group, benches);
criterion::criterion_main!(group);
