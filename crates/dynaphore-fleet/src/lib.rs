//! One maximum over many processes, with the hot path still local.
//!
//! Each process leases a *share* of the max into an ordinary [dynaphore] semaphore.
//! `acquire` is that semaphore's: local, lock-free, no round trip. Only shares travel.
//!
//! | type | what it is |
//! |---|---|
//! | [`Fleet`], [`Options`], [`OnLoss`], [`State`] | a member, how it joins, how it stands with the store |
//! | [`Memory`], [`Redis`], [`Store`] | where shares are kept; to write your own |
//! | [`FleetSnapshot`], [`MemberSnapshot`] | what the store knows |
//! | [`Ledger`], [`Member`] | the protocol: two state machines without I/O and clock |
//!
//! # The protocol
//!
//! There is one message: a member **reports** (its share, what is out, what it could
//! use) and is **granted** a share. The store keeps for each member
//!
//! - `counted`: no more than that can be out there,
//! - `until`: when the store forgets it, by the store's clock,
//! - `seq`, the number of its last report, and `fence`, that of its life.
//!
//! A report puts `counted` to the larger of *share* and *out*, and `until` to now + lease +
//! grace. The grant is the member's part of max (max-min fair by what each could use; what
//! nobody needs goes to all alike), but raises the sum of all `counted` no further than to
//! max. Then `counted` becomes the larger of itself and the grant. Who is new, or was
//! forgotten, gets a fence that is larger than all before it and than the store's clock.
//!
//! **Claim: while no lease is over, each member has at most `counted` out.** So, as
//! grants never raise the sum above max, no more than max are out; after a shrink no more
//! than before, until it is acknowledged.
//!
//! 1. A semaphore whose max is *s*, with *o* out, has no more than the larger of both out
//!    until its max is raised. The member puts its share in force first, then reads *out*,
//!    then sends. It raises its max only when it applies a grant.
//! 2. It applies only the grant that answers its last report. So from when report *n* is
//!    sent until its grant is applied, what is out is bounded by what *n* says, and
//!    afterwards by the larger of that and the grant. `counted` is at least both.
//! 3. A grant that is lost raises `counted` and no max. One that shrinks leaves `counted`
//!    as it was: the next report, which has the lower share in force, is the
//!    acknowledgement. The member sends that at once.
//! 4. A report that comes twice, or after a later one, is ignored by its `seq`. The store
//!    keeps that of a member that has left for a lease and a grace. One that overtakes
//!    nothing but was given up on is harmless: its grant is never applied, and between it
//!    and the next report the member has raised nothing.
//! 5. A report is sent before the store reads its clock. The member counts its lease from
//!    the sending, less the bound on drift and 3 ms for its thread to wake up, and puts its
//!    max to 0 then. So by the store's clock this is before `until` less grace, whatever
//!    the member's clock shows: only its rate matters. From there on it takes nothing, and
//!    what is still out has the grace to come back, and stays counted meanwhile.
//! 6. A member that joins again reports what is still out from its last life, and that is
//!    counted at once, above max if need be: nothing grows until it fits.
//!
//! **Nothing is left idle while somebody waits.** A report that leaves a member short of
//! its part makes the store *call* those who have more than theirs; they let go of what
//! they do not use, and report. A report that frees something makes it call those who
//! are short. One with which the fleet asks for more than max makes it call all others:
//! from then on they know that it matters what they leave idle. Calls may be lost: the next
//! renewal, at a third of the lease, does the same.
//!
//! **The share of a member that has died is back as the store forgets it.** Nobody reports
//! then who could make the store call others. So a grant to a member that could use more
//! says how long it is until the store forgets the first of the others, unless that one
//! renews. The member reports again then.
//!
//! 7. This is safe: steps 1 to 6 ask nothing of when a report is sent. And it compares no
//!    clocks, since what is told is a time that is left.
//! 8. It is enough. A member that waits reports at least at each third of the lease. So one of
//!    its reports comes in the last third of the dead one's time. Those that live have
//!    renewed at a third, so each has more time left than that: the first to be
//!    forgotten is the dead one. A member that lives and has not been heard for
//!    so long only makes for a report more.
//! 9. The time counts from when the report was sent, which is before the store read its
//!    clock. So the next report may come too early, by as much as it travels faster than the
//!    one before, and never too late by that. Then its answer says how little is left.
//!
//! # When the store is lost
//!
//! **It cannot be reached.** Until the lease is over all goes on with the shares as they
//! are. Then [`OnLoss`] says what max is; [`Fleet::wait_for`] tells when that happens and
//! when it is over. With `Pause` the claim holds.
//!
//! **It comes back empty, or has lost its last writes** (a restart, a flush, a failover).
//! A ledger without a past, and one that another server process wrote, grants no growth
//! for a lease and a grace. By then each member has reported or let go. The max that was
//! set last comes with the reports, for its version is that of the time when it was set.
//! One that nobody has set has version 1 for that long, and then 2. So a newcomer that
//! founds the fleet again brings no max of its own. The last fence comes with the reports
//! too, so a server's clock that was put back before gives no lower one to them.
//! A server's clock that is put back stands still for the ledger until it has caught up:
//! nobody is forgotten meanwhile. Not covered: a *server's* clock that is put forward, and
//! two servers that both take themselves for the primary: each grants up to max.
//!
//! **The first to report to an empty server has another lease.** The fleet has that one
//! then, and members with the old one are refused. If the new one is shorter, the store may
//! grant what they still have. So give all members the same lease and grace, and to change
//! them end all members first.
//!
//! **A member stood still for longer than its lease** (`SIGSTOP`, a machine that is moved or
//! sleeps). Nobody can take permits from one who does not run. When it goes on, it has the
//! permits it had, and until its thread has run (at once, if there is a processor) it may
//! take more. Meanwhile the store has given its share to others. Where that matters, set a
//! grace, or let the resource check the [fence](Fleet::fence).
//!
//! **A machine slept, and its monotonic clock does not count that** (`Instant`, on Linux and
//! macOS; on a virtual machine it depends). To such a member no time has passed. It may take
//! more until its next report is answered, that is for a third of the lease; if the store
//! cannot be reached, for what was left of the lease.
#![forbid(unsafe_code)]

mod driver;
mod error;
mod fleet;
mod ledger;
mod member;
mod message;
mod options;
#[cfg(feature = "redis")]
mod redis;
mod store;

#[cfg(feature = "redis")]
pub use self::redis::Redis;
pub use self::{
    driver::State,
    error::{FleetError, StoreError},
    fleet::Fleet,
    ledger::{Answer, Ledger, MAX_MEMBERS},
    member::{Member, Terms},
    message::{FleetSnapshot, Grant, MemberSnapshot, Refusal, Report},
    options::{OnLoss, Options},
    store::{BoxFuture, Calls, Memory, Store},
};
