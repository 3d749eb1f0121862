//! Random scripts against the model. Where a script fails, proptest prints the
//! shortest it can find; one worth keeping goes to the corpus or to a test of
//! its own, so there is no file of past failures.

use dynaphore_fuzz::{Mode, Op, Script, With, run};
use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
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

fn scripts(
    modes: impl Strategy<Value = Mode>,
    calls: impl Strategy<Value = Op>,
) -> impl Strategy<Value = Script> {
    let parts = (modes, 0..8_usize, any::<usize>(), vec(calls, 0..=CALLS));
    parts.prop_map(|(mode, max, end, ops)| Script {
        mode,
        max,
        end,
        ops,
    })
}

fn fifo() -> impl Strategy<Value = Mode> {
    Just(Mode::Fifo)
}

fn others() -> impl Strategy<Value = Mode> {
    select(&Mode::OTHERS)
}

fn calls() -> impl Strategy<Value = Op> {
    any::<[u8; 4]>().prop_map(Op::decode)
}

fn competing_calls() -> impl Strategy<Value = Op> {
    any::<[u8; 4]>().prop_map(Op::decode_competing)
}

/// Without `close`, and with few maxima: long lines that are served again and
/// again.
fn on_an_open_semaphore(calls: impl Strategy<Value = Op>) -> impl Strategy<Value = Op> {
    calls.prop_filter("leaves it usable", |op| match op {
        Op::Close | Op::Print => false,
        Op::SetMax { n } | Op::AddPermits { n } => *n < 6,
        _ => true,
    })
}

/// More waiters than one critical section serves, and more that give up than
/// stay.
fn crowds() -> impl Strategy<Value = Op> {
    let with = prop_oneof![Just(With::Last), Just(With::New), Just(With::Shared)];
    prop_oneof![
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
    ]
}

/// A few waiters of all weights, who look again and again beside newcomers that
/// come and go.
fn rivalry() -> impl Strategy<Value = Op> {
    let owned = false;
    prop_oneof![
        2 => (1..6_usize).prop_map(move |n| Op::Start { n, owned, with: Some(With::New), many: 1 }),
        3 => (1..4_usize).prop_map(move |n| Op::Try { n, owned }),
        4 => any::<u8>().prop_map(|which| Op::Release { which: which.into() }),
        4 => any::<u8>().prop_map(|which| Op::Poll { which: which.into(), with: With::Last }),
        1 => any::<u8>().prop_map(|which| Op::Cancel { which: which.into(), many: 1 }),
        1 => (any::<u8>(), 1..4_usize).prop_map(|(which, n)| Op::Split { which: which.into(), n }),
        1 => (1..4_usize).prop_map(|n| Op::ForgetPermits { n }),
        1 => (2..8_usize).prop_map(|n| Op::SetMax { n }),
    ]
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
    check(CASES, &scripts(fifo(), calls()));
}

#[test]
fn random_calls_on_an_open_semaphore_agree_with_the_model() {
    check(CASES / 2, &scripts(fifo(), on_an_open_semaphore(calls())));
}

#[test]
fn random_crowds_agree_with_the_model() {
    check(CASES / 16, &scripts(fifo(), crowds()));
}

/// Any bytes at all are a script, as the fuzzer needs.
#[test]
fn random_bytes_agree_with_the_model() {
    let bytes = vec(any::<u8>(), 0..=4 * CALLS);
    check(CASES / 8, &bytes.prop_map(|bytes| Script::decode(&bytes)));
}

#[test]
fn random_calls_of_competitors_keep_the_rules() {
    check(CASES, &scripts(others(), competing_calls()));
}

#[test]
fn random_calls_of_competitors_on_an_open_semaphore_keep_the_rules() {
    let calls = on_an_open_semaphore(competing_calls());
    check(CASES, &scripts(others(), calls));
}

#[test]
fn random_crowds_of_competitors_keep_the_rules() {
    let crowds = prop_oneof![9 => crowds(), 1 => Just(Op::Heed)];
    check(CASES / 16, &scripts(others(), crowds));
}

#[test]
fn random_rivalry_keeps_the_rules() {
    check(2 * CASES, &scripts(others(), rivalry()));
}

#[test]
fn random_bytes_of_competitors_keep_the_rules() {
    let bytes = vec(any::<u8>(), 0..=4 * CALLS);
    let scripts = bytes.prop_map(|bytes| Script::decode_competing(&bytes));
    check(CASES / 8, &scripts);
}
