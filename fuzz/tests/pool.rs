//! Random scripts for the lease pool against its model, as in `properties.rs`.

use std::{fs, panic::catch_unwind, path::Path};

use dynaphore_fuzz::{
    With,
    pool::{Op, Script, run},
};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};

const CASES: u32 = 2_000;
const CALLS: usize = 60;

fn calls() -> impl Strategy<Value = Op> {
    any::<[u8; 4]>().prop_map(Op::decode)
}

#[track_caller]
fn check(cases: u32, calls: impl Strategy<Value = Op>) {
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 100_000,
        ..Config::default()
    };
    let scripts = (any::<usize>(), vec(calls, 0..=CALLS));
    let outcome = TestRunner::new(config).run(&scripts, |(end, ops)| {
        run(&Script { end, ops });
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

#[test]
fn random_calls_agree_with_the_model() {
    check(CASES, calls());
}

/// Without `stop`, and with targets that are few and often zero: requests that
/// are told in vain, again and again.
#[test]
fn random_calls_on_a_running_pool_agree_with_the_model() {
    let running = calls().prop_filter("leaves it usable", |op| match op {
        Op::Stop | Op::Print => false,
        Op::Set { target, .. } => *target < 3,
        _ => true,
    });
    check(CASES, running);
}

/// More requests than one critical section serves, most of them told in vain.
#[test]
fn random_crowds_agree_with_the_model() {
    let with = prop_oneof![Just(With::Last), Just(With::New), Just(With::Shared)];
    let crowds = prop_oneof![
        1 => (8..24_usize).prop_map(|many| Op::Start {
            with: Some(With::New),
            many,
        }),
        1 => (any::<u8>(), 1..12_usize).prop_map(|(which, many)| Op::Cancel {
            which: which.into(),
            many,
        }),
        3 => (any::<u8>(), with).prop_map(|(which, with)| Op::Poll {
            which: which.into(),
            with,
        }),
        1 => any::<u8>().prop_map(|which| Op::Release {
            which: which.into()
        }),
        2 => (0..3_u8, 0..12_usize).prop_map(|(key, target)| Op::Set { key, target }),
    ];
    check(CASES / 8, crowds);
}

/// Any bytes at all are a script, as the fuzzer needs.
#[test]
fn random_bytes_agree_with_the_model() {
    let mut runner = TestRunner::new(Config {
        cases: CASES / 8,
        failure_persistence: None,
        ..Config::default()
    });
    let outcome = runner.run(&vec(any::<u8>(), 0..=4 * CALLS), |bytes| {
        run(&Script::decode(&bytes));
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

#[test]
fn every_file_of_the_corpus_agrees_with_the_model() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/pool");
    let files = fs::read_dir(&corpus).expect("the corpus is committed");
    let mut replayed = 0;
    for file in files {
        let path = file.expect("a readable folder").path();
        let bytes = fs::read(&path).expect("a readable file");
        let outcome = catch_unwind(|| run(&Script::decode(&bytes)));
        assert!(outcome.is_ok(), "{}: see above", path.display());
        replayed += 1;
    }
    assert!(replayed > 0, "{} is empty", corpus.display());
}
