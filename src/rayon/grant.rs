//! The right to run jobs, on the thread that has it.

use std::time::Duration;

use super::{
    frames::{self, Entered},
    loan::Loan,
    source::{Permit, Source},
};
use crate::sync::Instant;

/// How long a loan is used for more than one job. The lender is suspended
/// meanwhile.
const TERM: Duration = Duration::from_millis(1);

/// What a thread is sent to run jobs with.
#[derive(Debug)]
pub(super) enum Papers<P> {
    Permit(P),
    Loan(Loan),
}

/// The right to run jobs on this thread until it is dropped.
#[derive(Debug)]
pub(super) struct Grant<P> {
    /// Left before the permits go. `None` where a frame beneath is shared.
    entered: Option<Entered>,
    right: Right<P>,
}

#[derive(Debug)]
enum Right<P> {
    Permit(P),
    Loan(Loan, Instant),
    /// A job beneath on this thread shares what it has.
    Beneath(u32),
}

impl<P: Permit> Grant<P> {
    #[inline]
    pub(super) fn new(papers: Papers<P>) -> Self {
        let (entered, right) = match papers {
            Papers::Permit(permit) => (
                Entered::new(permit.id(), permit.permits(), false),
                Right::Permit(permit),
            ),
            Papers::Loan(loan) => (
                Entered::new(loan.id(), loan.permits(), true),
                Right::Loan(loan, Instant::now() + TERM),
            ),
        };
        Self {
            entered: Some(entered),
            right,
        }
    }

    /// The permits themselves, if they are neither lent nor shared.
    #[inline]
    pub(super) fn permit(&self) -> Option<&P> {
        match &self.right {
            Right::Permit(permit) => Some(permit),
            Right::Loan(..) | Right::Beneath(_) => None,
        }
    }

    /// The right to run what needs `n` permits, for call number `born`, under
    /// those of a job that is suspended on this thread.
    pub(super) fn beneath(source: &impl Source<Permit = P>, born: u64, n: u32) -> Option<Self> {
        if frames::are_none() {
            return None;
        }
        let shares = frames::shares(source.id(), born)?;
        (shares >= n).then_some(Self {
            entered: None,
            right: Right::Beneath(shares),
        })
    }

    /// What another thread can go on with; `None` where a frame beneath is
    /// shared.
    pub(super) fn into_papers(self) -> Option<Papers<P>> {
        match self.right {
            Right::Permit(permit) => Some(Papers::Permit(permit)),
            Right::Loan(loan, _) => Some(Papers::Loan(loan)),
            Right::Beneath(_) => None,
        }
    }

    pub(super) fn permits(&self) -> u32 {
        match &self.right {
            Right::Permit(permit) => permit.permits(),
            Right::Loan(loan, _) => loan.permits(),
            Right::Beneath(permits) => *permits,
        }
    }

    /// Makes it a right to run what needs `n` permits: gives back what is
    /// beyond, takes what is missing. False if that is not to be had.
    pub(super) fn fit(&mut self, source: &impl Source<Permit = P>, n: u32) -> bool {
        let permits = self.permits();
        if let (Right::Permit(permit), true) = (&mut self.right, permits != n) {
            if permits < n {
                match source.take(n - permits) {
                    Ok(more) => permit.add(more),
                    Err(_) => return false,
                }
            } else {
                drop(permit.beyond(n));
            }
            if let Some(entered) = &self.entered {
                entered.set(n);
            }
            return true;
        }
        permits >= n
    }

    /// Is there no reason to stop after a job? `own` requests do not count.
    #[inline]
    pub(super) fn goes_on(
        &self,
        source: &impl Source<Permit = P>,
        own: impl FnOnce() -> usize,
    ) -> bool {
        match &self.right {
            Right::Permit(permit) => !permit.semaphore().is_pressed(own),
            Right::Loan(_, end) => !source.is_closed() && Instant::now() < *end,
            Right::Beneath(_) => !source.is_closed(),
        }
    }
}
