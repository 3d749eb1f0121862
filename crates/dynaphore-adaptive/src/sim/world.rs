//! Runs one scenario under one controller: events in the order of their time.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    time::Duration,
};

use super::{
    random::Random,
    scenario::{Change, Demand, Scenario, Work},
    server::Server,
};
use crate::{
    Controller, Outcome, Overload,
    pace::{Decision, Pace, Settings},
    tally::Tally,
};

/// A request that takes longer than this, in seconds from when it was due, is of
/// no use to anybody.
pub(super) const DEADLINE: f64 = 1.0;
/// How often the end of a window is looked for, in seconds.
const TICK: f64 = 0.05;
/// How long a server that is out of order takes to say so.
const FAILS_IN: f64 = 0.005;

/// A time in nanoseconds, then the order in which events were made.
type Key = (u64, u64);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrive(usize),
    GiveUp(usize),
    /// A request ends in the server, if nothing has changed there since.
    End(u64),
    Fail(usize),
    Change(usize),
    Tick,
}

struct Request {
    client: usize,
    due: f64,
    started: Option<f64>,
    work: f64,
    gone: bool,
}

struct Client {
    pace: Pace,
    tally: Tally,
    line: VecDeque<usize>,
    active: u32,
    max: u32,
    demand: usize,
    log: Vec<(f64, u32)>,
}

/// What became of one request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    pub(super) client: usize,
    pub(super) at: f64,
    /// From when it was due, in seconds. `None` if it was not answered.
    pub(super) took: Option<f64>,
    /// Turned away, for no reason but that max was lowered although the server
    /// was well: less than half of what it can do was allowed.
    pub(super) probed: bool,
}

/// All that happened in a run.
pub(super) struct Run {
    pub(super) ended: Vec<Ended>,
    /// For each client, max after each window, with the time.
    pub(super) max: Vec<Vec<(f64, u32)>>,
}

struct World<'a> {
    scenario: &'a Scenario,
    random: Random,
    server: Server,
    /// The server answers all requests with a failure.
    failing: bool,
    version: u64,
    clients: Vec<Client>,
    requests: Vec<Request>,
    events: BinaryHeap<Reverse<(Key, Event)>>,
    sequence: u64,
    now: f64,
    ended: Vec<Ended>,
}

fn nanos(seconds: f64) -> u64 {
    (seconds * 1e9).round() as u64
}

pub(super) fn run(
    scenario: &Scenario,
    seed: u64,
    max: u32,
    controller: &dyn Fn() -> Box<dyn Controller>,
) -> Run {
    let clients = (0..scenario.clients.len()).map(|demand| Client {
        pace: Pace::new(controller(), Settings::default()),
        tally: Tally::default(),
        line: VecDeque::new(),
        active: 0,
        max,
        demand: 0,
        log: vec![(scenario.clients[demand].0, max)],
    });
    let mut world = World {
        scenario,
        random: Random::new(seed),
        server: Server::new(scenario.knee),
        failing: false,
        version: 0,
        clients: clients.collect(),
        requests: Vec::new(),
        events: BinaryHeap::new(),
        sequence: 0,
        now: 0.0,
        ended: Vec::new(),
    };
    world.run();
    Run {
        ended: world.ended,
        max: world.clients.into_iter().map(|client| client.log).collect(),
    }
}

impl World<'_> {
    fn run(&mut self) {
        for (number, (at, _)) in self.scenario.changes.iter().enumerate() {
            self.at(*at, Event::Change(number));
        }
        for (client, (begins, demand)) in self.scenario.clients.iter().enumerate() {
            match demand {
                Demand::Open(_) => self.at(*begins, Event::Arrive(client)),
                Demand::Closed { users, think } => {
                    for _ in 0..*users {
                        let at = begins + self.random.exponential(*think);
                        self.at(at, Event::Arrive(client));
                    }
                }
            }
        }
        self.at(TICK, Event::Tick);
        while let Some(Reverse(((at, _), event))) = self.events.pop() {
            let at = at as f64 / 1e9;
            if at > self.scenario.length {
                break;
            }
            self.now = at.max(self.now);
            self.server.work_until(self.now);
            self.happens(event);
        }
    }

    fn at(&mut self, at: f64, event: Event) {
        self.sequence += 1;
        self.events
            .push(Reverse(((nanos(at), self.sequence), event)));
    }

    fn time(&self) -> Duration {
        Duration::from_nanos(nanos(self.now))
    }

    /// To be called after each change of the server.
    fn await_end(&mut self) {
        self.version += 1;
        if let Some(at) = self.server.next_end() {
            self.at(at, Event::End(self.version));
        }
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Arrive(client) => self.arrives(client),
            Event::GiveUp(request) => self.gives_up(request),
            Event::End(version) => {
                if version == self.version {
                    let request = self.server.pop().expect("was there when it was planned");
                    self.await_end();
                    self.ends(request, false);
                }
            }
            Event::Fail(request) => self.ends(request, true),
            Event::Change(number) => {
                match self.scenario.changes[number].1 {
                    Change::Speed(speed) => self.server.speed = speed,
                    Change::Knee(knee) => self.server.knee = knee,
                    Change::Failing(failing) => self.failing = failing,
                }
                self.await_end();
            }
            Event::Tick => {
                for client in 0..self.clients.len() {
                    self.step(client);
                }
                self.at(self.now + TICK, Event::Tick);
            }
        }
    }

    fn arrives(&mut self, client: usize) {
        let scenario = self.scenario;
        if let Demand::Open(rates) = &scenario.clients[client].1 {
            while rates
                .get(self.clients[client].demand + 1)
                .is_some_and(|next| next.0 <= self.now)
            {
                self.clients[client].demand += 1;
            }
            let rate = rates[self.clients[client].demand].1;
            let next = rates
                .get(self.clients[client].demand + 1)
                .map_or(f64::INFINITY, |next| next.0);
            let at = if rate > 0.0 {
                self.now + self.random.exponential(1.0 / rate)
            } else {
                next
            };
            // The rate changes before: what is left is drawn again.
            let at = at.min(next);
            if at.is_finite() {
                self.at(at, Event::Arrive(client));
            }
            if rate == 0.0 {
                return;
            }
        }
        let work = match scenario.work {
            Work::Even(mean) => mean / 2.0 + self.random.exponential(mean / 2.0),
            Work::Either(short, long) => {
                if self.random.part() < 0.5 {
                    short
                } else {
                    long
                }
            }
        };
        let request = self.requests.len();
        self.requests.push(Request {
            client,
            due: self.now,
            started: None,
            work,
            gone: false,
        });
        let time = self.time();
        let here = &mut self.clients[client];
        here.tally.arrives(1);
        if here.active < here.max && here.line.is_empty() {
            here.tally.starts(time, None, 1);
            self.starts(request);
        } else {
            here.tally.waits();
            here.line.push_back(request);
            self.at(self.now + scenario.patience, Event::GiveUp(request));
        }
    }

    fn starts(&mut self, request: usize) {
        self.clients[self.requests[request].client].active += 1;
        self.requests[request].started = Some(self.now);
        if self.failing {
            self.at(self.now + FAILS_IN, Event::Fail(request));
        } else {
            self.server.add(request, self.requests[request].work);
            self.await_end();
        }
    }

    fn serve_line(&mut self, client: usize) {
        let time = self.time();
        loop {
            let here = &mut self.clients[client];
            if here.active >= here.max {
                return;
            }
            let Some(request) = here.line.pop_front() else {
                return;
            };
            if self.requests[request].gone {
                continue;
            }
            let waited = Duration::from_nanos(nanos(self.now - self.requests[request].due));
            here.tally.starts(time, Some(waited), 1);
            self.starts(request);
        }
    }

    fn gives_up(&mut self, request: usize) {
        let Request {
            client, started, ..
        } = self.requests[request];
        if started.is_some() {
            return;
        }
        self.requests[request].gone = true;
        let here = &mut self.clients[client];
        here.tally.gives_up(true);
        while here
            .line
            .front()
            .is_some_and(|first| self.requests[*first].gone)
        {
            here.line.pop_front();
        }
        let well = self.server.speed == 1.0 && !self.failing;
        let half = self.server.knee / self.clients.len() as f64 / 2.0;
        let here = &self.clients[client];
        let lowered =
            f64::from(here.max) < half && here.log.iter().any(|(_, max)| f64::from(*max) >= half);
        self.ended.push(Ended {
            client,
            at: self.now,
            took: None,
            probed: well && lowered,
        });
        self.comes_again(client);
    }

    fn ends(&mut self, request: usize, failed: bool) {
        let Request {
            client,
            due,
            started,
            work,
            ..
        } = self.requests[request];
        let hold = self.now - started.expect("ends after it has started");
        let outcome = if failed {
            Outcome::Overload(Overload::Rejected)
        } else if hold > DEADLINE {
            Outcome::Overload(Overload::TimedOut)
        } else {
            Outcome::Served
        };
        let time = self.time();
        let here = &mut self.clients[client];
        here.active -= 1;
        let span = |seconds: f64| Duration::from_nanos(nanos(seconds.max(0.0)));
        let delay = (!failed).then(|| span(hold - work / self.server.speed.max(0.1)));
        here.tally.ends(time, span(hold), delay, outcome, 1);
        let took = (!failed).then_some(self.now - due);
        self.ended.push(Ended {
            client,
            at: self.now,
            took,
            probed: false,
        });
        self.step(client);
        self.serve_line(client);
        self.comes_again(client);
    }

    /// In a closed loop, who has an answer thinks and asks again.
    fn comes_again(&mut self, client: usize) {
        if let Demand::Closed { think, .. } = self.scenario.clients[client].1 {
            let at = self.now + self.random.exponential(think);
            self.at(at, Event::Arrive(client));
        }
    }

    fn step(&mut self, client: usize) {
        let time = self.time();
        let here = &mut self.clients[client];
        if !here.pace.is_due(&here.tally, time, here.max) {
            return;
        }
        let window = here.tally.take(time, here.max);
        match here.pace.decide(&window, here.tally.heaviest()) {
            Decision::Keep => {}
            Decision::Change(max) => here.max = max,
            Decision::Panicked(told) => panic!("{told}"),
        }
        here.log.push((self.now, here.max));
        self.serve_line(client);
    }
}
