//! What the world does to a controller.

/// What a client asks for.
#[derive(Clone, Debug)]
pub(super) enum Demand {
    /// So many requests a second, whatever becomes of them, from a time on.
    Open(Vec<(f64, f64)>),
    /// So many users, who wait for each answer and then think for so long on
    /// the average, in seconds.
    Closed { users: usize, think: f64 },
}

/// The work that a request is, in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Work {
    /// Half of it in any case, the other half exponentially distributed.
    Even(f64),
    /// One or the other, each as often.
    Either(f64, f64),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    Speed(f64),
    Knee(f64),
    Failing(bool),
}

/// The figure to reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Aim {
    /// Mean max in windows 50 to 100 within 20 % of the knee.
    Settles,
    /// At least this part of the goodput of the best static max.
    Goodput(f64),
    /// That, and p99 at most so many times that with a tenth of the load.
    GoodputAndLatency(f64, f64),
    /// Max in the minute after this span of time not above that before it.
    NotAbove(f64, f64),
    /// Max after this span of time as before it.
    Unchanged(f64, f64),
    /// None: it is shown, not promised.
    None,
    /// Jain's index.
    Fair(f64),
}

#[derive(Clone, Debug)]
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    pub(super) length: f64,
    /// The span of time that the figures are of.
    pub(super) measured: (f64, f64),
    pub(super) max: u32,
    pub(super) knee: f64,
    pub(super) work: Work,
    /// How long a request waits in line, in seconds.
    pub(super) patience: f64,
    /// From when on, and what.
    pub(super) clients: Vec<(f64, Demand)>,
    pub(super) changes: Vec<(f64, Change)>,
    pub(super) aim: Aim,
}

/// The knee, and the time of a request.
pub(super) const KNEE: f64 = 20.0;
const WORK: f64 = 0.1;
/// Requests a second that the server can serve.
const CAPACITY: f64 = KNEE / WORK;

fn open(rate: f64) -> Vec<(f64, Demand)> {
    vec![(0.0, Demand::Open(vec![(0.0, rate * CAPACITY)]))]
}

impl Scenario {
    fn new(name: &'static str, what: &'static str, aim: Aim) -> Self {
        Self {
            name,
            what,
            length: 120.0,
            measured: (30.0, 120.0),
            max: 10,
            knee: KNEE,
            work: Work::Even(WORK),
            patience: WORK,
            clients: open(2.0),
            changes: Vec::new(),
            aim,
        }
    }

    /// With next to no load, to know what a request takes then.
    pub(super) fn calm(&self) -> Self {
        let work = match self.work {
            Work::Even(mean) => mean,
            Work::Either(short, long) => (short + long) / 2.0,
        };
        let rates = vec![(0.0, 0.1 * self.knee / work)];
        Self {
            clients: vec![(0.0, Demand::Open(rates))],
            changes: Vec::new(),
            measured: (0.0, self.length),
            ..self.clone()
        }
    }
}

pub(super) fn all() -> Vec<Scenario> {
    use Aim::{Fair, Goodput, GoodputAndLatency, NotAbove, Settles, Unchanged};
    let new = Scenario::new;
    let pauses = (1..24).flat_map(|number| {
        let at = 5.0 * f64::from(number);
        [(at, Change::Speed(0.0)), (at + 0.2, Change::Speed(1.0))]
    });
    let third = |begins| (begins, Demand::Open(vec![(begins, CAPACITY)]));
    vec![
        Scenario {
            max: 2,
            ..new("start at 2", "twice the load that can be served", Settles)
        },
        Scenario {
            max: 400,
            ..new("start at 400", "the same", Settles)
        },
        Scenario {
            length: 780.0,
            measured: (61.0, 660.0),
            clients: vec![(
                0.0,
                Demand::Open(vec![
                    (0.0, 0.9 * CAPACITY),
                    (60.0, 1.8 * CAPACITY),
                    (660.0, 0.9 * CAPACITY),
                ]),
            )],
            ..new(
                "load x2",
                "0.9 of what can be served, twice that for ten minutes",
                GoodputAndLatency(0.95, 2.0),
            )
        },
        Scenario {
            length: 240.0,
            measured: (150.0, 240.0),
            changes: vec![(60.0, Change::Speed(0.1)), (120.0, Change::Speed(1.0))],
            ..new(
                "latency x10",
                "for 60 s; figures from 30 s after it on",
                Goodput(0.9),
            )
        },
        Scenario {
            length: 900.0,
            measured: (720.0, 900.0),
            changes: vec![
                (120.0, Change::Speed(1.0 / 3.0)),
                (720.0, Change::Speed(1.0)),
            ],
            ..new(
                "slow for long",
                "three times the latency for ten minutes; figures from its end on",
                NotAbove(120.0, 720.0),
            )
        },
        Scenario {
            length: 780.0,
            measured: (660.0, 780.0),
            clients: vec![(
                0.0,
                Demand::Open(vec![
                    (0.0, 2.0 * CAPACITY),
                    (60.0, 0.0),
                    (660.0, 2.0 * CAPACITY),
                ]),
            )],
            ..new(
                "idle",
                "ten minutes without a request; figures from its end on",
                Unchanged(60.0, 660.0),
            )
        },
        Scenario {
            length: 240.0,
            measured: (60.0, 240.0),
            work: Work::Either(0.005, 0.5),
            patience: 0.25,
            ..new("5 and 500 ms", "two kinds of requests", Goodput(0.9))
        },
        Scenario {
            changes: pauses.collect(),
            ..new(
                "pauses",
                "the server stops for 200 ms every 5 s",
                Goodput(0.9),
            )
        },
        Scenario {
            length: 240.0,
            measured: (120.0, 240.0),
            clients: vec![third(0.0), third(0.0), third(0.0)],
            max: 4,
            ..new(
                "three clients",
                "each asks for all that the server can serve",
                Fair(0.95),
            )
        },
        Scenario {
            length: 240.0,
            measured: (120.0, 240.0),
            clients: vec![third(0.0), third(20.0), third(40.0)],
            max: 4,
            ..new(
                "late clients",
                "the same, but they come 20 s apart",
                Aim::None,
            )
        },
        Scenario {
            length: 180.0,
            measured: (105.0, 180.0),
            changes: vec![
                (60.0, Change::Failing(true)),
                (90.0, Change::Failing(false)),
            ],
            ..new(
                "outage",
                "30 s of failures; figures from 15 s after it on",
                Goodput(0.9),
            )
        },
        Scenario {
            length: 240.0,
            measured: (75.0, 150.0),
            changes: vec![(60.0, Change::Knee(10.0)), (150.0, Change::Knee(KNEE))],
            ..new(
                "half the server",
                "the knee is 10 for 90 s; figures of these, after 15 s",
                Goodput(0.9),
            )
        },
        Scenario {
            clients: vec![(
                0.0,
                Demand::Closed {
                    users: 100,
                    think: 0.05,
                },
            )],
            patience: 10.0,
            ..new(
                "closed loop",
                "100 users who wait for their answers",
                Goodput(0.9),
            )
        },
        Scenario {
            length: 60.0,
            measured: (35.0, 60.0),
            knee: 2.0,
            work: Work::Even(0.002),
            patience: 0.002,
            clients: vec![(
                0.0,
                Demand::Open(vec![(0.0, 500.0), (10.0, 3000.0), (30.0, 1000.0)]),
            )],
            ..new(
                "two cores",
                "the knee is 2, requests take 2 ms: what can be served, after 20 s of thrice that",
                GoodputAndLatency(0.95, 2.5),
            )
        },
        Scenario {
            clients: open(0.7),
            max: 20,
            ..new("light load", "0.7 of what can be served", Goodput(0.95))
        },
    ]
}

impl Aim {
    /// What is to be reached.
    pub(super) fn words(self) -> String {
        match self {
            Self::None => String::new(),
            Self::Settles => "within 20 % of 20".to_owned(),
            Self::Goodput(part) => format!("goodput {:.0} % of the best static max", part * 100.0),
            Self::GoodputAndLatency(part, times) => format!(
                "goodput {:.0} %, p99 {times} times that without load",
                part * 100.0
            ),
            Self::NotAbove(..) => "max afterwards not above that before".to_owned(),
            Self::Unchanged(..) => "max unchanged".to_owned(),
            Self::Fair(index) => format!("Jain's index {index}"),
        }
    }
}
