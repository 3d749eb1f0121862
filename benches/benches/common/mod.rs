//! Runs a workload of the package under Criterion.

use std::time::Duration;

use criterion::Criterion;
use dynaphore_benches::workload;

/// One Criterion group a workload, one benchmark in it a subject.
pub fn bench(criterion: &mut Criterion, names: &[&str]) {
    for name in names {
        let workload = workload::find(name).expect(name);
        let mut group = criterion.benchmark_group(*name);
        group
            .warm_up_time(Duration::from_millis(500))
            .measurement_time(Duration::from_secs(2))
            .sample_size(20);
        for entry in workload.entries {
            group.bench_function(entry.subject, |bencher| {
                bencher.iter_custom((entry.prepare)());
            });
        }
        group.finish();
    }
}
