//! When a window ends, and what becomes of the controller's answer.

use std::{
    ops::RangeInclusive,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use dynaphore::Semaphore;

use crate::{Controller, Window, tally::Tally};

/// Windows end once they are this long,
const SHORTEST: Duration = Duration::from_millis(250);
/// and this many requests have ended in them, or ten for each permit,
const SAMPLES: u64 = 100;
const FOR_EACH: u64 = 10;
/// or after this time in any case.
const LONGEST: Duration = Duration::from_secs(5);

/// What the caller may set.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    bounds: RangeInclusive<u32>,
    shortest: Duration,
    samples: u64,
    longest: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            bounds: 1..=1024,
            shortest: SHORTEST,
            samples: SAMPLES,
            longest: LONGEST,
        }
    }
}

impl Settings {
    #[track_caller]
    pub(crate) fn bounds(self, bounds: RangeInclusive<u32>) -> Self {
        assert!(
            !bounds.is_empty(),
            "the bounds {bounds:?} are the wrong way round"
        );
        assert!(
            *bounds.start() > 0,
            "the lower bound must be at least 1: max 0 is a pause"
        );
        assert!(
            *bounds.end() as usize <= Semaphore::MAX_PERMITS,
            "the upper bound must be at most MAX_PERMITS ({})",
            Semaphore::MAX_PERMITS
        );
        Self { bounds, ..self }
    }

    #[track_caller]
    pub(crate) fn windows(self, shortest: Duration, samples: u64, longest: Duration) -> Self {
        assert!(!shortest.is_zero(), "a window must have a length");
        assert!(
            shortest <= longest,
            "the shortest window is above the longest"
        );
        assert!(samples > 0, "a window must have a sample");
        Self {
            shortest,
            samples,
            longest,
            ..self
        }
    }
}

pub(crate) struct Pace {
    controller: Box<dyn Controller>,
    pub(crate) settings: Settings,
    /// The mean time that permits were held in the last window that tells.
    hold: Duration,
    panicked: bool,
}

/// What a window has led to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Decision {
    /// Max stays.
    Keep,
    /// Max is to become this, which is within the bounds.
    Change(u32),
    /// The controller has panicked. It is not called again.
    Panicked(String),
}

impl Pace {
    pub(crate) fn new(controller: Box<dyn Controller>, settings: Settings) -> Self {
        Self {
            controller,
            settings,
            hold: Duration::ZERO,
            panicked: false,
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.controller.name()
    }

    /// Whether the window has all it needs: enough time for requests that began
    /// in it to have ended in it, and enough of them. The longest window ends without.
    pub(crate) fn is_due(&self, tally: &Tally, now: Duration, max: u32) -> bool {
        let length = tally.length(now);
        length >= self.settings.longest
            || length >= self.settings.shortest.max(self.hold)
                && tally.samples() >= self.settings.samples.min(FOR_EACH * u64::from(max))
    }

    /// Asks the controller. Where the program was not limited by max, the answer
    /// is not followed.
    ///
    /// Max is not to be below `heaviest`, the weight of a request: that would wait beside
    /// the line, and if all did, no request would end and nobody would raise max.
    pub(crate) fn decide(&mut self, window: &Window, heaviest: u32) -> Decision {
        if self.panicked || window.length.is_zero() {
            return Decision::Keep;
        }
        if let Some(hold) = window.holds.mean() {
            self.hold = hold;
        }
        // What a panic leaves behind in the controller is not looked at again.
        let answer = catch_unwind(AssertUnwindSafe(|| self.controller.window(window)));
        match answer {
            Ok(max) => {
                let bounds = &self.settings.bounds;
                let max = max.max(heaviest).clamp(*bounds.start(), *bounds.end());
                if window.limited && max != window.max {
                    Decision::Change(max)
                } else {
                    Decision::Keep
                }
            }
            Err(panic) => {
                self.panicked = true;
                let told = panic.downcast_ref::<&str>().map(|told| (*told).to_owned());
                let told = told.or_else(|| panic.downcast_ref::<String>().cloned());
                Decision::Panicked(told.unwrap_or_else(|| "no message".to_owned()))
            }
        }
    }
}
