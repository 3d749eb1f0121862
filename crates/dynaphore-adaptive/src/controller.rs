//! Who decides on max.

mod aimd;
mod gradient;
mod queue_delay;
mod vegas;

pub use self::{aimd::Aimd, gradient::Gradient, queue_delay::QueueDelay, vegas::Vegas};

use crate::Window;

/// Decides what max is to be, from what happened in the window before.
///
/// It is a function of the windows it has seen and of nothing else: it has no
/// clock, no thread and no random numbers, so it can be simulated and tested. It
/// need not know the bounds: the answer is clamped to them, and the next window
/// says what max has become.
///
/// # Examples
///
/// One that keeps the median time at 50 ms:
///
/// ```
/// use std::time::Duration;
/// use dynaphore_adaptive::{Controller, Window};
///
/// struct Median;
///
/// impl Controller for Median {
///     fn name(&self) -> &'static str {
///         "median"
///     }
///
///     fn window(&mut self, window: &Window) -> u32 {
///         match window.holds.quantile(0.5) {
///             Some(median) if median > Duration::from_millis(50) => window.max - window.max / 10,
///             Some(_) if window.tells() => window.max + 1,
///             _ => window.max,
///         }
///     }
/// }
/// ```
pub trait Controller: Send {
    /// What it is called in a table or a log.
    fn name(&self) -> &'static str;

    /// Max for the next window. [`window.max`](Window::max) leaves it as it is.
    fn window(&mut self, window: &Window) -> u32;
}

impl<C: Controller + ?Sized> Controller for Box<C> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn window(&mut self, window: &Window) -> u32 {
        (**self).window(window)
    }
}

/// Never changes max, to compare with.
///
/// # Examples
///
/// ```
/// use dynaphore_adaptive::{Controller, Fixed, Window};
///
/// let window = Window { max: 10, limited: true, ..Window::default() };
/// assert_eq!(Fixed.window(&window), 10);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Fixed;

impl Controller for Fixed {
    fn name(&self) -> &'static str {
        "fixed"
    }

    fn window(&mut self, window: &Window) -> u32 {
        window.max
    }
}

/// A max with a fraction, so that small steps add up.
#[derive(Clone, Copy, Debug, Default)]
struct Fraction(f64);

impl Fraction {
    /// The exact value that belongs to max, which someone else may have changed.
    fn of(self, max: u32) -> f64 {
        if self.rounded() == max {
            self.0
        } else {
            f64::from(max)
        }
    }

    fn set(&mut self, value: f64) -> u32 {
        self.0 = value.clamp(1.0, f64::from(u32::MAX / 2));
        self.rounded()
    }

    fn rounded(self) -> u32 {
        self.0.round() as u32
    }
}

/// A parameter that must be in a range.
#[track_caller]
fn in_range(name: &str, value: f64, range: std::ops::RangeInclusive<f64>) -> f64 {
    assert!(
        range.contains(&value),
        "`{name}` must be in {} to {}, not {value}",
        range.start(),
        range.end()
    );
    value
}
