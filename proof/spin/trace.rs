//! What the words and lines of all semaphores of one shuttle run go through, in order.
//! Under shuttle only: `proof/spin/traces` holds it against the second model.
//!
//! One thread runs at a time there, and is not switched away from between a change and its
//! record. So the order of the records is that of the changes.

use std::{
    cell::RefCell,
    ops::{Deref, DerefMut},
    sync::LockResult,
};

use shuttle::{current::me, sync};

use super::{line::Line, word::State};

thread_local! {
    static TRACE: RefCell<Option<Vec<Event>>> = const { RefCell::new(None) };
}

/// A change by one thread, which is a number in order of the threads' beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The word has been changed.
    Word {
        thread: usize,
        before: Word,
        after: Word,
    },
    /// The lock is taken, to change something.
    Lock { thread: usize },
    /// The lock is let go, and the line is another one than the last time.
    Line { thread: usize, line: Vec<Place> },
}

/// The word: active, max, QUEUED and CLOSED.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word(pub u32, pub u32, pub bool, pub bool);

/// One that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub ticket: u64,
    pub need: u32,
    pub is_aside: bool,
}

/// Records what happens from now on.
pub fn begin() {
    TRACE.set(Some(vec![]));
}

/// What has been recorded.
pub fn end() -> Vec<Event> {
    TRACE.take().unwrap_or_default()
}

fn record(event: Event) {
    TRACE.with_borrow_mut(|trace| {
        if let Some(trace) = trace {
            trace.push(event);
        }
    });
}

/// What holds the word.
pub(super) struct AtomicU64(sync::atomic::AtomicU64);

type Ordering = std::sync::atomic::Ordering;

impl AtomicU64 {
    pub(super) const fn new(word: u64) -> Self {
        Self(sync::atomic::AtomicU64::new(word))
    }

    pub(super) fn load(&self, ordering: Ordering) -> u64 {
        self.0.load(ordering)
    }

    pub(super) fn fetch_sub(&self, n: u64, ordering: Ordering) -> u64 {
        let before = self.0.fetch_sub(n, ordering);
        record_word(before, before.wrapping_sub(n));
        before
    }

    pub(super) fn fetch_or(&self, bits: u64, ordering: Ordering) -> u64 {
        let before = self.0.fetch_or(bits, ordering);
        record_word(before, before | bits);
        before
    }

    pub(super) fn compare_exchange_weak(
        &self,
        from: u64,
        to: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        let before = self.0.compare_exchange_weak(from, to, success, failure)?;
        record_word(before, to);
        Ok(before)
    }
}

fn record_word(before: u64, after: u64) {
    if before != after {
        let thread = me().into();
        let [before, after] = [before, after].map(|word| {
            let state = State::of(word);
            let (queued, closed) = (state.is_queued(), state.is_closed());
            Word(state.active(), state.max(), queued, closed)
        });
        record(Event::Word {
            thread,
            before,
            after,
        });
    }
}

/// What guards the line.
#[derive(Default)]
pub(super) struct Mutex<T>(sync::Mutex<T>);

pub(super) struct MutexGuard<'a, T: Traced>(sync::MutexGuard<'a, T>);

/// What can be recorded when the lock is let go.
pub(super) trait Traced {
    fn places(&self) -> Vec<Place>;
}

impl Traced for Line {
    fn places(&self) -> Vec<Place> {
        Self::places(self)
    }
}

impl<T: Traced> Mutex<T> {
    pub(super) fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        let guard = self
            .0
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        record(Event::Lock {
            thread: me().into(),
        });
        Ok(MutexGuard(guard))
    }
}

impl<T: Traced> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Traced> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: Traced> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        record_line(self.0.places());
    }
}

fn record_line(line: Vec<Place>) {
    let thread = me().into();
    TRACE.with_borrow_mut(|trace| {
        let Some(trace) = trace else { return };
        let last = trace.iter().rev().find_map(|event| match event {
            Event::Line { line, .. } => Some(&line[..]),
            Event::Word { .. } | Event::Lock { .. } => None,
        });
        if last.unwrap_or_default() != line {
            trace.push(Event::Line { thread, line });
            return;
        }
        let mine = |event: &Event| match event {
            Event::Word { thread, .. } | Event::Lock { thread } | Event::Line { thread, .. } => {
                *thread == usize::from(me())
            }
        };
        // Nothing has been changed.
        if let Some(at) = trace.iter().rposition(mine)
            && matches!(trace[at], Event::Lock { .. })
        {
            trace.remove(at);
        }
    });
}
