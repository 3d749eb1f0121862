//! Traces of the word and the line, which have to be traces of the second model, too.
//!
//! `TRACES=FOLDER cargo test --test traces` leaves them in FOLDER; `proof/spin/traces` asks
//! for that, and has Spin look for a run of `line.pml` that does the same. Here they must
//! only be whole.

use std::{
    env,
    fmt::Write as _,
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use dynaphore::{
    Semaphore,
    trace::{self, Event, Place, Word},
};
use dynaphore_shuttle_tests::{Waiter, below, explore, join, spawn, take};

// As many as `line.pml` is told that there are.
const USERS: usize = 3;
const ROUNDS: usize = 2;
const RESIZES: usize = 2;

/// As `line.pml` has it: come, wait, perhaps give up, give back.
fn user(semaphore: &Arc<Semaphore>, need: u32, may_forget: bool) {
    for _ in 0..ROUNDS {
        let waiter = Waiter::new(semaphore, need);
        let permit = match below(3) {
            0 => waiter.wait_for(1).transpose(),
            _ => waiter.wait().map(Some),
        };
        match permit {
            Ok(Some(permit)) if may_forget && below(2) == 0 => permit.forget(),
            // If not, it has given up.
            Ok(permit) => drop(permit),
            Err(_) => return,
        }
    }
}

/// Thread 0 begins the others: first the users, then who resizes, then who closes.
fn run() -> ([u32; USERS], Vec<Event>) {
    trace::begin();
    let semaphore = Arc::new(Semaphore::new(1));
    let needs = [(); USERS].map(|()| 1 + below(2) as u32);
    let mut threads = vec![];
    for (number, need) in needs.into_iter().enumerate() {
        let semaphore = semaphore.clone();
        threads.push(spawn(move || user(&semaphore, need, number == 0)));
    }
    let resized = semaphore.clone();
    threads.push(spawn(move || {
        for _ in 0..RESIZES {
            let _ = resized.set_max(below(3));
        }
        // Somebody may need more than that.
        resized.close();
    }));
    join(threads);
    assert_eq!((semaphore.active(), semaphore.waiting()), (0, 0));
    (needs, trace::end())
}

/// Each word is what the last one has become.
fn assert_whole(trace: &[Event]) {
    let mut now = Word(0, 1, false, false);
    for event in trace {
        if let Event::Word { before, after, .. } = event {
            assert_eq!(*before, now, "{trace:?}");
            now = *after;
        }
    }
}

/// What each user needs, and a line an event: `W thread active max queued closed`,
/// `K thread`, and `L thread n` with the thread, the need, and 1 for those aside, of each of
/// `n`.
fn written(needs: [u32; USERS], trace: &[Event]) -> String {
    // Who comes into the line is the one who lets the lock go.
    let mut owners = vec![];
    let needs = needs.map(|need| need.to_string());
    let mut text = needs.join(" ") + "\n";
    for event in trace {
        match event {
            Event::Word { thread, after, .. } => {
                let Word(active, max, queued, closed) = after;
                let flags = (u8::from(*queued), u8::from(*closed));
                writeln!(text, "W {thread} {active} {max} {} {}", flags.0, flags.1).unwrap();
            }
            Event::Lock { thread } => writeln!(text, "K {thread}").unwrap(),
            Event::Line { thread, line } => {
                write!(text, "L {thread} {}", line.len()).unwrap();
                for Place {
                    ticket,
                    need,
                    is_aside,
                } in line
                {
                    if !owners.iter().any(|(known, _)| known == ticket) {
                        owners.push((*ticket, *thread));
                    }
                    let owner = owners.iter().find(|(known, _)| known == ticket);
                    let (_, owner) = owner.expect("put there if need be");
                    write!(text, " {owner} {need} {}", u8::from(*is_aside)).unwrap();
                }
                text.push('\n');
            }
        }
    }
    text
}

#[test]
fn traces_of_word_and_line() {
    let number = AtomicUsize::new(0);
    let folder = env::var("TRACES").ok();
    explore(200, move || {
        let (needs, trace) = run();
        assert_whole(&trace);
        if let Some(folder) = &folder {
            let number = number.fetch_add(1, Relaxed);
            fs::write(format!("{folder}/{number:04}"), written(needs, &trace)).expect("written");
        }
    });
}

/// Who does not want what it was granted hands it on, as a permit does that has come through
/// the line: they are not free meanwhile.
#[test]
fn a_granted_permit_nobody_wants_is_handed_on() {
    explore(200, || {
        trace::begin();
        let semaphore = Arc::new(Semaphore::new(1));
        let first = take(&semaphore, 1);
        let unwanted = Waiter::queued(&semaphore, 1);
        let next = Waiter::queued(&semaphore, 1);
        let releases = spawn(move || drop(first));
        let gives_up = spawn(move || drop(unwanted));
        let waits = spawn(move || drop(next.wait()));
        join([releases, gives_up, waits]);
        for event in trace::end() {
            let free_and_queued = Word(0, 1, true, false);
            if let Event::Word {
                thread: 2, after, ..
            } = event
            {
                assert_ne!(after, free_and_queued);
            }
        }
    });
}
