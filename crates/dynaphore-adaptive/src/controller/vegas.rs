//! TCP Vegas: the queue that a latency stands for.

use super::{Controller, Fraction, in_range};
use crate::Window;

/// Keeps a few requests in the server's own queue, whose length it reckons from
/// how much longer requests take than the quickest ever did.
///
/// Brakmo and Peterson, *TCP Vegas* (1995), with the steps in the logarithm of max
/// that Netflix's `concurrency-limits` takes, and Vegas's own slow start: max
/// doubles until the first queue is seen. The queue is `max * (1 - base / hold)`,
/// where `hold` is the mean of the window and `base` the lowest such mean. Fewer
/// than `low * log10(max)` queued: max goes up by `log10(max)`; more than
/// `high * log10(max)`, or any failure: down by it. Where Netflix takes the latency
/// of the moment for the new base every so often, so that a base taken under load
/// lets max grow without end, this one lets the base rise by `forget` a window.
///
/// Do not take it where a request's time depends on what it asks for more than on
/// load, since then the lowest mean is a matter of chance; nor where a server may
/// become slower for good, which takes it `1 / forget` windows to believe; nor for
/// many clients of one server, where each that comes later believes in a higher
/// base and takes more.
///
/// | parameter | unit | range | default |
/// |---|---|---|---|
/// | [`low`](Self::low) | requests for each factor 10 of max | 0.1 to 100 | 1 |
/// | [`high`](Self::high) | the same | `low` to 100 | 2 |
/// | [`forget`](Self::forget) | part of the base, a window | 0 to 0.1 | 0.0005 |
///
/// # Examples
///
/// ```
/// use dynaphore_adaptive::{Adaptive, Vegas};
/// # use std::sync::Arc;
/// # let semaphore = Arc::new(dynaphore::Semaphore::new(8));
/// let adaptive = Adaptive::new(semaphore, Vegas::default().low(2.0).high(4.0));
/// ```
#[derive(Clone, Debug)]
pub struct Vegas {
    low: f64,
    high: f64,
    forget: f64,
    max: Fraction,
    /// Seconds.
    base: Option<f64>,
    slow_start: bool,
}

impl Default for Vegas {
    fn default() -> Self {
        Self {
            low: 1.0,
            high: 2.0,
            forget: 0.0005,
            max: Fraction::default(),
            base: None,
            slow_start: true,
        }
    }
}

impl Vegas {
    /// The queue below which max goes up.
    ///
    /// # Panics
    ///
    /// When it is out of range or NaN.
    #[must_use]
    #[track_caller]
    pub fn low(self, low: f64) -> Self {
        let low = in_range("low", low, 0.1..=100.0);
        Self {
            low,
            high: self.high.max(low),
            ..self
        }
    }

    /// The queue above which max goes down.
    ///
    /// # Panics
    ///
    /// When it is out of range or NaN.
    #[must_use]
    #[track_caller]
    pub fn high(self, high: f64) -> Self {
        Self {
            high: in_range("high", high, self.low..=100.0),
            ..self
        }
    }

    /// By how much the base rises in each window, as a part of it.
    ///
    /// # Panics
    ///
    /// When it is out of range or NaN.
    #[must_use]
    #[track_caller]
    pub fn forget(self, forget: f64) -> Self {
        Self {
            forget: in_range("forget", forget, 0.0..=0.1),
            ..self
        }
    }
}

impl Controller for Vegas {
    fn name(&self) -> &'static str {
        "vegas"
    }

    fn window(&mut self, window: &Window) -> u32 {
        let hold = window.holds.mean().map(|hold| hold.as_secs_f64());
        // Zero is a clock too coarse to tell, and as the base it would stay for good.
        let hold = hold.filter(|hold| *hold > 0.0);
        if let Some(hold) = hold {
            let base = self.base.map_or(hold, |base| base * (1.0 + self.forget));
            self.base = Some(base.min(hold));
        }
        if !window.tells() {
            return window.max;
        }
        let max = self.max.of(window.max);
        let step = max.log10().max(1.0);
        if window.overload() > 0.0 {
            self.slow_start = false;
            return self.max.set(max - step);
        }
        let (Some(hold), Some(base)) = (hold, self.base) else {
            return window.max;
        };
        let queue = max * (1.0 - base / hold);
        if queue > self.high * step {
            self.slow_start = false;
            self.max.set(max - step)
        } else if queue < self.low * step {
            self.max.set(if self.slow_start {
                max * 2.0
            } else {
                max + step
            })
        } else {
            self.slow_start = false;
            window.max
        }
    }
}
