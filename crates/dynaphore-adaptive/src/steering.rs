//! What is shared by the requests of one semaphore, or of one key: their tally, and
//! who steers.
//!
//! Two locks. The tally's is held for some nanoseconds, by each request as it
//! begins and as it ends. The steering's is held by whoever ends a window, while
//! the controller and the hook run; all others find it taken and go on. The
//! tally's lock is never held while another is taken, nor while foreign code runs.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError},
    time::{Duration, Instant},
};

use dynaphore::Semaphore;

use crate::{
    Window,
    pace::{Decision, Pace},
    tally::Tally,
};

/// What is steered: a semaphore, or a key of one.
pub(crate) trait Steered: Send + Sync {
    fn max(&self) -> usize;

    /// Whether it could be set: there may be no room for one more key.
    fn set_max(&self, max: u32) -> bool;
}

impl Steered for Arc<Semaphore> {
    fn max(&self) -> usize {
        Semaphore::max(self)
    }

    fn set_max(&self, max: u32) -> bool {
        Semaphore::set_max(self, max as usize);
        true
    }
}

pub(crate) type Hook = Box<dyn FnMut(&Change) + Send>;

pub(crate) struct Steering {
    pub(crate) pace: Pace,
    pub(crate) shadow: bool,
    pub(crate) hook: Option<Hook>,
}

/// What all requests of one semaphore, or of one key, share.
pub(crate) struct Shared {
    steered: Box<dyn Steered>,
    began: Instant,
    tally: Mutex<Tally>,
    steering: Mutex<Steering>,
    /// Beside that lock, so that a hook may ask.
    panicked: OnceLock<ControllerPanicked>,
}

impl Shared {
    pub(crate) fn new(steered: impl Steered + 'static, pace: Pace) -> Self {
        Self {
            steered: Box::new(steered),
            began: Instant::now(),
            tally: Mutex::default(),
            steering: Mutex::new(Steering {
                pace,
                shadow: false,
                hook: None,
            }),
            panicked: OnceLock::new(),
        }
    }

    pub(crate) fn since_began(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.began)
    }

    /// No foreign code runs under this lock, so it is whole even if it is poisoned.
    pub(crate) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a hook that is running.
    pub(crate) fn steering(&self) -> MutexGuard<'_, Steering> {
        self.steering.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn panicked(&self) -> Option<ControllerPanicked> {
        self.panicked.get().cloned()
    }

    /// How long no request has had a permit or given one back.
    pub(crate) fn idle(&self, now: Instant) -> Duration {
        self.since_began(now).saturating_sub(self.tally().used())
    }

    fn max(&self) -> u32 {
        u32::try_from(self.steered.max()).expect("at most MAX_PERMITS")
    }

    pub(crate) fn step(&self, now: Instant) -> Result<Option<Change>, ControllerPanicked> {
        let now = self.since_began(now);
        let mut steering = match self.steering.try_lock() {
            Ok(steering) => steering,
            // A hook has panicked. What it left is whole: it runs last.
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // Somebody is at it, perhaps the hook that calls us.
            Err(TryLockError::WouldBlock) => return Ok(None),
        };
        let max = self.max();
        let (window, heaviest) = {
            let mut tally = self.tally();
            if !steering.pace.is_due(&tally, now, max) {
                return Ok(None);
            }
            (tally.take(now, max), tally.heaviest())
        };
        if let Some(panicked) = self.panicked() {
            return Err(panicked);
        }
        // Max 0 is somebody's pause. To end it is not up to a controller.
        if max == 0 {
            return Ok(None);
        }
        match steering.pace.decide(&window, heaviest) {
            Decision::Keep => Ok(None),
            // Who has set max meanwhile knows more than the window, and may pause. No
            // call sets it only if it is still the same, so one who does that between
            // this and `set_max` is overruled.
            Decision::Change(_) if self.max() != max => Ok(None),
            Decision::Panicked(message) => {
                let controller = steering.pace.name();
                let panicked = ControllerPanicked {
                    controller,
                    message,
                };
                Err(self.panicked.get_or_init(|| panicked).clone())
            }
            Decision::Change(to) => {
                let change = Change {
                    from: max,
                    to,
                    shadow: steering.shadow,
                    window,
                };
                if !change.shadow && !self.steered.set_max(to) {
                    return Ok(None);
                }
                if let Some(hook) = &mut steering.hook {
                    hook(&change);
                }
                Ok(Some(change))
            }
        }
    }
}

/// A change of max, made or, in shadow mode, only proposed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Change {
    /// What max was.
    pub from: u32,
    /// What it is now, or would be.
    pub to: u32,
    /// Whether it is only proposed.
    pub shadow: bool,
    /// What led to it.
    pub window: Window,
}

/// The controller has panicked. Max is as it was before, and stays so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControllerPanicked {
    controller: &'static str,
    message: String,
}

impl fmt::Display for ControllerPanicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the controller `{}` has panicked, max stays as it was: {}",
            self.controller, self.message
        )
    }
}

impl std::error::Error for ControllerPanicked {}
