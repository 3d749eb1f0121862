//! Additive increase, multiplicative decrease.

use super::{Controller, Fraction, in_range};
use crate::Window;

/// Adds a permit in each window, and takes a tenth away in one with failures.
///
/// Chiu and Jain (1989) show that this rule, and no other linear one, makes
/// clients that share a server fair to each other; TCP has used it since 1988.
///
/// It looks at failures only. Do not take it where overload shows as latency and
/// not as refusals or time-outs: there it grows to its upper bound. Max goes up and
/// down for ever, between the load that fails and nine tenths of it.
///
/// | parameter | unit | range | default |
/// |---|---|---|---|
/// | [`increase`](Self::increase) | permits a window | 0.01 to 1000 | 1 |
/// | [`decrease`](Self::decrease) | factor on max | 0.1 to 0.99 | 0.9 |
/// | [`tolerate`](Self::tolerate) | part of requests that may fail | 0 to 0.9 | 0 |
///
/// # Examples
///
/// ```
/// use dynaphore_adaptive::{Aimd, Controller, Window};
///
/// let mut aimd = Aimd::default();
/// let busy = Window { max: 10, limited: true, mean_active: 9.5, served: 50, ..Window::default() };
/// assert_eq!(aimd.window(&busy), 11);
/// assert_eq!(aimd.window(&Window { max: 10, rejected: 1, ..busy }), 9);
/// ```
#[derive(Clone, Debug)]
pub struct Aimd {
    increase: f64,
    decrease: f64,
    tolerate: f64,
    max: Fraction,
}

impl Default for Aimd {
    fn default() -> Self {
        Self {
            increase: 1.0,
            decrease: 0.9,
            tolerate: 0.0,
            max: Fraction::default(),
        }
    }
}

impl Aimd {
    /// Permits to add in a window without failures.
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

    /// What max is multiplied by in a window with failures.
    ///
    /// # Panics
    ///
    /// When it is out of range or NaN.
    #[must_use]
    #[track_caller]
    pub fn decrease(self, decrease: f64) -> Self {
        Self {
            decrease: in_range("decrease", decrease, 0.1..=0.99),
            ..self
        }
    }

    /// The part of requests whose failure is taken for chance.
    ///
    /// # Panics
    ///
    /// When it is out of range or NaN.
    #[must_use]
    #[track_caller]
    pub fn tolerate(self, tolerate: f64) -> Self {
        Self {
            tolerate: in_range("tolerate", tolerate, 0.0..=0.9),
            ..self
        }
    }
}

impl Controller for Aimd {
    fn name(&self) -> &'static str {
        "aimd"
    }

    fn window(&mut self, window: &Window) -> u32 {
        if !window.tells() {
            return window.max;
        }
        let max = self.max.of(window.max);
        if window.overload() > self.tolerate {
            self.max.set(max * self.decrease)
        } else if window.served > 0 {
            self.max.set(max + self.increase)
        } else {
            window.max
        }
    }
}
