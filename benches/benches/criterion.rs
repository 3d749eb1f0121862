//! Workloads of the package under Criterion: one thread where nobody waits, several
//! threads on one semaphore, and tasks that pass permits on.

use std::time::Duration;

use criterion::Criterion;
use dynaphore_benches::workload;

const WORKLOADS: [&str; 9] = [
    "try_1t",
    "async_1t",
    "owned_1t",
    "try_2t",
    "blocking_8t",
    "resize_storm_2t",
    "handoff_mt",
    "handoff_ct",
    "weighted_mt",
];

/// One Criterion group a workload, one benchmark in it a subject.
fn benches(criterion: &mut Criterion) {
    for name in WORKLOADS {
        let workload = workload::find(name).expect(name);
        let mut group = criterion.benchmark_group(name);
        group
            .warm_up_time(Duration::from_millis(500))
            .measurement_time(Duration::from_secs(2))
            .sample_size(20);
        for entry in workload.entries {
            group.bench_function(entry.subject, |bencher| {
                bencher.iter_custom((entry.run)());
            });
        }
        group.finish();
    }
}

criterion::criterion_group!(group, benches);
criterion::criterion_main!(group);
