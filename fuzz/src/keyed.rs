//! The keyed semaphore in lockstep with a plain model: the calls of one run, and
//! how bytes spell them. As in `script`, every call takes four bytes.

mod driver;
mod model;

pub use driver::run;

/// How many keys a script knows.
pub const KEYS: u8 = 4;

/// How the keyed semaphore is made, the calls, and the order in which all that is
/// left is dropped.
#[derive(Clone, Debug)]
pub struct Script {
    /// The first default max.
    pub max: usize,
    /// How many keys may be in use.
    pub max_keys: usize,
    /// How many may wait for one.
    pub max_waiters: usize,
    /// Picks the next to be dropped, again and again, at the end.
    pub end: usize,
    /// The calls.
    pub ops: Vec<Op>,
}

/// A call. `which` and its like count around the permits or futures there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the calls")]
pub enum Op {
    /// `try_acquire_many`, owned or not.
    Try { key: u8, n: usize, owned: bool },
    /// `blocking_acquire_many_timeout`, owned or not, with no time to wait.
    Block { key: u8, n: usize, owned: bool },
    /// `acquire_many_owned`, polled once or not yet.
    Start { key: u8, n: usize, poll: bool },
    /// Polls a future with a new waker, unless it is done.
    Poll { which: usize },
    /// Drops a future, a done one too.
    Cancel { which: usize },
    /// Drops a permit.
    Release { which: usize },
    /// Splits a permit.
    Split { which: usize, n: usize },
    /// Merges two permits of one key, if both borrow or both own.
    Merge { into: usize, from: usize },
    /// `set_max`.
    SetMax { key: u8, n: usize },
    /// `clear_max`.
    ClearMax { key: u8 },
    /// `set_default_max`.
    SetDefault { n: usize },
    /// `close`.
    Close,
}

impl Script {
    /// Reads a script; any bytes are one.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Self {
        let (head, rest) = bytes.split_at(bytes.len().min(6));
        let byte = |at: usize| head.get(at).copied().unwrap_or(0);
        let few = |byte: u8, first: usize| match byte {
            0..=127 => usize::MAX,
            128.. => first + usize::from(byte % 4),
        };
        Self {
            max: count(byte(0)),
            max_keys: few(byte(1), 1),
            max_waiters: few(byte(2), 0),
            end: usize::from(byte(3)) << 16 | usize::from(byte(4)) << 8 | usize::from(byte(5)),
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
        let (key, n, which) = (a % KEYS, count(b), usize::from(a));
        let flag = c & 1 != 0;
        match code {
            0..=44 => Self::Try {
                key,
                n,
                owned: flag,
            },
            45..=59 => Self::Block {
                key,
                n,
                owned: flag,
            },
            60..=109 => Self::Start {
                key,
                n,
                poll: !flag,
            },
            110..=134 => Self::Poll { which },
            135..=159 => Self::Cancel { which },
            160..=199 => Self::Release { which },
            200..=207 => Self::Split { which, n },
            208..=215 => Self::Merge {
                into: which,
                from: usize::from(b),
            },
            216..=229 => Self::SetMax { key, n },
            230..=241 => Self::ClearMax { key },
            242..=251 => Self::SetDefault { n },
            252..=255 => Self::Close,
        }
    }
}

/// Mostly a handful.
fn count(byte: u8) -> usize {
    match byte {
        0..=239 => usize::from(byte % 5),
        240.. => usize::from(byte - 230),
    }
}
