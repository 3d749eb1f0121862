//! What a program asks for when it joins.

use std::{sync::Arc, time::Duration};

use dynaphore::Semaphore;

use crate::{error::FleetError, member::Terms};

/// What becomes of a member's max when its lease runs out because the store cannot be
/// reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum OnLoss {
    /// It becomes 0 until the store is back: the fleet's max holds. The default.
    #[default]
    Pause,
    /// It becomes this, 0 to [`Semaphore::MAX_PERMITS`]. While the store is lost the
    /// members together may have this times their number out, whatever the fleet's max is.
    Keep(usize),
}

/// How a member joins.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use dynaphore_fleet::{OnLoss, Options};
///
/// let options = Options::new(64)
///     .lease(Duration::from_secs(6))
///     .grace(Duration::from_secs(30))
///     .on_loss(OnLoss::Keep(2));
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Options {
    pub(crate) max: usize,
    lease: Duration,
    grace: Duration,
    drift_ppm: u32,
    on_loss: OnLoss,
    pub(crate) semaphore: Option<Arc<Semaphore>>,
}

impl Options {
    /// `max` is how many permits may be out in the whole fleet, 0 to
    /// [`Semaphore::MAX_PERMITS`]. It counts for the member that founds the fleet; later
    /// ones take what they find, and [`Fleet::set_max`](crate::Fleet::set_max) changes it.
    pub fn new(max: usize) -> Self {
        Self {
            max,
            lease: Duration::from_secs(3),
            grace: Duration::ZERO,
            drift_ppm: 100_000,
            on_loss: OnLoss::Pause,
            semaphore: None,
        }
    }

    /// Within which the share of a member that has died is with those who wait for it: 100 ms
    /// to an hour, 3 s unless set, the same for all members of a fleet. A grace comes on top.
    ///
    /// The store counts a 32nd less, from the last report of the dead one. That leaves time
    /// for this report and for the one of who waits, which comes as the store forgets the
    /// dead one. Sooner is not safe: it could be alive and use its share until then. A
    /// member renews at a third.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// For how long after the lease permits that are out stay counted, because the work
    /// under them goes on: 0 to an hour, 0 unless set, the same for all members.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// By how much the store's clock may gain on this machine's, in millionths: 0 to
    /// 500,000, 100,000 (a tenth) unless set. The member lets go by so much before the
    /// lease is over.
    pub fn drift_ppm(mut self, drift_ppm: u32) -> Self {
        self.drift_ppm = drift_ppm;
        self
    }

    /// What to do when the lease runs out because the store is lost.
    pub fn on_loss(mut self, on_loss: OnLoss) -> Self {
        self.on_loss = on_loss;
        self
    }

    /// The semaphore whose max is to be this member's share; of the default fairness
    /// unless set. Its max belongs to the fleet from then on: it is 0 after an attempt to join
    /// that has failed.
    pub fn semaphore(mut self, semaphore: Arc<Semaphore>) -> Self {
        self.semaphore = Some(semaphore);
        self
    }

    pub(crate) fn terms(&self) -> Result<Terms, FleetError> {
        let hour = Duration::from_secs(3600);
        let kept = match self.on_loss {
            OnLoss::Pause => 0,
            OnLoss::Keep(kept) => permits(kept)?,
        };
        if !(Duration::from_millis(100)..=hour).contains(&self.lease) {
            return Err(FleetError::Invalid("a lease is 100 ms to an hour long"));
        }
        if self.grace > hour {
            return Err(FleetError::Invalid("a grace is an hour long at most"));
        }
        if self.drift_ppm > 500_000 {
            return Err(FleetError::Invalid("a drift is 500,000 millionths at most"));
        }
        // The store counts in microseconds.
        let micros = |time: Duration| Duration::from_micros(time.as_micros() as u64);
        Ok(Terms {
            // The rest is for the messages.
            lease: micros(self.lease - self.lease / 32),
            grace: micros(self.grace),
            drift_ppm: self.drift_ppm,
            kept,
        })
    }
}

pub(crate) fn permits(n: usize) -> Result<u32, FleetError> {
    if n > Semaphore::MAX_PERMITS {
        return Err(FleetError::Invalid(
            "more permits than Semaphore::MAX_PERMITS",
        ));
    }
    Ok(n as u32)
}

/// Names become parts of keys.
pub(crate) fn check_name(name: &str) -> Result<(), FleetError> {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'{' && byte != b'}';
    if name.is_empty() || name.len() > 128 || !name.bytes().all(plain) {
        return Err(FleetError::Invalid(
            "a fleet's name is 1 to 128 visible ASCII characters without braces",
        ));
    }
    Ok(())
}
