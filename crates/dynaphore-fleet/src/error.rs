//! Why something did not work.

use std::{error::Error, fmt, sync::Arc};

use crate::message::Refusal;

/// Why a store has no answer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// It has refused; it is there and well.
    Refused(Refusal),
    /// What is kept under the fleet's name is not a fleet. Nothing has been changed.
    Foreign(String),
    /// Its address is not valid. Nothing has been sent.
    Address(Arc<dyn Error + Send + Sync>),
    /// It cannot be reached, lets nobody in, or has answered something that is no
    /// answer.
    Lost(Arc<dyn Error + Send + Sync>),
}

impl StoreError {
    /// Whether another attempt may go better without anybody doing anything about it.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Lost(_) | Self::Refused(Refusal::Stale))
    }

    pub(crate) fn lost(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Lost(Arc::from(error.into()))
    }
}

impl From<Refusal> for StoreError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(Refusal::Stale) => f.write_str("the store has seen a later report"),
            Self::Refused(Refusal::TooManyMembers) => {
                f.write_str("the fleet has no room for another member")
            }
            Self::Refused(Refusal::OtherLease) => {
                f.write_str("the fleet's members use another lease or grace")
            }
            Self::Refused(Refusal::NoFleet) => f.write_str("nobody has joined the fleet yet"),
            Self::Foreign(what) => {
                write!(f, "what is kept under the fleet's name is no fleet: {what}")
            }
            Self::Address(error) => write!(f, "the store's address is not valid: {error}"),
            Self::Lost(error) => write!(f, "the store is lost: {error}"),
        }
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Address(error) | Self::Lost(error) => Some(&**error),
            _ => None,
        }
    }
}

/// Why a call of a [`Fleet`](crate::Fleet) did not work.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum FleetError {
    /// The name or an option is not what it may be; the text says which and why.
    Invalid(&'static str),
    /// The store had no answer.
    Store(StoreError),
    /// The member has left.
    Left,
    /// The member's thread could not be started.
    Thread(Arc<std::io::Error>),
}

impl From<StoreError> for FleetError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl fmt::Display for FleetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(why) => f.write_str(why),
            Self::Store(error) => error.fmt(f),
            Self::Left => f.write_str("the member has left the fleet"),
            Self::Thread(error) => write!(f, "the member's thread cannot be started: {error}"),
        }
    }
}

impl Error for FleetError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Store(error) => error.source(),
            Self::Thread(error) => Some(&**error),
            Self::Invalid(_) | Self::Left => None,
        }
    }
}
