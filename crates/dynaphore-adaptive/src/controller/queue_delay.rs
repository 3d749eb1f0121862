//! The time that requests wait behind the permit.

use std::time::Duration;

use super::{Controller, Fraction, in_range};
use crate::Window;

/// Keeps the time that requests wait in the server's own queue near a target.
///
/// For servers that can tell this time: from when a request has its permit to when
/// a thread or a connection begins with it ([`Request::begins`](crate::Request::begins)).
/// It is the best sign of load there is, since it does not depend on what a request
/// asks for. WeChat's DAGOR (Zhou et al., SoCC 2018) decides by its mean, with 20 ms
/// as the target; Breakwater (Cho et al., OSDI 2020) has the law: a little is added
/// while the delay is below the target, and beyond it max is multiplied by
/// `1 - decrease * (delay - target) / target`, but never by less than a half. As in
/// slow start, max doubles as long as no delay of half the target has been seen.
///
/// Without a target it takes a tenth of the time that the work itself takes.
///
/// Do not take it where the program cannot tell the delay: then it changes nothing,
/// except that it halves max when everything fails. A target below what a pause of
/// the machine costs makes max shrink at each pause.
///
/// | parameter | unit | range | default |
/// |---|---|---|---|
/// | [`target`](Self::target) | time | 1 us to 1 h | a tenth of the work |
/// | [`increase`](Self::increase) | permits a window | 0.01 to 1000 | 0.5 |
/// | [`decrease`](Self::decrease) | factor on the excess | 0.001 to 1 | 0.05 |
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use dynaphore_adaptive::QueueDelay;
///
/// let controller = QueueDelay::default().target(Duration::from_millis(20));
/// ```
#[derive(Clone, Debug)]
pub struct QueueDelay {
    target: Option<Duration>,
    increase: f64,
    decrease: f64,
    max: Fraction,
    slow_start: bool,
}

impl Default for QueueDelay {
    fn default() -> Self {
        Self {
            target: None,
            increase: 0.5,
            decrease: 0.05,
            max: Fraction::default(),
            slow_start: true,
        }
    }
}

impl QueueDelay {
    /// The mean delay to aim at.
    ///
    /// # Panics
    ///
    /// When it is less than a microsecond or more than an hour.
    #[must_use]
    #[track_caller]
    pub fn target(self, target: Duration) -> Self {
        in_range("target in seconds", target.as_secs_f64(), 1e-6..=3600.0);
        Self {
            target: Some(target),
            ..self
        }
    }

    /// Permits to add in a window whose delay is below the target.
    ///
    /// # Panics
    ///
    /// When it is out of range or NaN.
    #[must_use]
    #[track_caller]
    pub fn increase(self, increase: f64) -> Self {
        Self {
            increase: in_range("increase", increase, 0.01..=1000.0),
            ..self
        }
    }

    /// How much of max goes for a delay of twice the target.
    ///
    /// # Panics
    ///
    /// When it is out of range or NaN.
    #[must_use]
    #[track_caller]
    pub fn decrease(self, decrease: f64) -> Self {
        Self {
            decrease: in_range("decrease", decrease, 0.001..=1.0),
            ..self
        }
    }
}

impl Controller for QueueDelay {
    fn name(&self) -> &'static str {
        "queue delay"
    }

    fn window(&mut self, window: &Window) -> u32 {
        if !window.tells() {
            return window.max;
        }
        let max = self.max.of(window.max);
        let failed = window.overload();
        let (Some(delay), Some(hold)) = (window.delays.mean(), window.holds.mean()) else {
            return self.max.set(max * (1.0 - failed / 2.0));
        };
        let work = hold.saturating_sub(delay);
        let target = self
            .target
            .unwrap_or(work / 10)
            .max(Duration::from_micros(1));
        let excess = delay.as_secs_f64() / target.as_secs_f64() - 1.0;
        if excess > -0.5 {
            self.slow_start = false;
        }
        self.max.set(if excess > 0.0 {
            max * (1.0 - self.decrease * excess).max(0.5)
        } else if failed > 0.0 {
            max * (1.0 - failed / 2.0)
        } else if self.slow_start {
            max * 2.0
        } else {
            max + self.increase
        })
    }
}
