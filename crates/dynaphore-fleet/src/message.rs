//! What members and the store say to each other.

use std::time::Duration;

/// What a member says of itself, each time that it renews.
///
/// Its share was in force before `out` was read, so no more than the larger of
/// both are out until the member applies the answer to this very report.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Report {
    /// Who says so: chosen at random by the member, the same in all its lives.
    pub id: u64,
    /// Larger in each report of a member. The store ignores what is not newer than
    /// what it knows, the member ignores answers to all but its last report.
    pub seq: u64,
    /// The max of the member's semaphore.
    pub share: u32,
    /// Permits that are out there.
    pub out: u32,
    /// Permits that are out or waited for.
    pub demand: u32,
    /// The fleet's max, as the member knows it.
    pub max: u32,
    /// How new that is; 0 is what the member was told by its program.
    pub version: u64,
    /// The number of the member's last life; 0 before the first.
    pub fence: u64,
    /// How long a grant is good.
    pub lease: Duration,
    /// For how long after that what was out stays counted.
    pub grace: Duration,
    /// The member takes no more, and is gone once nothing is out.
    pub leaving: bool,
}

/// The store's answer to a [`Report`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Grant {
    /// The number of the member's life.
    pub fence: u64,
    /// The share that the member may use.
    pub share: u32,
    /// The fleet's max.
    pub max: u32,
    /// How new that is.
    pub version: u64,
    /// More is asked for in the fleet than there is.
    pub contended: bool,
    /// The member has a right to more than `share`, which others have not given back yet. Not
    /// said as long as the store may have forgotten members.
    pub short: bool,
    /// How long until the store forgets the first of the others, unless that one renews.
    /// Told to a member that could use more than `share`: it should ask again then.
    pub next_expiry: Option<Duration>,
}

/// Why the store has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// The report came late or twice.
    Stale,
    /// The fleet has as many members as it may have.
    TooManyMembers,
    /// The members that are there use another lease or grace.
    OtherLease,
    /// Nobody has joined yet.
    NoFleet,
}

/// A member, as the store knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct MemberSnapshot {
    /// The number of its life.
    pub fence: u64,
    /// What it was granted last.
    pub share: u32,
    /// How many permits it may have out at most. More than its share until it has
    /// acknowledged a shrink, and while holders keep what they have.
    pub counted: u32,
    /// How many permits it had out when it said so last: at each renewal, and as shares move.
    pub out: u32,
    /// What it has out and what it waits for, when it said so last.
    pub demand: u32,
}

/// The fleet, as the store knows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct FleetSnapshot {
    /// How many permits may be out in all.
    pub max: u32,
    /// The members, in the order of their fences.
    pub members: Vec<MemberSnapshot>,
    /// All members that have something out are among them: not so for a lease and a grace
    /// after the store may have forgotten some.
    pub complete: bool,
}

impl FleetSnapshot {
    /// The sum of all shares.
    #[must_use]
    pub fn shares(&self) -> u64 {
        self.members.iter().map(|m| u64::from(m.share)).sum()
    }

    /// The sum of what members had out when they said so last.
    #[must_use]
    pub fn out(&self) -> u64 {
        self.members.iter().map(|m| u64::from(m.out)).sum()
    }

    /// How many permits may be out at most, if this is [`complete`](Self::complete). More
    /// than max for a while after a shrink.
    #[must_use]
    pub fn counted(&self) -> u64 {
        self.members.iter().map(|m| u64::from(m.counted)).sum()
    }
}
