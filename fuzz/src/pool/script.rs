//! The calls of one run, and how bytes spell them: four bytes a call, as for
//! the semaphore's scripts.

use dynaphore::LeasePool;

use super::{KEYS, Key};
use crate::script::{With, first_poll, many, with};

/// The calls, and the order in which all that is left is dropped.
#[derive(Clone, Debug)]
pub struct Script {
    /// Picks the next to be dropped, again and again, at the end.
    pub end: usize,
    /// The calls.
    pub ops: Vec<Op>,
}

/// A call. `which` counts around the leases or futures there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the calls")]
pub enum Op {
    /// `set`.
    Set { key: Key, target: usize },
    /// `try_acquire`.
    Try,
    /// `blocking_acquire_timeout`, with no time to wait.
    Block,
    /// `acquire`, `many` times; each polled once, if with a waker.
    Start { with: Option<With>, many: usize },
    /// `idle` or `stopped`, polled once, if with a waker.
    Watch { idle: bool, with: Option<With> },
    /// Polls a future, unless it is done.
    Poll { which: usize, with: With },
    /// Drops futures, done ones too.
    Cancel { which: usize, many: usize },
    /// Drops a lease.
    Release { which: usize },
    /// `release_excess`.
    ReleaseExcess { which: usize },
    /// Formats everything with `Debug`.
    Print,
    /// `stop`.
    Stop,
}

impl Script {
    /// Reads a script; any bytes are one.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Self {
        let (end, rest) = bytes.split_at(bytes.len().min(4));
        Self {
            end: end
                .iter()
                .fold(0, |sum, &byte| sum << 8 | usize::from(byte)),
            ops: rest
                .chunks_exact(4)
                .map(|op| Op::decode([op[0], op[1], op[2], op[3]]))
                .collect(),
        }
    }
}

impl Op {
    /// Reads one call.
    #[must_use]
    pub fn decode([code, a, b, c]: [u8; 4]) -> Self {
        let which = usize::from(a);
        match code {
            0..=79 => Self::Set {
                key: a % KEYS,
                target: target(b),
            },
            80..=104 => Self::Try,
            105..=109 => Self::Block,
            110..=154 => Self::Start {
                with: first_poll(b),
                many: many(c),
            },
            155..=164 => Self::Watch {
                idle: a & 3 != 0,
                with: first_poll(b),
            },
            165..=199 => Self::Poll {
                which,
                with: with(b),
            },
            200..=214 => Self::Cancel {
                which,
                many: many(c),
            },
            215..=244 => Self::Release { which },
            245..=251 => Self::ReleaseExcess { which },
            252..=253 => Self::Print,
            254..=255 => Self::Stop,
        }
    }
}

/// Mostly none or a few; now and then dozens, about as many as may be, or more.
fn target(byte: u8) -> usize {
    let max = LeasePool::<Key>::MAX_LEASES;
    match byte {
        0..=209 => usize::from(byte % 4),
        210..=247 => usize::from(byte - 210),
        248..=252 => max - usize::from(byte - 248),
        253 => max / 2,
        254 => max + 1,
        255 => usize::MAX,
    }
}
