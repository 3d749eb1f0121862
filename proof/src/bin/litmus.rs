//! The crate's protocols as small programs for each of which an outcome must be
//! impossible, with the orderings that the source has: they are read from it.
//!
//! `cargo run -p proof --bin litmus` shows that each outcome is impossible, makes each of
//! those orderings weaker, and says which outcome becomes possible by that. Writes
//! `proof/orderings.md`. With `--holds FOLDER` it looks only whether the outcomes are
//! impossible with the orderings in that folder.

use std::{cell::RefCell, collections::BTreeMap, env, fs, path::Path, process::ExitCode};

use proof::{
    memory::{
        Step::{self, Change, Fence, Load, Store},
        is_possible,
    },
    source::{Ordering, Ordering::Relaxed, Site, sites},
};

const TRACKER: &str = "src/generation/tracker.rs";
const STRIPES: &str = "src/generation/stripes.rs";
const PENDING: &str = "src/generation/pending.rs";
const BARRIER: &str = "src/generation/barrier.rs";
const WORD: &str = "src/semaphore/word.rs";
const EVENT: &str = "src/event.rs";
const QUEUE: &str = "src/semaphore/queue.rs";
const KEY: &str = "src/keyed/entry.rs";
const LEASE: &str = "src/pool/entry.rs";
const PARK: &str = "src/park.rs";
const NUMBERS: &str = "src/thread_number.rs";
const PACE: &str = "src/semaphore/pace.rs";
const CALL: &str = "src/throttle/call.rs";
const FRAMES: &str = "src/throttle/frames.rs";

const FILES: [&str; 14] = [
    TRACKER, STRIPES, PENDING, BARRIER, WORD, QUEUE, EVENT, KEY, LEASE, PARK, NUMBERS, PACE, CALL,
    FRAMES,
];

type Key = (&'static str, String, usize);

/// The orderings of the source, one of which may be made weaker.
struct Source {
    files: BTreeMap<&'static str, (String, Vec<Site>)>,
    weaker: Option<(Key, Option<Ordering>)>,
    used: RefCell<BTreeMap<Key, Site>>,
}

impl Source {
    fn of(root: &Path) -> Self {
        let files = FILES.map(|file| {
            let path = root.join(file);
            let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
            let sites = sites(&text);
            (file, (text, sites))
        });
        Self {
            files: files.into(),
            weaker: None,
            used: RefCell::default(),
        }
    }

    /// The `nth` ordering in the first of these functions that there is. `None` if it is
    /// not there any more.
    fn find(&self, file: &'static str, names: &str, nth: usize) -> Option<Ordering> {
        let (text, sites) = &self.files[file];
        let is_there = |name: &&str| {
            ["(", "<"]
                .iter()
                .any(|open| text.contains(&format!("fn {name}{open}")))
        };
        let name = names.split('|').find(is_there);
        let name = name.unwrap_or_else(|| panic!("{file} has no function {names}"));
        let site = sites
            .iter()
            .find(|site| site.function == name && site.nth == nth)?;
        let key = (file, name.to_owned(), nth);
        let ordering = match &self.weaker {
            Some((changed, to)) if *changed == key => *to,
            _ => Some(site.ordering),
        };
        self.used.borrow_mut().insert(key, site.clone());
        ordering
    }

    fn at(&self, file: &'static str, names: &str, nth: usize) -> Ordering {
        self.find(file, names, nth)
            .unwrap_or_else(|| panic!("{file}, {names}: there is no ordering {nth}"))
    }

    fn fence(&self, file: &'static str, names: &str, nth: usize) -> Step {
        let ours = self.find(file, names, nth);
        // event-listener documents one in `listen`, and one in `notify` that is not `relaxed`.
        // The one in `serve` is ours.
        let event_fences =
            file == QUEUE && names != "serve" && !self.files[EVENT].0.contains(".relaxed()");
        Fence(if event_fences {
            Some(Ordering::SeqCst)
        } else {
            ours
        })
    }

    // The tracker.

    fn enter(&self, nth: usize) -> Ordering {
        self.at(TRACKER, "enter", nth)
    }

    fn counts_in(&self, place: usize) -> Step {
        Change(place, self.at(STRIPES, "count_in", 0), 0, 1)
    }

    fn counts_out(&self, place: usize) -> Step {
        Store(place, self.at(STRIPES, "count_out", 1), 1)
    }

    fn counts_out_elsewhere(&self, place: usize, from: u64) -> Step {
        Change(
            place,
            self.at(STRIPES, "count_out_elsewhere", 0),
            from,
            from + 1,
        )
    }

    fn sees_removed(&self, place: usize, value: u64) -> Step {
        Load(place, self.at(STRIPES, "is_empty", 0), value)
    }

    fn sees_left(&self, place: usize, value: u64) -> Step {
        Load(place, self.at(STRIPES, "is_empty", 1), value)
    }

    fn increments(&self, place: usize) -> Step {
        Change(
            place,
            self.at(PENDING, "increment_meeting|increment", 0),
            0,
            1,
        )
    }

    fn heavy_fence(&self) -> Step {
        self.fence(BARRIER, "meet|heavy_fence", 0)
    }

    fn begins(&self, place: usize) -> Step {
        Change(place, self.at(TRACKER, "begin_next", 1), 0, 1)
    }

    fn sees_phase(&self, place: usize, value: u64) -> Step {
        Load(place, self.at(TRACKER, "phase", 0), value)
    }

    // The semaphore.

    fn gives_back(&self, place: usize, from: u64, to: u64) -> Step {
        Change(place, self.at(WORD, "give_back", 0), from, to)
    }

    fn exchanges(&self, place: usize, from: u64, to: u64) -> Step {
        Change(place, self.at(WORD, "exchange", 0), from, to)
    }

    fn closes(&self, place: usize, from: u64, to: u64) -> Step {
        Change(place, self.at(WORD, "close", 0), from, to)
    }

    fn sees_word(&self, place: usize, value: u64) -> Step {
        Load(place, self.at(WORD, "load", 0), value)
    }

    fn publishes(&self, nth: usize, place: usize) -> Step {
        Store(place, self.at(QUEUE, "publish", nth), 1)
    }
}

/// What must not happen.
type Litmus = (&'static str, Vec<Vec<Step>>);

/// Each place in memory has a number; the value that everybody starts with is 0.
fn tracker(s: &Source) -> Vec<Litmus> {
    let (data, left) = (0, 1);
    vec![
        (
            "a scan overlooks a token",
            vec![
                vec![
                    Load(0, s.enter(0), 0),
                    s.counts_in(1),
                    Load(0, s.enter(2), 0),
                ],
                vec![s.begins(0)],
                vec![s.sees_phase(0, 1), s.heavy_fence(), Load(1, Relaxed, 0)],
            ],
        ),
        (
            "a scan overlooks a token of a thread that has no counts of its own",
            vec![
                vec![
                    Load(0, s.enter(0), 0),
                    Change(1, s.at(STRIPES, "count_in_elsewhere", 0), 0, 1),
                    Load(0, s.enter(2), 0),
                ],
                vec![s.begins(0)],
                vec![s.sees_phase(0, 1), s.heavy_fence(), Load(1, Relaxed, 0)],
            ],
        ),
        (
            "an increment takes a phase for current that has ended for a token of its generation",
            vec![
                vec![
                    Load(0, s.enter(0), 1),
                    s.counts_in(1),
                    Load(2, s.enter(1), 0),
                    Load(0, s.enter(2), 1),
                ],
                vec![s.begins(0)],
                vec![s.increments(2), s.heavy_fence(), s.sees_phase(0, 0)],
            ],
        ),
        (
            "a token of the new generation does not see what was done before",
            vec![
                vec![Store(data, Relaxed, 1), s.increments(1)],
                vec![Load(1, s.enter(1), 1), Load(data, Relaxed, 0)],
            ],
        ),
        (
            "who reads the new generation does not see what was done before",
            vec![
                vec![Store(data, Relaxed, 1), s.increments(1)],
                vec![
                    Load(1, s.at(TRACKER, "generation", 0), 1),
                    Load(data, Relaxed, 0),
                ],
            ],
        ),
        (
            "what a holder did is not visible when its token has gone",
            vec![
                vec![Store(data, Relaxed, 1), s.counts_out(left)],
                vec![s.sees_left(left, 1), Load(data, Relaxed, 0)],
            ],
        ),
        (
            "the same, of a token that another thread dropped",
            vec![
                vec![Store(data, Relaxed, 1), s.counts_out_elsewhere(1, 0)],
                vec![s.counts_out_elsewhere(1, 1)],
                vec![s.sees_removed(1, 2), Load(data, Relaxed, 0)],
            ],
        ),
        (
            "a scan sees a token go and not the copy that was made of it",
            vec![
                vec![Change(0, Relaxed, 0, 1), s.counts_out(left)],
                vec![s.sees_left(left, 1), Load(0, Relaxed, 0)],
            ],
        ),
        (
            "a scan sees a token go that it has not seen come",
            vec![
                vec![s.counts_in(0), Store(1, Ordering::Release, 1)],
                vec![Load(1, Ordering::Acquire, 1), s.counts_out_elsewhere(2, 0)],
                vec![s.sees_removed(2, 1), Load(0, Relaxed, 0)],
            ],
        ),
        (
            "a late count-out and a waiter miss each other",
            vec![
                vec![
                    s.counts_out(0),
                    s.fence(TRACKER, "left_late", 0),
                    Load(1, Relaxed, 0),
                ],
                vec![Change(1, Relaxed, 0, 1), s.heavy_fence(), s.sees_left(0, 0)],
            ],
        ),
        (
            "of two that leave late neither sees both go",
            vec![
                vec![
                    s.counts_out(0),
                    s.fence(TRACKER, "left_late", 0),
                    s.sees_left(1, 0),
                ],
                vec![
                    s.counts_out(1),
                    s.fence(TRACKER, "left_late", 0),
                    s.sees_left(0, 0),
                ],
            ],
        ),
        (
            "whoever begins a phase and a waiter miss each other",
            vec![
                vec![
                    s.begins(0),
                    s.fence(TRACKER, "begin_next", 3),
                    Load(1, Relaxed, 0),
                ],
                vec![
                    Change(1, Relaxed, 0, 1),
                    s.heavy_fence(),
                    s.sees_phase(0, 0),
                ],
            ],
        ),
        (
            "who reads that a phase has drained does not see what its holders did",
            vec![
                vec![Store(data, Relaxed, 1), s.counts_out(left)],
                vec![
                    s.sees_left(left, 1),
                    Change(2, s.at(TRACKER, "drain", 1), 0, 1),
                ],
                vec![
                    Load(2, s.at(TRACKER, "drain", 0), 1),
                    Load(data, Relaxed, 0),
                ],
            ],
        ),
        (
            "who reads a phase that was begun on another's word does not see it either",
            vec![
                vec![Store(data, Relaxed, 1), s.counts_out(left)],
                vec![
                    s.sees_left(left, 1),
                    Change(2, s.at(TRACKER, "drain", 1), 0, 1),
                ],
                vec![Load(2, s.at(TRACKER, "begin_next", 0), 1), s.begins(3)],
                vec![s.sees_phase(3, 1), Load(data, Relaxed, 0)],
            ],
        ),
    ]
}

fn word(s: &Source) -> Vec<Litmus> {
    let (data, word, count) = (0, 1, 0);
    let set_queued = s.at(WORD, "set_queued", 0);
    vec![
        (
            "who gets a permit does not see what its last holder did",
            vec![
                vec![Store(data, Relaxed, 1), s.gives_back(word, 0, 1)],
                vec![s.exchanges(word, 1, 2), Load(data, Relaxed, 0)],
            ],
        ),
        (
            "the same, with a waiter and a closer between the two",
            vec![
                vec![Store(data, Relaxed, 1), s.gives_back(word, 0, 1)],
                vec![Change(word, set_queued, 1, 2)],
                vec![s.closes(word, 2, 3)],
                vec![s.exchanges(word, 3, 4), Load(data, Relaxed, 0)],
            ],
        ),
        (
            "who reads the word does not see what came before",
            vec![
                vec![Store(data, Relaxed, 1), s.exchanges(word, 0, 1)],
                vec![s.sees_word(word, 1), Load(data, Relaxed, 0)],
            ],
        ),
        (
            "who is refused does not see what the closer did",
            vec![
                vec![Store(data, Relaxed, 1), s.closes(word, 0, 1)],
                vec![
                    Load(word, Relaxed, 1),
                    s.sees_word(word, 1),
                    Load(data, Relaxed, 0),
                ],
            ],
        ),
        (
            "who is refused by an exchange that fails does not see it",
            vec![
                vec![Store(data, Relaxed, 1), s.closes(word, 0, 1)],
                vec![
                    Load(word, s.at(WORD, "exchange", 1), 1),
                    Load(data, Relaxed, 0),
                ],
            ],
        ),
        (
            "a watcher and a releaser miss each other",
            vec![
                vec![
                    Change(count, Relaxed, 0, 1),
                    Change(word, s.at(WORD, "confirm", 0), 0, 0),
                ],
                vec![s.gives_back(word, 0, 1), Load(count, Relaxed, 0)],
            ],
        ),
        (
            "a watcher, or one aside, and a resizer miss each other",
            vec![
                vec![
                    Change(count, Relaxed, 0, 1),
                    Change(word, s.at(WORD, "confirm", 0), 0, 0),
                ],
                vec![s.exchanges(word, 0, 1), Load(count, Relaxed, 0)],
            ],
        ),
        (
            "a watcher that finds its goal met does not see what was done before",
            vec![
                vec![Store(data, Relaxed, 1), s.gives_back(word, 0, 1)],
                vec![
                    Change(word, s.at(WORD, "confirm", 0), 1, 1),
                    Load(data, Relaxed, 0),
                ],
            ],
        ),
    ]
}

fn queue(s: &Source) -> Vec<Litmus> {
    let (word, count, data, listens) = (1, 0, 0, 2);
    let set_queued = s.at(WORD, "set_queued", 0);
    let look = || s.fence(QUEUE, "look", 0);
    let notify = || s.fence(QUEUE, "notify", 0);
    let priority = s.at(QUEUE, "is_line_kept|line_has_priority", 0);
    vec![
        (
            "one that competes and a releaser miss each other, QUEUED being set",
            vec![
                vec![Change(count, Relaxed, 0, 1), look(), s.sees_word(word, 0)],
                vec![s.gives_back(word, 0, 1), notify(), Load(count, Relaxed, 0)],
            ],
        ),
        (
            "the same, where it sets QUEUED",
            vec![
                vec![
                    Change(count, Relaxed, 0, 1),
                    look(),
                    s.sees_word(word, 0),
                    Change(word, set_queued, 0, 2),
                ],
                vec![s.gives_back(word, 2, 3), notify(), Load(count, Relaxed, 0)],
            ],
        ),
        (
            "one that competes and a clear of QUEUED miss each other",
            vec![
                vec![Change(count, Relaxed, 0, 1), look(), s.sees_word(word, 0)],
                vec![
                    s.exchanges(word, 0, 1),
                    s.fence(QUEUE, "serve", 0),
                    Load(count, Relaxed, 0),
                ],
            ],
        ),
        (
            "one that competes and the closer miss each other",
            vec![
                vec![Store(count, Relaxed, 1), look(), s.sees_word(word, 0)],
                vec![
                    s.closes(word, 0, 1),
                    s.fence(QUEUE, "closed", 0),
                    Load(count, Relaxed, 0),
                ],
            ],
        ),
        (
            "who reads that nobody waits is refused for the sake of the line",
            vec![
                vec![s.exchanges(word, 0, 1), s.publishes(4, 0)],
                vec![
                    Load(0, s.at(QUEUE, "waiting", 0), 1),
                    Load(word, Relaxed, 0),
                ],
            ],
        ),
        (
            "the same, of the last that competed",
            vec![
                vec![
                    s.exchanges(word, 0, 1),
                    Change(0, s.at(QUEUE, "leave", 0), 0, 1),
                ],
                vec![
                    Load(0, s.at(QUEUE, "waiting", 1), 1),
                    Load(word, Relaxed, 0),
                ],
            ],
        ),
        (
            // The first is served, the second is the newcomer, and the third gives it back.
            "a permit that a newcomer leaves to one that has another is kept from both",
            vec![
                vec![
                    s.exchanges(word, 0, 1),
                    Change(count, s.at(QUEUE, "leave", 0), 1, 2),
                    s.sees_word(word, 1),
                ],
                vec![
                    Change(listens, Relaxed, 0, 1),
                    look(),
                    Change(count, Relaxed, 0, 1),
                    s.sees_word(word, 2),
                ],
                vec![
                    s.gives_back(word, 1, 2),
                    notify(),
                    Load(listens, Relaxed, 0),
                ],
            ],
        ),
        (
            "who reads that no line has priority sees a permit taken for it",
            vec![
                vec![s.exchanges(word, 0, 1), s.publishes(2, 0)],
                vec![Load(0, priority, 1), Load(word, Relaxed, 0)],
            ],
        ),
        (
            "a waiter that reads its grant does not see what its releaser did",
            vec![
                vec![Store(data, Relaxed, 1), s.publishes(5, 1)],
                vec![
                    Load(1, s.at(QUEUE, "verdict", 0), 1),
                    Load(data, Relaxed, 0),
                ],
            ],
        ),
        (
            "a waiter takes stepping aside for a grant",
            vec![
                vec![s.publishes(3, 0), s.publishes(5, 1)],
                vec![
                    Load(1, s.at(QUEUE, "verdict", 0), 1),
                    Load(0, s.at(QUEUE, "verdict", 1), 0),
                ],
            ],
        ),
        (
            "one that was aside does not see what its releaser did",
            vec![
                vec![Store(data, Relaxed, 1), s.publishes(3, 1)],
                vec![
                    Load(1, s.at(QUEUE, "verdict", 1), 1),
                    Load(data, Relaxed, 0),
                ],
            ],
        ),
    ]
}

/// What stands on the semaphore, and what it stands on.
fn others(s: &Source) -> Vec<Litmus> {
    let (data, at) = (0, 1);
    // Whoever reads what the first has written sees what that did before.
    let shows = |written: Step, read: Step| {
        vec![
            vec![Store(data, Relaxed, 1), written],
            vec![read, Load(data, Relaxed, 0)],
        ]
    };
    let are_none = |value| Load(at, s.at(KEY, "are_none", 0), value);
    let leaves = |name, from| Change(at, s.at(KEY, name, 0), from, from + 1);
    let sets_aside = |place| Change(place, s.at(CALL, "add", 0), 0, 1);
    let sees_aside = |place, value| Load(place, s.at(CALL, "len", 0), value);
    let tends = || s.fence(CALL, "tend", 0);
    vec![
        (
            "who finds nobody at a key does not see what a waiter did that has gone",
            vec![
                vec![Store(data, Relaxed, 1), leaves("leave_waiting", 0)],
                vec![leaves("leave_waiting", 1)],
                vec![are_none(2), Load(data, Relaxed, 0)],
            ],
        ),
        (
            "the same, of one who had a permit that stands for none",
            shows(leaves("leave_empty", 0), are_none(1)),
        ),
        (
            "the same, of who gave the key its own max",
            shows(leaves("clear_override", 0), are_none(1)),
        ),
        (
            "who sees a lease gone does not see what led to it",
            shows(
                Store(at, s.at(LEASE, "set_counts", 0), 1),
                Load(at, s.at(LEASE, "counts", 0), 1),
            ),
        ),
        (
            "a thread that is woken does not see what for",
            shows(
                Store(at, s.at(PARK, "wake_by_ref", 0), 1),
                Change(at, s.at(PARK, "sleep", 0), 1, 2),
            ),
        ),
        (
            "a thread does not go on from the counts of its number's last owner",
            shows(
                Change(at, s.at(NUMBERS, "give_back", 0), 0, 1),
                Change(at, s.at(NUMBERS, "take", 1), 1, 2),
            ),
        ),
        (
            "who times a permit does not see what the last one has left",
            shows(
                Store(at, s.at(PACE, "time_next", 8), 1),
                Change(at, s.at(PACE, "time", 1), 1, 2),
            ),
        ),
        (
            "who sees a job set aside does not see what was done before",
            shows(sets_aside(at), sees_aside(at, 1)),
        ),
        (
            "who sees a job taken does not see what was done before",
            shows(Change(at, s.at(CALL, "take", 0), 0, 1), sees_aside(at, 1)),
        ),
        (
            "of who sets a job aside and who gives a permit back neither sees the other",
            vec![
                vec![sets_aside(0), tends(), s.sees_word(1, 0)],
                vec![s.gives_back(1, 0, 1), tends(), sees_aside(0, 0)],
            ],
        ),
        (
            "who goes on with what was lent does not see what the lender did",
            shows(
                Store(at, s.at(FRAMES, "wake", 0), 1),
                Load(at, s.at(FRAMES, "is_there", 0), 1),
            ),
        ),
    ]
}

fn all(source: &Source) -> Vec<Litmus> {
    [tracker(source), word(source), queue(source), others(source)].concat()
}

/// What is possible and must not be.
fn wrong(source: &Source) -> Vec<&'static str> {
    let all = all(source);
    let wrong = all.iter().filter(|(_, threads)| is_possible(threads));
    wrong.map(|&(name, _)| name).collect()
}

fn main() -> ExitCode {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("proof/ is in it");
    let arguments: Vec<_> = env::args().skip(1).collect();
    let root = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => here,
        ["--holds", root] => Path::new(root),
        _ => panic!("litmus [--holds FOLDER]"),
    };
    let mut source = Source::of(root);
    let names = all(&source).len();
    let wrong_now = wrong(&source);
    for name in &wrong_now {
        println!("FAILS {name}");
    }
    if !wrong_now.is_empty() {
        return ExitCode::FAILURE;
    }
    println!("{names} outcomes are impossible");
    if !arguments.is_empty() {
        return ExitCode::SUCCESS;
    }
    let mut table = String::from(
        "# Orderings, and what becomes possible with weaker ones\n\n\
         Written by `cargo run -p proof --bin litmus`. By the axioms of C++20, in the small\n\
         programs of `proof/src/bin/litmus.rs`: what those do not contain is not shown here.\n\n\
         | file | function | ordering | weaker | then |\n|---|---|---|---|---|\n",
    );
    let used = source.used.take();
    let (mut needed, mut others) = (0, 0);
    for ((file, function, nth), site) in used {
        for weaker in site.weaker() {
            source.weaker = Some(((file, function.clone(), nth), weaker));
            let then = match wrong(&source)[..] {
                [] => {
                    others += 1;
                    "nothing that is modelled"
                }
                [name, ..] => {
                    needed += 1;
                    name
                }
            };
            let (operation, from) = (&site.operation, site.ordering.name());
            let to = weaker.map_or("gone", Ordering::name);
            table += &format!(
                "| {file} | `{function}` | {operation} #{nth}: {from} | {to} | {then} |\n"
            );
        }
    }
    table += &format!("\n{needed} weaker orderings make something possible, {others} nothing.\n");
    print!("{table}");
    let path = here.join("proof/orderings.md");
    fs::write(path, table).expect("proof/ can be written to");
    ExitCode::SUCCESS
}
