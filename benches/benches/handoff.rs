//! Tasks that pass permits on.

mod common;

fn benches(criterion: &mut criterion::Criterion) {
    common::bench(criterion, &["handoff_mt", "handoff_ct", "weighted_mt"]);
}

criterion::criterion_group!(group, benches);
criterion::criterion_main!(group);
