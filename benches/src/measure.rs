//! Runs the subjects of a workload by turns and compares them.

use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::alloc;
use crate::stats::{median, median_ratio};
use crate::subject::{BY_TOKIO, EPOCH, FLOORS};
use crate::table::{
    Column, Row,
    Value::{Figure, Text},
    figure, name,
};

/// Does that many operations (one acquire and release each, shared out among
/// the threads or tasks) and returns the wall time from when all could start
/// to when the last was done.
pub type Runner = Box<dyn FnMut(u64) -> Duration>;

thread_local! {
    /// How often another thread did its part beside the last run of this one, if one did.
    pub static BESIDE: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Sets a workload up for a subject.
pub type Prepare = Entry<fn() -> Runner>;

/// A subject that takes part, and how.
pub struct Entry<R> {
    /// The subject's name.
    pub subject: &'static str,
    /// Runs it, or sets it up.
    pub run: R,
}

/// An [`Entry`] for each subject, of a function generic over it.
macro_rules! entries {
    ($run:ident; $($subject:ident),+) => {
        &[$($crate::measure::Entry {
            subject: <$subject>::NAME,
            run: $run::<$subject>,
        }),+]
    };
}
pub(crate) use entries;

/// How much to measure.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How often each subject gets its turn.
    pub rounds: usize,
    /// About how long a turn takes.
    pub slice: Duration,
    /// How often allocations are counted.
    pub counts: usize,
    /// How often single waits are recorded, and for how long each time.
    pub waits: (usize, Duration),
    /// How many acquires are given up, or keys come and go.
    pub many: u64,
    /// How often that is timed.
    pub trials: usize,
    /// How many sizes of a line grow, and the turns of each.
    pub growth: (usize, usize),
    /// How long each line is overloaded.
    pub overload: Duration,
    /// How often each rayon workload is run, at most.
    pub job_rounds: usize,
    /// How much of a rayon workload a turn is: 1 for all of it.
    pub job_part: u32,
}

impl Plan {
    /// For figures to quote.
    pub const FULL: Self = Self {
        rounds: 25,
        slice: Duration::from_millis(40),
        counts: 5,
        waits: (4, Duration::from_millis(500)),
        many: 1_000_000,
        trials: 9,
        growth: (3, 3),
        overload: Duration::from_secs(2),
        job_rounds: 25,
        job_part: 1,
    };

    /// For a look.
    pub const QUICK: Self = Self {
        rounds: 11,
        slice: Duration::from_millis(20),
        counts: 3,
        waits: (2, Duration::from_millis(100)),
        many: 100_000,
        trials: 3,
        growth: (2, 1),
        overload: Duration::from_millis(500),
        job_rounds: 3,
        job_part: 4,
    };

    /// The same with turns that many times as long.
    #[must_use]
    pub fn slower(self, times: u32) -> Self {
        Self {
            slice: self.slice * times,
            ..self
        }
    }
}

/// What a workload cost one subject.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    /// The subject's name.
    pub subject: &'static str,
    /// Median over the rounds, wall time over operations.
    pub ns_per_op: f64,
    /// Median over the rounds of the ratio to tokio, if tokio took part.
    pub vs_tokio: Option<f64>,
    /// Median over the rounds of the ratio to the floor, if that took part.
    pub vs_floor: Option<f64>,
    /// Median over the rounds of the ratio to crossbeam-epoch, if that took part.
    pub vs_epoch: Option<f64>,
    /// Median over the rounds: what another thread did meanwhile, for 1000 operations.
    /// Where that differs, so does the work.
    pub beside_per_1k: Option<f64>,
    /// Heap allocations per operation, once all is set up.
    pub allocs_per_op: f64,
}

/// A subject in the middle of its workload.
struct Contestant {
    subject: &'static str,
    runner: Runner,
    /// How many operations fill a slice.
    ops: u64,
    /// One value a round.
    ns_per_op: Vec<f64>,
    /// One value a round, if another thread does something meanwhile.
    beside_per_1k: Vec<f64>,
}

/// Measures the entries of one workload against each other.
///
/// Every round gives each of them a turn, and every round starts with another
/// one, so that a change of the machine's pace hits all alike. No round begins
/// after `until`, except the first.
pub fn compare(entries: &[&Prepare], plan: Plan, until: Option<Instant>) -> Vec<Outcome> {
    let mut contestants: Vec<Contestant> = entries
        .iter()
        .map(|entry| {
            let mut runner = (entry.run)();
            Contestant {
                subject: entry.subject,
                ops: calibrate(&mut runner, plan.slice),
                runner,
                ns_per_op: Vec::with_capacity(plan.rounds),
                beside_per_1k: Vec::new(),
            }
        })
        .collect();

    for round in 0..plan.rounds {
        if round > 0 && until.is_some_and(|until| Instant::now() >= until) {
            break;
        }
        let count = contestants.len();
        for turn in 0..count {
            contestants[(round + turn) % count].take_turn();
        }
    }

    let rounds_of = |names: &[&str]| {
        let found = contestants
            .iter()
            .find(|other| names.contains(&other.subject));
        found.map(|other| other.ns_per_op.clone())
    };
    let tokio = rounds_of(BY_TOKIO);
    let floor = rounds_of(FLOORS);
    let epoch = rounds_of(&[EPOCH]);
    contestants
        .iter_mut()
        .map(|contestant| {
            let (rounds, beside) = (&contestant.ns_per_op, &contestant.beside_per_1k);
            let versus =
                |base: &Option<Vec<f64>>| base.as_ref().map(|base| median_ratio(rounds, base));
            Outcome {
                subject: contestant.subject,
                ns_per_op: median(rounds.iter().copied()),
                vs_tokio: versus(&tokio),
                vs_floor: versus(&floor),
                vs_epoch: versus(&epoch),
                beside_per_1k: (!beside.is_empty()).then(|| median(beside.iter().copied())),
                allocs_per_op: allocations(&mut contestant.runner, contestant.ops / 8, plan.counts),
            }
        })
        .collect()
}

impl Contestant {
    fn take_turn(&mut self) {
        // Bring code and data back into the caches that others have used.
        (self.runner)(self.ops / 16);
        // What is done beside the warm-up, or another workload, is not this turn's.
        BESIDE.take();
        let wall = (self.runner)(self.ops);
        let ops = self.ops as f64;
        self.ns_per_op.push(wall.as_nanos() as f64 / ops);
        let beside = BESIDE.take().map(|times| times as f64 / ops * 1e3);
        self.beside_per_1k.extend(beside);
    }
}

/// When the first of `count` equal parts of the time until `end` is over.
pub fn share_of_time(end: Instant, count: u32) -> Instant {
    let now = Instant::now();
    now + end.saturating_duration_since(now) / count.max(1)
}

/// How many operations take about as long as `slice`. Warms up on the way.
fn calibrate(runner: &mut Runner, slice: Duration) -> u64 {
    let mut ops = 256;
    loop {
        let wall = runner(ops).max(Duration::from_nanos(1));
        let fit = slice.as_secs_f64() / wall.as_secs_f64();
        // Extrapolate only from a run that is not far from the slice.
        if fit <= 4.0 {
            return ((ops as f64 * fit) as u64).max(64);
        }
        ops *= 4;
    }
}

/// Heap allocations per operation in steady state.
///
/// A run of twice the length allocates as much for threads and tasks; what it
/// allocates more is due to the operations.
fn allocations(runner: &mut Runner, ops: u64, counts: usize) -> f64 {
    let mut count = |ops| {
        let made = alloc::count(|| {
            runner(ops);
        });
        made as f64
    };
    let ops = ops.max(64);
    let per_op = median((0..counts).map(|_| {
        let once = count(ops);
        (count(2 * ops) - once) / ops as f64
    }));
    per_op.max(0.0)
}

/// With the name of the workload.
impl Row for (&'static str, Outcome) {
    const COLUMNS: &'static [Column<Self>] = &[
        name("workload", "workload", 24, |o| Text(o.0)),
        name("subject", "subject", 20, |o| Text(o.1.subject)),
        figure("ns_per_op", "ns/op", 9, |o| {
            Figure(Some(o.1.ns_per_op), 1, 1)
        }),
        figure("vs_tokio", "vs_tokio", 9, |o| Figure(o.1.vs_tokio, 3, 2)),
        figure("vs_floor", "vs_floor", 9, |o| Figure(o.1.vs_floor, 3, 2)),
        figure("vs_epoch", "vs_epoch", 9, |o| Figure(o.1.vs_epoch, 3, 2)),
        figure("beside_per_1k", "beside/1k", 9, |o| {
            Figure(o.1.beside_per_1k, 1, 0)
        }),
        figure("allocs_per_op", "allocs/op", 10, |o| {
            Figure(Some(o.1.allocs_per_op), 4, 3)
        }),
    ];
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::{FLOOR, TOKIO};

    const PLAN: Plan = Plan {
        rounds: 3,
        slice: Duration::from_micros(100),
        counts: 3,
        ..Plan::QUICK
    };

    /// Pretends to take `NS` nanoseconds an operation.
    fn fake<const NS: u64>() -> Runner {
        Box::new(|ops| Duration::from_nanos(NS * ops))
    }

    #[test]
    fn ratios_are_taken_against_those_who_took_part() {
        let ours: Prepare = Entry {
            subject: "ours",
            run: fake::<10>,
        };
        let tokio: Prepare = Entry {
            subject: TOKIO,
            run: fake::<20>,
        };
        let floor: Prepare = Entry {
            subject: FLOOR,
            run: fake::<5>,
        };

        let all = compare(&[&ours, &tokio, &floor], PLAN, None);
        let names: Vec<_> = all.iter().map(|outcome| outcome.subject).collect();
        assert_eq!(names, ["ours", TOKIO, FLOOR]);
        assert_eq!(all[0].ns_per_op, 10.0);
        assert_eq!(all[0].vs_tokio, Some(0.5));
        assert_eq!(all[0].vs_floor, Some(2.0));
        assert_eq!(all[1].vs_tokio, Some(1.0));

        let alone = compare(&[&ours], PLAN, None);
        assert_eq!(alone[0].vs_tokio, None);
        assert_eq!(alone[0].vs_floor, None);
    }

    #[test]
    fn what_is_done_beside_belongs_to_its_workload() {
        let storm = crate::workload::find("resize_storm_2t").expect("it is there");
        let with = compare(&[&storm.entries[0]], PLAN, None);
        assert!(with[0].beside_per_1k.is_some());
        let ours: Prepare = Entry {
            subject: "ours",
            run: fake::<10>,
        };
        let without = compare(&[&ours], PLAN, None);
        assert_eq!(without[0].beside_per_1k, None);
    }

    #[test]
    fn out_of_time_still_gives_one_round() {
        let ours: Prepare = Entry {
            subject: "ours",
            run: fake::<10>,
        };
        let outcomes = compare(&[&ours], PLAN, Some(Instant::now()));
        assert_eq!(outcomes[0].ns_per_op, 10.0);
    }

    #[test]
    fn slices_are_filled() {
        assert_eq!(
            calibrate(&mut fake::<10>(), Duration::from_millis(1)),
            100_000
        );
        // Slower than the slice from the start.
        assert_eq!(
            calibrate(&mut fake::<1_000_000>(), Duration::from_millis(1)),
            64
        );
    }
}
