//! Random scripts against the model. Where a script fails, proptest prints the
//! shortest it can find; one worth keeping goes to the corpus or to a test of
//! its own, so there is no file of past failures.

use dynaphore_fuzz::{Op, Script, With, run};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};

const CASES: u32 = 4_000;
const CALLS: usize = 60;

fn config(cases: u32) -> Config {
    Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 100_000,
        ..Config::default()
    }
}

fn scripts(calls: impl Strategy<Value = Op>) -> impl Strategy<Value = Script> {
    (0..8_usize, any::<usize>(), vec(calls, 0..=CALLS)).prop_map(|(max, end, ops)| Script {
        max,
        end,
        ops,
    })
}

fn calls() -> impl Strategy<Value = Op> {
    any::<[u8; 4]>().prop_map(Op::decode)
}

#[track_caller]
fn check(cases: u32, scripts: &impl Strategy<Value = Script>) {
    let outcome = TestRunner::new(config(cases)).run(scripts, |script| {
        run(&script);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

#[test]
fn random_calls_agree_with_the_model() {
    check(CASES, &scripts(calls()));
}

/// Without `close`, and with few maxima: long lines that are served again and
/// again.
#[test]
fn random_calls_on_an_open_semaphore_agree_with_the_model() {
    let open = calls().prop_filter("leaves it usable", |op| match op {
        Op::Close | Op::Print => false,
        Op::SetMax { n } | Op::AddPermits { n } => *n < 6,
        _ => true,
    });
    check(CASES / 2, &scripts(open));
}

/// More waiters than one critical section serves, and more that give up than
/// stay.
#[test]
fn random_crowds_agree_with_the_model() {
    let with = prop_oneof![Just(With::Last), Just(With::New), Just(With::Shared)];
    let crowds = prop_oneof![
        (1..4_usize, 8..32_usize).prop_map(|(n, many)| Op::Start {
            n,
            owned: false,
            with: Some(With::New),
            many,
        }),
        (any::<u8>(), 1..32_usize).prop_map(|(which, many)| Op::Cancel {
            which: which.into(),
            many,
        }),
        (any::<u8>(), with).prop_map(|(which, with)| Op::Poll {
            which: which.into(),
            with,
        }),
        any::<u8>().prop_map(|which| Op::Release {
            which: which.into()
        }),
        (0..24_usize).prop_map(|n| Op::SetMax { n }),
    ];
    check(CASES / 16, &scripts(crowds));
}

/// Any bytes at all are a script, as the fuzzer needs.
#[test]
fn random_bytes_agree_with_the_model() {
    let bytes = vec(any::<u8>(), 0..=4 * CALLS);
    check(CASES / 8, &bytes.prop_map(|bytes| Script::decode(&bytes)));
}
