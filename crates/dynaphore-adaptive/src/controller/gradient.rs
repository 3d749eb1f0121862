//! The latency against the best known, which throughput proves or disproves.

use super::{Controller, Fraction, in_range};
use crate::Window;

/// The controller to take if you do not know which: it needs no parameter.
///
/// **How long requests should take.** Like Netflix's Gradient2 it compares the mean
/// time in a window, `hold`, with a long-term `base`, and moves max half the way to
///
/// ```text
/// max * clamp(base / hold, 0.5, 1) + queue + 0.03 * max
/// ```
///
/// or the whole way where requests take twice the base. So it comes to rest with about `queue`
/// requests more in the server than it serves at once. What is a short queue where 20 are
/// served at once is a long one where two are: from the first sign of a queue on, and with fewer
/// than 5.1 requests in flight, it is shorter by the cube of their part of 5.1, or of 4/3 of max
/// where that is less. So a small max comes down of which little is in use: what it lets in beyond
/// that is a queue.
///
/// **The base is a mean.** It is the mean of the first four windows, and then of all
/// whose `hold` differs from it by less than its own error. A smallest value would be what
/// chance makes the least of: with windows of 100 requests it is a tenth too low, and max
/// with it. Only a time that is clearly below the base takes its place at once.
///
/// **When the base is wrong.** A base that follows the latency drifts up with it under
/// load, and max with the base; one that never rises is wrong for good after a
/// deployment. What tells them apart is throughput (Uber's Cinnamon takes the covariance of
/// it and the requests in flight). After each change of max by a half, this takes the
/// elasticity, `ln(throughput ratio) / ln(active ratio)`, and the error that chance gives it.
/// Where max does not move, it goes up by two fifths for two windows to see, at intervals
/// that double up to 64 windows. It never goes *down* to see, so nobody is turned away for it.
/// The elasticities are averaged by their errors, and decide only beyond those:
///
/// - Above 0.8, with three of them: throughput follows max, so what requests take is no queue.
///   The base rises to it, and falls back to what it was when the incident is over.
/// - Below 0.25: there is a queue. That disproves the base only where the base has never been
///   seen with clearly fewer requests in flight than now. Then it can be at most 0.85 of `hold`.
/// - What is far beyond 1 or -1 is no effect of max: the server has changed, and all is seen anew.
///
/// While max is not in the way, the base is at most what requests take.
///
/// **Several clients.** Where `n` of them share a full server, each sees an elasticity of
/// `1 - 1/n`: what it adds, the others lose. For up to three that is less than 0.8, so their
/// bases stay, and clients with equal bases come to rest with equal queues.
///
/// **Failures** take half of their part off max (DCTCP, SIGCOMM 2010): 10 % of
/// failures, 5 % of max.
///
/// Do not take it for more than about three clients of one server that each steer by
/// themselves: one who comes when the server is full takes the queue of the others
/// for the time that requests take. Nor where there are fewer than some ten requests a
/// second: it decides by differences that drown in chance then. Where throughput does
/// not fall beyond the knee, and max begins far above, it may come to rest at twice the
/// knee, unless it has seen the latency without a queue. A server that can
/// tell how long requests queue does better with [`QueueDelay`](super::QueueDelay).
///
/// | parameter | unit | range | default |
/// |---|---|---|---|
/// | [`queue`](Self::queue) | requests | 0.5 to 1000 | 2.2 |
///
/// Sources: Netflix, *Performance Under Load* (2018) and `concurrency-limits`;
/// Uber, *Cinnamon Auto-Tuner: Adaptive Concurrency in the Wild* (2023).
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use dynaphore::Semaphore;
/// use dynaphore_adaptive::{Adaptive, Gradient};
///
/// let adaptive = Adaptive::new(Arc::new(Semaphore::new(10)), Gradient::default());
/// ```
#[derive(Clone, Debug)]
pub struct Gradient {
    queue: f64,
    max: Fraction,
    /// Max, but for a probe.
    level: f64,
    base: Base,
    /// What the base was before an incident raised it.
    before: Option<Base>,
    /// Seconds that a request takes now, smoothed.
    hold: f64,
    /// Windows to let pass until the last change shows.
    settle: u32,
    /// What it was like at the last max that is compared with.
    from: Option<Points>,
    /// What it is like at this max.
    here: Option<Points>,
    elasticity: Elasticity,
    /// What it is like in a probe that is under way.
    probe: Option<Points>,
    /// Windows since the last comparison, and how many to let pass before a probe.
    since: u32,
    patience: u32,
    /// No queue has been seen yet, so max is far from where it will rest.
    slow_start: bool,
}

/// What requests take without a queue.
#[derive(Clone, Copy, Debug, Default)]
struct Base {
    /// Seconds.
    hold: f64,
    /// Requests that it is the mean of, at most [`REMEMBERED`].
    requests: f64,
    /// Windows that it is the mean of, at most [`FIRST`].
    windows: u32,
    /// The fewest requests in flight that it was seen with.
    active: f64,
}

/// What it was like in some window.
#[derive(Clone, Copy, Debug)]
struct Point {
    active: f64,
    throughput: f64,
    hold: f64,
}

/// The mean of some windows at about one max.
#[derive(Clone, Copy, Debug)]
struct Points {
    mean: Point,
    windows: f64,
}

/// Of throughput by requests in flight: the mean of the last comparisons, by their errors.
#[derive(Clone, Copy, Debug, Default)]
struct Elasticity {
    sum: f64,
    weight: f64,
    comparisons: f64,
}

/// From this mean elasticity on, throughput follows max. (Where `n` clients share a
/// full server, each sees `1 - 1/n`, since what it adds the others lose.)
const FOLLOWS: f64 = 0.8;
/// In a probe, at this elasticity it has room.
const HAS_ROOM: f64 = 0.7;
/// Below this one there is a queue. In between nobody knows.
const STAYS: f64 = 0.25;
/// The base is at most this part of the time that requests take in a queue.
const QUEUED: f64 = 0.85;
/// How many of its own errors a time may be above the base and still count as the base.
const CHANCE: f64 = 0.5;
/// Windows that make the first base: the error of one is a tenth of what is looked for.
const FIRST: u32 = 4;
/// Requests that the base is the mean of, at the most.
const REMEMBERED: f64 = 2000.0;
/// A base seen with fewer requests in flight, by this factor, is not seen in a queue.
const FEWER: f64 = 1.3;
/// Changes of max that are compared, as logarithms.
const COMPARED: f64 = 0.4;
/// A change of latency that is no effect of max, as a logarithm.
const JUMP: f64 = 0.3;
const SMOOTHING: f64 = 0.3;
/// With fewer requests in flight than this the queue is shorter,
const FEW: f64 = 5.1;
/// or, for each permit of max, than this many: two fifths of it are left where max is all in use.
const FEW_OF_MAX: f64 = 4.0 / 3.0;
/// How much the base rises without an incident, for one comparison.
const CAREFUL: f64 = 1.1;
/// What is left of a comparison's weight with each that follows.
const KEEPS: f64 = 0.8;
/// Three comparisons, so weighted.
const ENOUGH: f64 = 2.4;
/// Requests that tell the base where max is not in the way.
const LIGHT: u64 = 50;
const PROBE: f64 = 1.4;
const PROBE_WINDOWS: f64 = 2.0;
/// Windows that a probe is compared with, at least and at most.
const COMPARED_WINDOWS: (f64, f64) = (3.0, 21.0);
const FIRST_PATIENCE: u32 = 8;
const LAST_PATIENCE: u32 = 64;

impl Base {
    fn is_known(&self) -> bool {
        self.windows >= FIRST
    }

    fn set(&mut self, hold: f64, requests: f64, active: f64) {
        *self = Self {
            hold,
            requests,
            windows: FIRST,
            active,
        };
    }

    fn learn(&mut self, hold: f64, requests: f64, active: f64) {
        self.requests = (self.requests + requests).min(REMEMBERED);
        self.hold += (hold - self.hold) * (requests / self.requests).min(1.0);
        self.active = if self.windows == 0 {
            active
        } else {
            self.active.min(active)
        };
        self.windows = (self.windows + 1).min(FIRST);
    }

    fn at_most(&mut self, hold: f64) {
        self.hold = self.hold.min(hold);
    }
}

impl Point {
    fn is_near(&self, now: Self) -> bool {
        (now.active / self.active).ln().abs() < 0.1 && (now.hold / self.hold).ln().abs() < JUMP
    }
}

impl Points {
    fn of(point: Point) -> Self {
        Self {
            mean: point,
            windows: 1.0,
        }
    }

    fn add(&mut self, point: Point) {
        self.windows = (self.windows + 1.0).min(COMPARED_WINDOWS.1);
        let mix = |old: &mut f64, new: f64| *old += (new - *old) / self.windows;
        mix(&mut self.mean.active, point.active);
        mix(&mut self.mean.throughput, point.throughput);
        mix(&mut self.mean.hold, point.hold);
    }
}

impl Elasticity {
    fn add(&mut self, elasticity: f64, error: f64) {
        let weight = 1.0 / (error * error);
        self.sum = self.sum * KEEPS + elasticity * weight;
        self.weight = self.weight * KEEPS + weight;
        self.comparisons = self.comparisons * KEEPS + 1.0;
    }

    fn mean(&self) -> f64 {
        self.sum / self.weight
    }

    fn error(&self) -> f64 {
        1.0 / self.weight.sqrt()
    }
}

impl Default for Gradient {
    fn default() -> Self {
        Self {
            queue: 2.2,
            max: Fraction::default(),
            level: 0.0,
            base: Base::default(),
            before: None,
            hold: 0.0,
            settle: 1,
            from: None,
            here: None,
            elasticity: Elasticity::default(),
            probe: None,
            since: 0,
            patience: FIRST_PATIENCE,
            slow_start: true,
        }
    }
}

impl Gradient {
    /// How many requests more than it serves at once are to be in the server.
    ///
    /// More bear irregular loads better, fewer have a lower latency.
    ///
    /// # Panics
    ///
    /// When it is out of range or NaN.
    #[must_use]
    #[track_caller]
    pub fn queue(self, queue: f64) -> Self {
        Self {
            queue: in_range("queue", queue, 0.5..=1000.0),
            ..self
        }
    }

    /// Sets max to the level, and looks anew at what that is like.
    fn move_to(&mut self, level: f64) -> u32 {
        self.level = level;
        self.probe = None;
        self.max.set(level)
    }

    /// How many requests are to queue where so many are in flight.
    fn queue_with(&self, active: f64) -> f64 {
        if self.slow_start {
            return self.queue;
        }
        let few = FEW.min(FEW_OF_MAX * self.level);
        self.queue * (active / few).min(1.0).powi(3)
    }

    fn forget(&mut self) {
        self.from = None;
        self.here = None;
        self.settle = 1;
    }

    /// Smooths the time that requests take, and takes it for the base where it is that.
    /// Whether the server has become quicker.
    fn time(&mut self, window: &Window, hold: f64) -> bool {
        let error = window.holds.error();
        let requests = window.holds.count() as f64;
        let active = window.mean_active;
        let clearly_less = |factor: f64| 1.0 - (factor * error).clamp(0.25, 0.9);
        let settled = self.settle == 0;
        let slower = !settled && hold > 1.5 * self.hold;
        let fell = hold < clearly_less(4.0) * self.hold;
        if self.hold == 0.0 || slower || fell {
            self.hold = hold;
        } else {
            self.hold += SMOOTHING * (hold - self.hold);
        }
        if !self.base.is_known() {
            if settled {
                self.base.learn(hold, requests, active);
            }
            return false;
        }
        let below = self.hold < clearly_less(2.0) * self.base.hold;
        let over = |before: &Base| below || fell && self.hold < 1.8 * before.hold;
        if let Some(before) = self.before.filter(over) {
            // The incident is over, or the base of before is believed until disproved.
            self.base = before;
            self.before = None;
            self.patience = LAST_PATIENCE;
            return true;
        }
        if below {
            self.base.set(self.hold, requests, active);
            return true;
        }
        if settled {
            let deviation = error * requests.sqrt();
            let chance = CHANCE * deviation / self.base.requests.sqrt();
            if self.hold < self.base.hold * (1.0 + chance) {
                self.base.learn(hold, requests, active);
            }
        }
        false
    }

    /// Corrects the base by what a change of max has led to. Whether throughput has
    /// followed. `error` is that of one window.
    fn compare(&mut self, from: Points, to: Points, error: f64) -> bool {
        self.since = 0;
        let (there, here) = (from.mean, to.mean);
        let change = (here.active / there.active).ln();
        let elasticity = (here.throughput / there.throughput).ln() / change;
        let error = error * (1.0 / from.windows + 1.0 / to.windows).sqrt() / change.abs();
        let error = error.max(0.01);
        if !(-1.0 - 3.0 * error..=1.2 + 3.0 * error).contains(&elasticity) {
            self.elasticity = Elasticity::default();
            self.patience = self.patience.min(FIRST_PATIENCE);
            return false;
        }
        let elasticity = elasticity.clamp(-0.5, 1.1);
        self.elasticity.add(elasticity, error);
        let (mean, error) = (self.elasticity.mean(), self.elasticity.error());
        let fewer = if change > 0.0 { there } else { here };
        let old = self.base;
        if mean - error > FOLLOWS && self.elasticity.comparisons >= ENOUGH {
            if fewer.hold > 1.5 * old.hold {
                // The server has become slower.
                if self.before.is_none_or(|before| old.hold < before.hold) {
                    self.before = Some(old);
                }
                self.base.set(fewer.hold, 100.0, fewer.active);
                self.elasticity = Elasticity::default();
            } else if fewer.hold > old.hold {
                self.base.hold = fewer.hold.min(CAREFUL * old.hold);
            }
        } else if mean + 2.0 * error < STAYS && fewer.active < FEWER * self.base.active {
            let part = mean.max(0.0) / HAS_ROOM;
            self.base
                .at_most(fewer.hold * (QUEUED + (1.0 - QUEUED) * part));
        }
        self.patience = if (self.base.hold / old.hold - 1.0).abs() > 0.03 {
            self.patience.min(2)
        } else {
            (self.patience * 2).clamp(1, LAST_PATIENCE)
        };
        elasticity >= HAS_ROOM
    }

    /// One more window of a probe from `from`.
    fn probed(&mut self, from: Points, to: Points, error: f64) -> u32 {
        self.probe = Some(to);
        if to.windows < PROBE_WINDOWS {
            return self.max.rounded();
        }
        let is_up = (to.mean.active / from.mean.active).ln() >= 0.1;
        let has_room = is_up && self.compare(from, to, error);
        self.settle = 1;
        if has_room {
            // It stays there, and looks further up at once.
            self.patience = 1;
            self.from = Some(to);
            self.here = Some(to);
            let level = f64::from(self.max.rounded());
            return self.move_to(level);
        }
        self.since = 0;
        self.move_to(self.level)
    }

    /// What it is like now, beside what it was like at the last max.
    fn look(&mut self, now: Point, error: f64) {
        match &mut self.here {
            Some(here) if here.mean.is_near(now) => here.add(now),
            here => *here = Some(Points::of(now)),
        }
        let Some(from) = &mut self.from else {
            self.from = Some(Points::of(now));
            return;
        };
        let change = (now.active / from.mean.active).ln();
        let slower = (now.hold / from.mean.hold).ln();
        // It has become slower without more in it, or quicker with more.
        let jump = if change.abs() < COMPARED {
            slower.abs() > JUMP
        } else {
            slower * change.signum() < -JUMP
        };
        if jump {
            self.from = Some(Points::of(now));
            self.elasticity = Elasticity::default();
        } else if change.abs() < 0.1 {
            from.add(now);
        } else if change.abs() >= COMPARED {
            let from = *from;
            self.compare(from, Points::of(now), error);
            self.from = Some(Points::of(now));
        }
    }
}

impl Controller for Gradient {
    fn name(&self) -> &'static str {
        "gradient"
    }

    fn window(&mut self, window: &Window) -> u32 {
        if self.max.rounded() != window.max {
            self.forget();
            self.move_to(f64::from(window.max));
        }
        let failed = window.overload();
        let hold = window.holds.mean().map_or(0.0, |hold| hold.as_secs_f64());
        let error = window.holds.error();
        if !window.tells() {
            // What requests take without a queue, if they are enough to tell.
            if failed == 0.0 && hold > 0.0 && window.holds.count() >= LIGHT {
                if self.base.is_known() {
                    self.base.at_most(hold * (1.0 + 2.0 * error));
                } else {
                    let requests = window.holds.count() as f64;
                    self.base.learn(hold, requests, window.mean_active);
                }
            }
            self.forget();
            return self.move_to(self.level);
        }
        if failed > 0.1 || hold <= 0.0 || window.length.is_zero() {
            self.forget();
            self.patience = FIRST_PATIENCE;
            self.elasticity = Elasticity::default();
            return self.move_to((self.level * (1.0 - failed / 2.0)).max(1.0));
        }
        let watches = !self.base.is_known();
        if self.time(window, hold) {
            self.forget();
            self.elasticity = Elasticity::default();
            return self.move_to(self.level);
        }
        if self.settle > 0 {
            self.settle -= 1;
            return window.max;
        }
        if watches {
            return window.max;
        }
        let now = Point {
            active: window.mean_active,
            throughput: window.throughput(),
            hold,
        };
        if let (Some(from), Some(mut probe)) = (self.from, self.probe) {
            probe.add(now);
            return self.probed(from, probe, error);
        }
        self.since += 1;
        self.look(now, error);
        // A probe is compared with what it was like before, on the average.
        let here = self.here.filter(|here| here.windows >= COMPARED_WINDOWS.0);
        if self.since >= self.patience && here.is_some() {
            self.slow_start = false;
            self.since = 0;
            self.settle = 1;
            self.from = here;
            self.probe = Some(Points {
                mean: now,
                windows: 0.0,
            });
            return self.max.set((self.level * PROBE).max(self.level + 1.0));
        }
        let gradient = (self.base.hold / self.hold).clamp(0.5, 1.0);
        self.slow_start &= gradient >= 0.9;
        let goal = self.level * (gradient + 0.03) + self.queue_with(now.active);
        let level = if gradient <= 0.5 {
            goal
        } else {
            (self.level + goal) / 2.0
        };
        self.move_to(level * (1.0 - failed / 2.0))
    }
}
