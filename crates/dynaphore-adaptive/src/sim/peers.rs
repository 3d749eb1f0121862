//! What is to be beaten: limits of other projects, written afresh from their
//! descriptions, with their defaults.
//!
//! They are told of the same windows as ours, and their requests wait in the same
//! line. (Netflix's own windows are of one second, Envoy's of 100 ms, and both
//! turn away at once what finds no room.)

use crate::{Controller, Window};

/// Netflix's `VegasLimit`: the queue is kept between 3 and 6 times the logarithm of
/// the limit, and the latency of the moment becomes the base again after 15 to 30
/// times the limit of updates.
pub(super) struct NetflixVegas {
    limit: f64,
    base: f64,
    updates: f64,
    jitter: f64,
}

impl NetflixVegas {
    pub(super) fn new() -> Self {
        Self {
            limit: 0.0,
            base: 0.0,
            updates: 0.0,
            jitter: 0.75,
        }
    }
}

impl Controller for NetflixVegas {
    fn name(&self) -> &'static str {
        "Netflix Vegas"
    }

    fn window(&mut self, window: &Window) -> u32 {
        if self.limit.floor() as u32 != window.max {
            self.limit = f64::from(window.max);
        }
        let Some(time) = window.holds.mean() else {
            if window.overload() > 0.0 {
                self.limit = (self.limit - self.limit.log10().floor().max(1.0)).max(1.0);
            }
            return self.limit.floor() as u32;
        };
        let time = time.as_secs_f64();
        self.updates += 1.0;
        if self.updates >= self.jitter * 30.0 * self.limit {
            // In place of a random number: 0.5 to 1.0, by the golden ratio.
            self.jitter = 0.5 + (self.jitter + 0.309) % 0.5;
            self.updates = 0.0;
            self.base = time;
            return window.max;
        }
        if self.base == 0.0 || time < self.base {
            self.base = time;
            return window.max;
        }
        let step = self.limit.log10().floor().max(1.0);
        let queue = (self.limit * (1.0 - self.base / time)).ceil();
        if window.overload() > 0.0 {
            self.limit -= step;
        } else if f64::from(window.highest_active) * 2.0 < self.limit {
            return window.max;
        } else if queue <= step {
            self.limit += 6.0 * step;
        } else if queue < 3.0 * step {
            self.limit += step;
        } else if queue > 6.0 * step {
            self.limit -= step;
        }
        self.limit = self.limit.clamp(1.0, 1000.0);
        self.limit.floor() as u32
    }
}

/// Netflix's `Gradient2Limit`: `limit * long / short + 4`, smoothed by 0.2, where
/// `long` is the mean latency of 600 updates and may exceed `short` by half before
/// it counts.
pub(super) struct NetflixGradient2 {
    limit: f64,
    long: f64,
    updates: u32,
}

impl NetflixGradient2 {
    pub(super) fn new() -> Self {
        Self {
            limit: 0.0,
            long: 0.0,
            updates: 0,
        }
    }
}

impl Controller for NetflixGradient2 {
    fn name(&self) -> &'static str {
        "Netflix Gradient2"
    }

    fn window(&mut self, window: &Window) -> u32 {
        if self.limit.floor() as u32 != window.max {
            self.limit = f64::from(window.max);
        }
        let Some(short) = window.holds.mean() else {
            return window.max;
        };
        let short = short.as_secs_f64().max(1e-9);
        self.updates += 1;
        if self.updates <= 10 {
            self.long += (short - self.long) / f64::from(self.updates);
        } else {
            self.long += (short - self.long) * 2.0 / 601.0;
        }
        if self.long / short > 2.0 {
            self.long *= 0.9;
        }
        if f64::from(window.highest_active) < self.limit / 2.0 {
            return window.max;
        }
        let gradient = (1.5 * self.long / short).clamp(0.5, 1.0);
        let limit = self.limit * gradient + 4.0;
        self.limit = (0.8 * self.limit + 0.2 * limit).clamp(1.0, 1000.0);
        self.limit.floor() as u32
    }
}

/// Envoy's gradient controller: `limit * gradient + sqrt(limit)`, where the gradient
/// is 1.25 times the smallest time over the median of the window, 0.5 to 2. Every 60
/// seconds, with a jitter of up to 15 %, and after five windows at the minimum, it lets only three requests in
/// at a time until it has 50 samples, whose median is the new smallest time.
pub(super) struct Envoy {
    smallest: f64,
    /// Samples and the sum of their medians, while it measures.
    measures: Option<(f64, f64)>,
    /// The limit before it began to measure.
    before: u32,
    /// Seconds until it measures again.
    left: f64,
    turns: u32,
    at_least: u32,
}

const ENVOY_LEAST: u32 = 3;

impl Envoy {
    pub(super) fn new() -> Self {
        Self {
            smallest: 0.0,
            measures: None,
            before: 0,
            left: 0.0,
            turns: 0,
            at_least: 0,
        }
    }
}

impl Controller for Envoy {
    fn name(&self) -> &'static str {
        "Envoy gradient"
    }

    fn window(&mut self, window: &Window) -> u32 {
        let Some(median) = window.holds.quantile(0.5) else {
            return window.max;
        };
        let (median, served) = (median.as_secs_f64().max(1e-9), window.served as f64);
        self.left -= window.length.as_secs_f64();
        if let Some((samples, sum)) = self.measures {
            // The first window still has requests from before.
            let first = samples < 0.0;
            let (samples, sum) = if first {
                (0.0, 0.0)
            } else {
                (samples + served, sum + served * median)
            };
            if samples < 50.0 {
                self.measures = Some((samples, sum));
                return ENVOY_LEAST;
            }
            self.smallest = sum / samples;
            self.measures = None;
            self.turns += 1;
            self.left = 60.0 * (1.0 + 0.15 * (f64::from(self.turns) * 0.618).fract());
            self.at_least = 0;
            return self.before;
        }
        if self.left <= 0.0 || self.at_least >= 5 {
            self.before = window.max;
            self.measures = Some((-1.0, 0.0));
            return ENVOY_LEAST;
        }
        let limit = f64::from(window.max);
        let gradient = (1.25 * self.smallest / median).clamp(0.5, 2.0);
        let new = (limit * gradient + limit.sqrt()).clamp(f64::from(ENVOY_LEAST), 1000.0) as u32;
        self.at_least = if new == ENVOY_LEAST {
            self.at_least + 1
        } else {
            0
        };
        new
    }
}
