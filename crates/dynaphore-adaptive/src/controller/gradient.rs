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
/// so that it comes to rest with about `queue` requests more in the server than it
/// serves at once.
///
/// **What the base is worth.** A base that follows the latency drifts up with it under
/// load, and max with the base; one that never rises is wrong for good after a
/// deployment. Uber's Cinnamon looks at the covariance of requests in flight and
/// throughput instead, and so does this: after each change of max by a third or more it
/// takes the elasticity of throughput, `ln(throughput ratio) / ln(active ratio)`.
/// Near 1, throughput has followed max: what requests take is no queue, and the base
/// rises to it, but after an incident it falls back to what it was. Near 0, it has
/// not: the queue is there, and the base can be at most nine tenths of `hold`. Where
/// max has not moved for a while, it goes up by two fifths for three windows to see,
/// at intervals that double up to 64 windows. It never goes *down* to see, so nobody
/// is turned away for it. While max is not in the way, the base is at most what requests
/// take.
///
/// **Several clients.** Where `n` of them share a full server, each sees an elasticity of
/// `1 - 1/n`: what it adds, the others lose. So the base rises only where the elasticity of
/// the last comparisons together is 0.8 or more, and by a twelfth at most for each. A base
/// that jumps by chance would keep its client above the others for good; small errors are
/// evened out, since clients with equal bases come to rest with equal queues. The base jumps
/// to what requests take where that is far more, and the last few comparisons together are at
/// 0.95 or more: the server has become slower, and this client has all of it.
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
/// | [`queue`](Self::queue) | requests | 0.5 to 1000 | 2.5 |
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
    /// Seconds that a request takes without a queue.
    base: f64,
    /// What the base was before an incident raised it.
    base_before: f64,
    /// Seconds that a request takes now, smoothed.
    hold: f64,
    /// Windows to let pass until the last change shows.
    settle: u32,
    /// What it was like at this max.
    here: Option<Point>,
    /// What it was like at the last max that was compared with.
    from: Option<Point>,
    /// The elasticity, smoothed over the last comparisons.
    elasticity: f64,
    /// The same over the last few.
    recent: f64,
    probe: Option<Probe>,
    /// Windows since the last comparison, and how many to let pass before a probe.
    since: u32,
    patience: u32,
}

/// What it is like at some max.
#[derive(Clone, Copy, Debug)]
struct Point {
    active: f64,
    throughput: f64,
    hold: f64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Probe {
    active: f64,
    throughput: f64,
    windows: u32,
}

/// At this elasticity or above, throughput follows max.
const FOLLOWS: f64 = 0.7;
/// At this one, over the last comparisons, it does for certain. (Where `n` clients share a
/// full server, each sees `1 - 1/n`, since what it adds the others lose.)
const CERTAIN: f64 = 0.8;
/// Below this it does not, in between nobody knows.
const STAYS: f64 = 0.25;
/// The base is at most this part of the time that requests take in a queue.
const QUEUED: f64 = 0.9;
/// Changes of max that are compared, as logarithms.
const COMPARED: f64 = 0.4;
/// A change of latency that is no effect of max, as a logarithm.
const JUMP: f64 = 0.3;
const SMOOTHING: f64 = 0.3;
/// How much the base rises without an incident, for one comparison.
const CAREFUL: f64 = 1.05;
/// How much it rises in an incident, for one comparison. A jump, where it is one of
/// chance, makes clients of one server differ for good.
const RAISE: f64 = 1.08;
/// At this elasticity, over the last few comparisons, the incident is the server's and
/// no other client's: the base jumps. (One of three sees 0.67, give or take 0.1.)
const ALONE: f64 = 0.95;
/// How much of one comparison counts: one alone is mostly chance.
const LEARNS: f64 = 0.25;
/// The same where the last few are to tell, since an incident is younger than the rest.
const LEARNS_RECENT: f64 = 0.5;
/// Requests that tell the base where max is not in the way.
const LIGHT: u64 = 50;
const PROBE: f64 = 1.4;
const PROBE_WINDOWS: u32 = 2;
const FIRST_PATIENCE: u32 = 4;
const LAST_PATIENCE: u32 = 64;

impl Point {
    fn mix(&mut self, now: Self) {
        let mix = |old: &mut f64, new: f64| *old += SMOOTHING * (new - *old);
        mix(&mut self.active, now.active);
        mix(&mut self.throughput, now.throughput);
        mix(&mut self.hold, now.hold);
    }

    fn is_near(&self, now: Self) -> bool {
        (now.active / self.active).ln().abs() < 0.1 && (now.hold / self.hold).ln().abs() < JUMP
    }
}

impl Default for Gradient {
    fn default() -> Self {
        Self {
            queue: 2.5,
            max: Fraction::default(),
            level: 0.0,
            base: f64::INFINITY,
            base_before: 0.0,
            hold: 0.0,
            settle: 1,
            here: None,
            from: None,
            elasticity: 1.0,
            recent: 1.0,
            probe: None,
            since: 0,
            patience: FIRST_PATIENCE,
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

    fn forget(&mut self) {
        self.here = None;
        self.from = None;
        self.settle = 1;
    }

    /// Smooths the time that requests take, and lets the base follow it down.
    fn time(&mut self, hold: f64, error: f64) {
        let clearly_less = |factor: f64| 1.0 - (factor * error).clamp(0.25, 0.9);
        let slower = self.settle > 0 && hold > 1.5 * self.hold;
        let fell = hold < clearly_less(4.0) * self.hold;
        if self.hold == 0.0 || slower || fell {
            self.hold = hold;
        } else {
            self.hold += SMOOTHING * (hold - self.hold);
        }
        if !self.base.is_finite() {
            self.base = self.hold;
        } else if fell && self.hold < 1.8 * self.base_before {
            // An incident is over, though the base had not followed it yet.
            self.base = self.base.min(self.hold).min(self.base_before);
            self.base_before = 0.0;
        } else if self.hold < clearly_less(2.0) * self.base {
            // An incident is over.
            self.base = self.hold;
            if self.hold < 1.8 * self.base_before {
                self.base = self.hold.min(self.base_before);
                self.base_before = 0.0;
            }
        } else if self.hold < self.base * (1.0 - 0.3 * error) {
            // Slowly, or the base would be what chance makes the least of.
            self.base += 0.05 * (self.hold - self.base);
        }
    }

    /// Corrects the base by what a change of max has led to. Whether throughput has
    /// followed.
    fn compare(&mut self, from: Point, to: Point) -> bool {
        let change = (to.active / from.active).ln();
        let elasticity = ((to.throughput / from.throughput).ln() / change).clamp(-0.5, 1.2);
        self.elasticity += LEARNS * (elasticity - self.elasticity);
        self.recent += LEARNS_RECENT * (elasticity - self.recent);
        let hold = if change > 0.0 { from.hold } else { to.hold };
        let before = self.base;
        let follows = elasticity >= FOLLOWS;
        let incident = hold > 1.5 * self.base;
        let alone = incident && self.recent >= ALONE;
        if follows && (alone || self.elasticity >= CERTAIN) {
            if incident {
                if self.base_before == 0.0 || self.base < self.base_before {
                    self.base_before = self.base;
                }
                let most = if alone { hold } else { RAISE * self.base };
                self.base = hold.min(most);
            } else {
                self.base = self.base.max(hold.min(CAREFUL * self.base));
            }
        } else if elasticity < STAYS {
            let part = elasticity.max(0.0) / FOLLOWS;
            self.base = self.base.min(hold * (QUEUED + (1.0 - QUEUED) * part));
        }
        self.since = 0;
        self.patience = if (self.base / before - 1.0).abs() > 0.03 {
            self.patience.min(2)
        } else {
            (self.patience * 2).clamp(1, LAST_PATIENCE)
        };
        follows
    }

    /// One more window of a probe.
    fn probed(&mut self, mut probe: Probe, now: Point) -> u32 {
        probe.active += now.active;
        probe.throughput += now.throughput;
        probe.windows += 1;
        self.probe = Some(probe);
        if probe.windows < PROBE_WINDOWS {
            return self.max.rounded();
        }
        let to = Point {
            active: probe.active / f64::from(probe.windows),
            throughput: probe.throughput / f64::from(probe.windows),
            hold: now.hold,
        };
        let from = self.from.expect("set as the probe began");
        let has_room = (to.active / from.active).ln() >= 0.1 && self.compare(from, to);
        self.settle = 1;
        if has_room {
            // It stays there, and looks further up at once.
            self.patience = 1;
            self.here = Some(to);
            self.from = Some(to);
            let level = f64::from(self.max.rounded());
            return self.move_to(level);
        }
        self.since = 0;
        self.move_to(self.level)
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
        if !window.tells() {
            // What requests take without a queue, if they are enough to tell.
            if failed == 0.0 && hold > 0.0 && window.holds.count() >= LIGHT {
                self.base = self.base.min(hold * (1.0 + window.holds.error()));
            }
            self.forget();
            return self.move_to(self.level);
        }
        if failed > 0.1 || hold <= 0.0 || window.length.is_zero() {
            self.forget();
            self.patience = FIRST_PATIENCE;
            self.elasticity = 1.0;
            self.recent = 1.0;
            return self.move_to((self.level * (1.0 - failed / 2.0)).max(1.0));
        }
        self.time(hold, window.holds.error());
        if self.settle > 0 {
            self.settle -= 1;
            return window.max;
        }
        let now = Point {
            active: window.mean_active,
            throughput: window.throughput(),
            hold,
        };
        if let Some(probe) = self.probe {
            return self.probed(probe, now);
        }
        match &mut self.here {
            Some(here) if here.is_near(now) => here.mix(now),
            here => *here = Some(now),
        }
        self.since += 1;
        match &mut self.from {
            None => self.from = Some(now),
            Some(from) => {
                let change = (now.active / from.active).ln();
                let slower = (now.hold / from.hold).ln();
                // It has become slower without more in it, or quicker with more.
                let jump = if change.abs() < COMPARED {
                    slower.abs() > JUMP
                } else {
                    slower * change.signum() < -JUMP
                };
                if jump {
                    *from = now;
                } else if change.abs() < 0.1 {
                    from.mix(now);
                } else if change.abs() >= COMPARED {
                    let from = *from;
                    self.compare(from, now);
                    self.from = Some(now);
                }
            }
        }
        if self.since >= self.patience {
            self.since = 0;
            self.settle = 1;
            self.from = self.here;
            self.probe = Some(Probe::default());
            return self.max.set((self.level * PROBE).max(self.level + 1.0));
        }
        let gradient = (self.base / self.hold).clamp(0.5, 1.0);
        let goal = self.level * (gradient + 0.03) + self.queue;
        self.move_to((self.level + goal) / 2.0 * (1.0 - failed / 2.0))
    }
}
