//! Replays the corpus that the fuzzer has gathered, and scripts worth a name.

use std::{fs, panic::catch_unwind, path::Path};

use dynaphore_fuzz::{Mode, Op, Script, With, run};

#[test]
fn every_file_of_the_corpus_agrees_with_the_model() {
    replay("semaphore", Script::decode);
}

#[test]
fn every_file_of_the_competing_corpus_keeps_the_rules() {
    replay("competing", Script::decode_competing);
}

#[track_caller]
fn replay(corpus: &str, decode: fn(&[u8]) -> Script) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let corpus = folder.join(corpus);
    let files = fs::read_dir(&corpus).expect("the corpus is committed");
    let mut replayed = 0;
    for file in files {
        let path = file.expect("a readable folder").path();
        let bytes = fs::read(&path).expect("a readable file");
        let outcome = catch_unwind(|| run(&decode(&bytes)));
        assert!(outcome.is_ok(), "{}: see above", path.display());
        replayed += 1;
    }
    assert!(replayed > 0, "{} is empty", corpus.display());
}

/// Who is next may be lighter than whoever has just been served, and fit into
/// room that the one before it could not use.
#[test]
fn a_lighter_successor_uses_room_that_the_front_could_not() {
    let start = |n| Op::Start {
        n,
        owned: false,
        with: Some(With::New),
        many: 1,
    };
    run(&Script {
        mode: Mode::Fifo,
        max: 3,
        end: 0,
        ops: vec![
            Op::Try { n: 2, owned: false },
            start(2),
            start(1),
            Op::Release { which: 0 },
        ],
    });
}

/// More releases than random scripts make while the one that is notified does not come.
#[test]
fn after_many_releases_that_notify_nobody_one_more_is_notified() {
    let wait = Op::Start {
        n: 1,
        owned: false,
        with: Some(With::New),
        many: 3,
    };
    let (take, give_back) = (Op::Try { n: 1, owned: false }, Op::Release { which: 0 });
    for mode in Mode::OTHERS {
        let mut ops = vec![take, wait];
        for _ in 0..80 {
            ops.extend([give_back, take]);
        }
        ops.extend([give_back, Op::Heed]);
        run(&Script {
            mode,
            max: 1,
            end: 0,
            ops,
        });
    }
}
