//! The calls of one run, and how bytes spell them.
//!
//! Every call takes four bytes, so that a mutation of one, or the removal of
//! four, leaves the others as they are; zeros are the plainest of each kind.
//! The ranges of the first byte are weights: a semaphore that is closed or has
//! no max has little left to show.
//!
//! A script for `Fifo` and one for the other modes are spelt differently, so
//! that the files gathered for one kind keep their meaning.

use std::time::Duration;

use dynaphore::{Builder, Fairness, Semaphore};

/// A mode, a first max, the calls, and the order in which all that is left is
/// dropped.
#[derive(Clone, Debug)]
pub struct Script {
    /// Whose semaphore it is.
    pub mode: Mode,
    /// At most [`Semaphore::MAX_PERMITS`].
    pub max: usize,
    /// Picks the next to be dropped, again and again, at the end.
    pub end: usize,
    /// The calls.
    pub ops: Vec<Op>,
}

/// A fairness with a bound by which time decides nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `Fairness::Fifo`.
    Fifo,
    /// `Fairness::Barging`.
    Barging,
    /// `Fairness::Eventual` whose bound is never over.
    Eventual,
    /// `Fairness::Eventual` with a bound of zero: whoever waits must not be
    /// passed any more.
    Overdue,
}

impl Mode {
    /// Those that are not `Fifo`.
    pub const OTHERS: [Self; 3] = [Self::Barging, Self::Eventual, Self::Overdue];

    /// As the first byte names them, modulo four. The third was once a mode of
    /// its own.
    const NAMED: [Self; 4] = [Self::Barging, Self::Eventual, Self::Barging, Self::Overdue];

    /// Do requests for one permit compete?
    #[must_use]
    pub fn competes(self) -> bool {
        matches!(self, Self::Barging | Self::Eventual)
    }

    /// Must nobody pass those in line?
    pub(crate) fn keeps_the_line(self) -> bool {
        self != Self::Barging
    }

    pub(crate) fn builder(self, max: usize) -> Builder {
        let builder = Semaphore::builder(max);
        match self {
            Self::Fifo => builder,
            Self::Barging => builder.fairness(Fairness::Barging),
            Self::Eventual => builder.fairness(Fairness::Eventual).bound(Duration::MAX),
            Self::Overdue => builder.fairness(Fairness::Eventual).bound(Duration::ZERO),
        }
    }
}

/// A call. `which` and its like count around the permits or futures there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the calls")]
pub enum Op {
    /// `try_acquire` and its forms.
    Try { n: usize, owned: bool },
    /// `blocking_acquire_timeout` and its forms, with no time to wait.
    Block { n: usize, owned: bool },
    /// `acquire` and its forms, `many` times; each polled once, if with a waker.
    Start {
        n: usize,
        owned: bool,
        with: Option<With>,
        many: usize,
    },
    /// `idle()` or `settled()`, polled once, if with a waker.
    Watch { idle: bool, with: Option<With> },
    /// Polls a future, unless it is done.
    Poll { which: usize, with: With },
    /// Polls whoever has been woken since it was polled, until nobody has.
    Heed,
    /// Drops futures, done ones too.
    Cancel { which: usize, many: usize },
    /// Drops a permit.
    Release { which: usize },
    /// Forgets a permit.
    Forget { which: usize },
    /// Splits a permit.
    Split { which: usize, n: usize },
    /// Merges two permits, if both borrow or both own.
    Merge { into: usize, from: usize },
    /// `set_max`.
    SetMax { n: usize },
    /// `add_permits`.
    AddPermits { n: usize },
    /// `forget_permits`.
    ForgetPermits { n: usize },
    /// Formats everything with `Debug`.
    Print,
    /// `close`.
    Close,
}

/// Which waker a poll brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum With {
    /// The one of the future's last poll.
    Last,
    /// One that nobody has used before.
    New,
    /// The one that all futures may share.
    Shared,
}

impl Script {
    /// Reads a script for `Fifo`; any bytes are one.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Self {
        Self::read(Mode::Fifo, bytes, Op::decode)
    }

    /// Reads a script for one of the other modes, which the first byte names;
    /// any bytes are one.
    #[must_use]
    pub fn decode_competing(bytes: &[u8]) -> Self {
        let (mode, rest) = bytes.split_first().unwrap_or((&0, &[]));
        let mode = Mode::NAMED[usize::from(*mode) % Mode::NAMED.len()];
        Self::read(mode, rest, Op::decode_competing)
    }

    fn read(mode: Mode, bytes: &[u8], op: impl Fn([u8; 4]) -> Op) -> Self {
        let (head, rest) = bytes.split_at(bytes.len().min(5));
        let (max, end) = head.split_first().unwrap_or((&0, &[]));
        Self {
            mode,
            max: count(*max).min(Semaphore::MAX_PERMITS),
            end: end
                .iter()
                .fold(0, |sum, &byte| sum << 8 | usize::from(byte)),
            ops: rest
                .chunks_exact(4)
                .map(|bytes| op([bytes[0], bytes[1], bytes[2], bytes[3]]))
                .collect(),
        }
    }
}

impl Op {
    /// Reads one call of a script for a mode other than `Fifo`.
    #[must_use]
    pub fn decode_competing(bytes: [u8; 4]) -> Self {
        match bytes[0] {
            40..=44 | 252 => Self::Heed,
            _ => Self::decode(bytes),
        }
    }

    /// Reads one call.
    #[must_use]
    pub fn decode([code, a, b, c]: [u8; 4]) -> Self {
        let (n, which) = (count(a), usize::from(a));
        let owned = b & 1 != 0;
        match code {
            0..=39 => Self::Try { n, owned },
            40..=49 => Self::Block { n, owned },
            50..=99 => Self::Start {
                n,
                owned,
                with: first_poll(b >> 1),
                many: many(c),
            },
            100..=114 => Self::Watch {
                idle: owned,
                with: first_poll(b >> 1),
            },
            115..=144 => Self::Poll {
                which,
                with: with(b),
            },
            145..=169 => Self::Cancel {
                which,
                many: many(c),
            },
            170..=204 => Self::Release { which },
            205..=210 => Self::Forget { which },
            211..=216 => Self::Split { which, n: count(b) },
            217..=222 => Self::Merge {
                into: which,
                from: usize::from(b),
            },
            223..=239 => Self::SetMax { n },
            240..=245 => Self::AddPermits { n },
            246..=251 => Self::ForgetPermits { n },
            252..=253 => Self::Print,
            254..=255 => Self::Close,
        }
    }
}

/// Mostly a handful; now and then dozens, about as many as may be, or more.
fn count(byte: u8) -> usize {
    match byte {
        0..=199 => usize::from(byte % 6),
        200..=247 => usize::from(byte - 200),
        248..=253 => Semaphore::MAX_PERMITS - usize::from(byte - 248),
        254 => Semaphore::MAX_PERMITS + 1,
        255 => usize::MAX,
    }
}

/// Mostly one, at times more than one critical section serves.
pub(crate) fn many(byte: u8) -> usize {
    match byte {
        0..=223 => 1,
        224..=255 => usize::from(byte - 222),
    }
}

pub(crate) fn with(byte: u8) -> With {
    match byte % 4 {
        0 => With::Last,
        1 | 2 => With::New,
        _ => With::Shared,
    }
}

/// A new future has no last waker, so that choice is not to poll it yet.
pub(crate) fn first_poll(byte: u8) -> Option<With> {
    match with(byte.wrapping_add(1)) {
        With::Last => None,
        with => Some(with),
    }
}
