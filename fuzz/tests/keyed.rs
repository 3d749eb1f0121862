//! The keyed semaphore against its model: the corpus that the fuzzer has gathered,
//! and random scripts.

use std::{fs, panic::catch_unwind, path::Path};

use dynaphore_fuzz::keyed::{Op, Script, run};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};

const CASES: u32 = 4_000;
const CALLS: usize = 60;

#[test]
fn every_file_of_the_corpus_agrees_with_the_model() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/keyed");
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

#[track_caller]
fn check(cases: u32, scripts: &impl Strategy<Value = Script>) {
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 100_000,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(scripts, |script| {
        run(&script);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

#[test]
fn random_bytes_agree_with_the_model() {
    let bytes = vec(any::<u8>(), 0..=4 * CALLS);
    check(CASES, &bytes.prop_map(|bytes| Script::decode(&bytes)));
}

/// Nothing is closed, and there is room: keys come and go again and again.
#[test]
fn random_calls_on_open_keys_agree_with_the_model() {
    let calls = any::<[u8; 4]>().prop_map(Op::decode);
    let calls = calls.prop_filter("leaves it usable", |op| *op != Op::Close);
    let scripts = (1..4_usize, any::<usize>(), vec(calls, 0..=CALLS));
    let scripts = scripts.prop_map(|(max, end, ops)| Script {
        max,
        max_keys: usize::MAX,
        max_waiters: usize::MAX,
        end,
        ops,
    });
    check(CASES, &scripts);
}
