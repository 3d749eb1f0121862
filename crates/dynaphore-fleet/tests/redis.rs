//! What only a server can do to its members, and what is in it that should not be there.

mod common;
#[path = "../../../tests/common/example.rs"]
mod example;

use std::{
    io::{BufRead, BufReader, Read},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use common::{Server, answered, until};
use dynaphore_fleet::{
    Fleet, FleetError, FleetSnapshot, Ledger, OnLoss, Options, Redis, Refusal, Report, State,
    Store, StoreError,
};
use futures_util::StreamExt;
use proptest::prelude::*;

const LEASE: Duration = Duration::from_millis(600);

async fn join(address: &str, options: Options) -> Fleet {
    let store = Redis::new(address).unwrap();
    let options = options.lease(LEASE);
    let joined = answered(async || Fleet::join(store.clone(), "db", options.clone()).await).await;
    joined.unwrap()
}

async fn attempt(server: &Server) -> FleetError {
    let store = Redis::new(server.address()).unwrap();
    let options = Options::new(4).lease(Duration::from_secs(3600));
    Fleet::join(store, "db", options).await.unwrap_err()
}

/// Why one who has time cannot join.
async fn refusal(server: &Server) -> FleetError {
    let refused = answered(async || Err::<(), _>(attempt(server).await)).await;
    refused.unwrap_err()
}

async fn set_max(fleet: &Fleet, max: usize) {
    answered(async || fleet.set_max(max).await).await.unwrap();
}

async fn snapshot(fleet: &Fleet) -> FleetSnapshot {
    answered(async || fleet.snapshot().await).await.unwrap()
}

#[tokio::test]
async fn a_lost_server_pauses_and_an_empty_one_goes_on_with_the_same_max() {
    let mut server = Server::start(&[]);
    let a = join(&server.address(), Options::new(3)).await;
    let b = join(&server.address(), Options::new(3).on_loss(OnLoss::Keep(1))).await;
    set_max(&a, 8).await;
    until("both have their shares", async || {
        (a.semaphore().max(), b.semaphore().max()) == (4, 4)
    })
    .await;
    let (was, held) = (a.fence(), a.semaphore().acquire_many(2).await.unwrap());
    server.stop();
    a.wait_for(State::Lost).await;
    b.wait_for(State::Lost).await;
    assert_eq!((a.semaphore().max(), b.semaphore().max()), (0, 1));
    assert!(a.semaphore().try_acquire().is_err());
    assert!(matches!(a.last_error(), Some(StoreError::Lost(_))));
    server.restart();
    a.wait_for(State::Live).await;
    b.wait_for(State::Live).await;
    until("both have their shares again", async || {
        (a.semaphore().max(), b.semaphore().max()) == (5, 3)
    })
    .await;
    assert!(
        a.fence() > was,
        "another life, though the server has forgotten the first"
    );
    assert_eq!(snapshot(&a).await.max, 8);
    drop(held);
}

#[tokio::test]
async fn a_flushed_server_grants_no_more_than_max() {
    let server = Server::start(&[]);
    let a = join(&server.address(), Options::new(4)).await;
    let held = a.semaphore().acquire_many(4).await.unwrap();
    redis::cmd("FLUSHALL")
        .exec(&mut server.connection())
        .unwrap();
    // It knows nothing of `a`.
    let b = join(&server.address(), Options::new(4)).await;
    assert_eq!(b.semaphore().max(), 0);
    until("what is out is counted", async || {
        let now = snapshot(&b).await;
        now.members.iter().any(|m| m.out == 4)
    })
    .await;
    assert_eq!(snapshot(&b).await.counted(), 4);
    assert!(b.semaphore().try_acquire().is_err());
    drop(held);
    let _permit = b.semaphore().acquire().await.unwrap();
}

#[tokio::test]
async fn what_is_no_fleet_is_told_and_left_alone() {
    let fields = ["max", "version", "lease", "grace", "fence", "quiet", "now"];
    let mut fleet = vec!["format", "1", "run", "x"];
    fields.iter().for_each(|field| fleet.extend([field, "1"]));
    let with = |more: [&'static str; 2]| [fleet.clone(), more.to_vec()].concat();
    for hash in [
        vec!["some", "field"],
        vec!["format", "2"],
        vec!["format", "1", "max", "3"],
        with(["max", "-3"]),
        with(["max", "99999999999999999999999999"]),
        with(["max", "4294967296"]),
        with(["now", "9007194959773696"]),
        with(["m:1", "1 1 4294967296 0 0 0 9000000000000000"]),
        with(["max", "0x10"]),
        with(["lease", "1.5"]),
        with(["other", "text"]),
        with(["m:1", ""]),
        with(["m:1", "1 2 3 4 5 6"]),
        with(["m:1", "1 2 3 4 5 6 nan"]),
        with(["m:1", "1 2 3 4 5 6 7 8"]),
        with(["l:1", "1"]),
        with(["l:1", "1 2 3"]),
        with(["l:1", "1 -2"]),
        with(["m:\u{0}\u{fffd}", "\r\n"]),
    ] {
        let server = Server::start(&[]);
        let mut connection = server.connection();
        redis::cmd("HSET")
            .arg("dynaphore:{db}")
            .arg(&hash)
            .exec(&mut connection)
            .unwrap();
        let dump = |connection: &mut redis::Connection| -> Vec<u8> {
            redis::cmd("DUMP")
                .arg("dynaphore:{db}")
                .query(connection)
                .unwrap()
        };
        let before = dump(&mut connection);
        let error = refusal(&server).await;
        assert!(
            matches!(&error, FleetError::Store(StoreError::Foreign(_))),
            "{hash:?}: {error}"
        );
        assert_eq!(dump(&mut connection), before, "{hash:?}");
    }
}

#[tokio::test]
async fn a_key_of_another_type_is_told_and_left_alone() {
    let server = Server::start(&[]);
    let mut connection = server.connection();
    redis::cmd("SET")
        .arg("dynaphore:{db}")
        .arg("text")
        .exec(&mut connection)
        .unwrap();
    let error = refusal(&server).await;
    assert!(
        matches!(&error, FleetError::Store(StoreError::Foreign(_))),
        "{error}"
    );
    let text: String = redis::cmd("GET")
        .arg("dynaphore:{db}")
        .query(&mut connection)
        .unwrap();
    assert_eq!(text, "text");
}

#[tokio::test]
async fn a_wrong_password_is_told_and_not_shown() {
    let server = Server::start(&["--requirepass", "right"]);
    let store = Redis::new(server.address_for(":wr0ng")).unwrap();
    assert!(!format!("{store:?}").contains("wr0ng"));
    let error = Fleet::join(store, "db", Options::new(4)).await.unwrap_err();
    assert!(
        matches!(&error, FleetError::Store(StoreError::Lost(_))),
        "{error}"
    );
    assert!(!error.to_string().contains("wr0ng"));
}

#[tokio::test]
async fn the_documented_rights_are_enough_and_no_other_key_is_touched() {
    let server = Server::start(&[]);
    let mut connection = server.connection();
    redis::cmd("ACL")
        .arg("SETUSER")
        .arg("fleet on >secret resetkeys resetchannels ~dynaphore:* &dynaphore:* -@all".split(' ').collect::<Vec<_>>())
        .arg("+evalsha +script|load +hgetall +hset +hdel +publish +subscribe +unsubscribe +time +info +ping".split(' ').collect::<Vec<_>>())
        .exec(&mut connection)
        .unwrap();
    let address = server.address_for("fleet:secret");
    let a = join(&address, Options::new(4)).await;
    let b = join(&address, Options::new(4)).await;
    let all = a.semaphore().acquire_many(4).await.unwrap();
    drop(all);
    b.semaphore().acquire_many(4).await.unwrap().forget();
    set_max(&a, 5).await;
    let log: Vec<redis::Value> = redis::cmd("ACL").arg("LOG").query(&mut connection).unwrap();
    // The client library's name for itself, which it can do without.
    let denied = log
        .iter()
        .filter(|entry| !format!("{entry:?}").contains("client"));
    assert_eq!(denied.count(), 0, "{log:?}");
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut connection).unwrap();
    assert_eq!(keys, ["dynaphore:{db}"]);
}

#[tokio::test]
async fn an_answer_that_is_none_is_told() {
    // A server that is none.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("redis://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").await;
        }
    });
    let joined = Fleet::join(
        Redis::new(address).unwrap(),
        "db",
        Options::new(4).lease(LEASE),
    )
    .await;
    assert!(matches!(
        joined,
        Err(FleetError::Store(StoreError::Lost(_)))
    ));
}

#[tokio::test]
async fn a_server_that_says_nothing_is_not_listened_to_for_ever() {
    // The system connects, and nobody answers.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("redis://{}", listener.local_addr().unwrap());
    let mut store = Redis::new(address).unwrap();
    let calls = tokio::time::timeout(Duration::from_secs(20), store.calls("db")).await;
    assert!(matches!(calls, Ok(Err(StoreError::Lost(_)))));
}

/// The answer of a server that may take longer than the client waits.
async fn answer(store: &mut Redis, id: u64) -> Result<(), Refusal> {
    let mut report = report(id, 1);
    report.lease = Duration::from_secs(3600);
    let mut answer = None;
    until("the server answers", async || {
        report.seq += 1;
        answer = match store.sync("db", &report).await {
            Ok(_) => Some(Ok(())),
            Err(StoreError::Refused(refusal)) => Some(Err(refusal)),
            Err(StoreError::Lost(_)) => None,
            Err(error) => panic!("{error}"),
        };
        answer.is_some()
    })
    .await;
    answer.unwrap()
}

#[tokio::test]
async fn who_leaves_again_when_its_leaving_is_forgotten_is_remembered_again() {
    let server = Server::start(&[]);
    let mut store = Redis::new(server.address()).unwrap();
    for (seq, lease) in [(1, Duration::from_micros(1)), (2, LEASE * 100)] {
        let leaving = Report {
            lease,
            leaving: true,
            ..report(1, seq)
        };
        store.sync("db", &leaving).await.unwrap();
    }
    let late = store.sync("db", &report(1, 2)).await;
    assert!(
        matches!(late, Err(StoreError::Refused(Refusal::Stale))),
        "{late:?}"
    );
}

/// Members that somebody else has written.
fn write_members(server: &Server, ids: std::ops::Range<u64>) {
    let mut pipe = redis::pipe();
    for id in ids {
        pipe.cmd("HSET")
            .arg("dynaphore:{db}")
            .arg(format!("m:{id}"))
            .arg("1 1 0 0 0 0 9000000000000000")
            .ignore();
    }
    pipe.exec(&mut server.connection()).unwrap();
}

fn fields(server: &Server) -> usize {
    redis::cmd("HLEN")
        .arg("dynaphore:{db}")
        .query(&mut server.connection())
        .unwrap()
}

#[tokio::test]
async fn who_comes_after_1024_members_is_refused() {
    let server = Server::start(&[]);
    let mut store = Redis::new(server.address()).unwrap();
    assert_eq!(answer(&mut store, 0).await, Ok(()));
    write_members(&server, 1..1023);
    assert_eq!(answer(&mut store, 1023).await, Ok(()));
    let known = fields(&server);
    for id in 1024..1030 {
        let refused = answer(&mut store, id).await;
        assert_eq!(refused, Err(Refusal::TooManyMembers));
    }
    assert_eq!(fields(&server), known);
    // Who is in stays in.
    assert_eq!(answer(&mut store, 1022).await, Ok(()));
}

#[tokio::test]
async fn a_crowd_of_a_hundred_thousand_members_is_refused() {
    // The script reads all of it, for however long that takes: else the server says meanwhile
    // to others that it is busy.
    let server = Server::start(&["--lua-time-limit", "0"]);
    let mut store = Redis::new(server.address()).unwrap();
    assert_eq!(answer(&mut store, 0).await, Ok(()));
    write_members(&server, 1..100_000);
    let known = fields(&server);
    let error = attempt(&server).await;
    assert!(
        matches!(
            &error,
            // The client has waited for long enough.
            FleetError::Store(StoreError::Refused(Refusal::TooManyMembers) | StoreError::Lost(_))
        ),
        "{error}"
    );
    assert_eq!(fields(&server), known);
}

fn report(id: u64, seq: u64) -> Report {
    Report {
        id,
        seq,
        share: 0,
        out: 0,
        demand: 0,
        max: 0,
        version: 0,
        fence: 0,
        lease: LEASE,
        grace: Duration::ZERO,
        leaving: false,
    }
}

#[derive(Clone, Debug)]
enum Step {
    Report {
        id: u64,
        out: u32,
        waits: u32,
        stale: bool,
        leaving: bool,
        /// The fleet's max as the member knows it, and how new that is.
        max: u32,
        version: u64,
    },
    SetMax(u32),
}

fn step() -> impl Strategy<Value = Step> {
    let version =
        prop_oneof![8 => Just(0), 1 => (0..9_u64).prop_map(|n| NOW.as_micros() as u64 + n)];
    let report = (
        (0..6_u64, 0..9_u32, prop_oneof![Just(0), 0..20_u32]),
        (prop::bool::weighted(0.1), prop::bool::weighted(0.1)),
        (0..30_u32, version),
    );
    prop_oneof![
        8 => report.prop_map(|((id, out, waits), (stale, leaving), (max, version))| Step::Report {
            id, out, waits, stale, leaving, max, version,
        }),
        1 => (0..30_u32).prop_map(Step::SetMax),
    ]
}

/// Later than any server's clock: to the script time stands still.
const NOW: Duration = Duration::from_micros(2_500_000_000_000_000);

/// The script against the ledger.
#[test]
fn the_script_does_what_the_ledger_does() {
    let server = Server::start(&[]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = std::cell::RefCell::new(Redis::new(server.address()).unwrap());
    let number = std::cell::Cell::new(0);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    runner
        .run(
            &(1..999_u64, prop::collection::vec(step(), 1..60)),
            |(lease, steps)| {
                number.set(number.get() + 1);
                let fleet = format!("f{}", number.get());
                // The same server process wrote this fleet before: no quiet lease.
                let info: String = redis::cmd("INFO")
                    .arg("server")
                    .query(&mut server.connection())
                    .unwrap();
                let run = info
                    .lines()
                    .find_map(|line| line.strip_prefix("run_id:"))
                    .unwrap()
                    .trim()
                    .to_owned();
                redis::cmd("HSET")
                    .arg(format!("dynaphore:{{{fleet}}}"))
                    .arg(&[
                        "format", "1", "run", &run, "max", "0", "version", "0", "lease", "0",
                        "grace", "0",
                    ])
                    .arg(&["fence", "0", "quiet", "0", "now", "2500000000000000"])
                    .exec(&mut server.connection())
                    .unwrap();
                let calls = runtime.block_on(store.borrow_mut().calls(&fleet));
                let mut calls = calls.unwrap();
                // Who is called, where anybody is.
                let mut called = || {
                    let next = runtime
                        .block_on(async { tokio::time::timeout(LEASE * 30, calls.next()).await });
                    let mut fences = next.expect("nobody is called").unwrap();
                    fences.sort_unstable();
                    fences
                };
                let mut ledger = Ledger::new();
                let mut seqs = [0; 6];
                let mut shares = [0; 6];
                for step in steps {
                    match step {
                        Step::Report {
                            id,
                            out,
                            waits,
                            stale,
                            leaving,
                            max,
                            version,
                        } => {
                            let at = id as usize;
                            seqs[at] += u64::from(!stale);
                            let report = Report {
                                share: if leaving { 0 } else { shares[at] },
                                out,
                                demand: out + waits,
                                max,
                                version,
                                fence: version,
                                // Whose turn it is depends on it.
                                lease: Duration::from_secs(lease),
                                leaving,
                                ..report(id, seqs[at])
                            };
                            let ours = ledger.sync(NOW, &report);
                            let theirs = runtime.block_on(store.borrow_mut().sync(&fleet, &report));
                            match (ours, theirs) {
                                (Ok((ours, mut fences)), Ok(theirs)) => {
                                    shares[at] = ours.share;
                                    prop_assert_eq!(ours, theirs);
                                    fences.sort_unstable();
                                    if !fences.is_empty() {
                                        prop_assert_eq!(called(), fences);
                                    }
                                }
                                (Err(ours), Err(StoreError::Refused(theirs))) => {
                                    prop_assert_eq!(ours, theirs)
                                }
                                (ours, theirs) => prop_assert!(false, "{ours:?} {theirs:?}"),
                            }
                        }
                        Step::SetMax(max) => {
                            let ours = ledger.set_max(NOW, max);
                            let theirs = runtime.block_on(store.borrow_mut().set_max(&fleet, max));
                            prop_assert_eq!(ours.is_ok(), theirs.is_ok());
                            let mut fences = ours.unwrap_or_default();
                            fences.sort_unstable();
                            if !fences.is_empty() {
                                prop_assert_eq!(called(), fences);
                            }
                        }
                    }
                    let (ours, theirs) = (
                        ledger.snapshot(NOW),
                        runtime.block_on(store.borrow_mut().snapshot(&fleet)),
                    );
                    if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
                        prop_assert_eq!(ours, theirs);
                    }
                }
                Ok(())
            },
        )
        .unwrap();
}

/// A signal to it alone: its server has its standard error, and its members its output, until
/// they end.
#[test]
fn an_example_that_is_terminated_leaves_no_process_behind() {
    let mut fleet = Command::new(example::find("fleet"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(fleet.stdout.take().unwrap());
    let mut errors = fleet.stderr.take().unwrap();
    let mut said = String::new();
    output.read_line(&mut said).unwrap();
    let pid = fleet.id().to_string();
    let signal = Command::new("kill").args(["-TERM", &pid]).status();
    assert!(signal.is_ok_and(|status| status.success()));
    let (ended, all) = mpsc::channel();
    thread::spawn(move || {
        output.read_to_string(&mut said).unwrap();
        errors.read_to_string(&mut said).unwrap();
        ended.send(said).unwrap();
    });
    let said = all.recv_timeout(Duration::from_secs(100));
    let said = said.expect("all of them end");
    assert!(said.ends_with("fleet: terminated\n"), "{said}");
    assert_eq!(fleet.wait().unwrap().code(), Some(2));
}
