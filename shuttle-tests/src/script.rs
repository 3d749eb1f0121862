//! What the threads of a history do, drawn at random. `below` draws: 0 to `n - 1`.

use dynaphore::OwnedSemaphorePermit;

use crate::history::{Named, Recorder};

/// What one thread has in hand.
#[derive(Default)]
pub struct Hands {
    pub waiters: Vec<Named>,
    pub permits: Vec<OwnedSemaphorePermit>,
}

/// What the scripts may do besides coming and going.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spice {
    Plain,
    Resizes,
    Closes,
    /// All of it.
    Everything,
}

impl Spice {
    fn resizes(self) -> bool {
        matches!(self, Self::Resizes | Self::Everything)
    }

    fn closes(self) -> bool {
        matches!(self, Self::Closes | Self::Everything)
    }
}

impl Hands {
    /// Polls `waiter`, and keeps what comes of it.
    pub fn poll(&mut self, r: &Recorder, waiter: Named) {
        let (waiter, permit) = r.poll(waiter);
        self.waiters.extend(waiter);
        self.permits.extend(permit);
    }

    /// One call, drawn at random.
    pub fn step(
        &mut self,
        r: &Recorder,
        heaviest: usize,
        spice: Spice,
        below: &mut impl FnMut(usize) -> usize,
    ) {
        let n = 1 + below(heaviest);
        match below(12) {
            0..=2 => self.poll(r, r.waiter(n)),
            3 => self.permits.extend(r.try_acquire(n)),
            4 | 5 if !self.waiters.is_empty() => {
                let waiter = self.waiters.swap_remove(below(self.waiters.len()));
                self.poll(r, waiter);
            }
            6 if !self.waiters.is_empty() => {
                let waiter = self.waiters.swap_remove(below(self.waiters.len()));
                match below(2) {
                    0 => r.drop(waiter),
                    _ => self.permits.extend(r.expire(waiter)),
                }
            }
            7 if spice.resizes() && (!spice.closes() || below(4) > 0) => r.set_max(below(5)),
            8 if spice.resizes() => match below(3) {
                0 => r.add_permits(1),
                1 => r.forget_permits(1),
                _ => self.permits.pop().into_iter().for_each(|p| r.forget(p)),
            },
            7 if spice.closes() => r.close(),
            9 => r.read(),
            _ if !self.permits.is_empty() => {
                let at = below(self.permits.len());
                if self.permits[at].num_permits() > 1 && below(2) == 0 {
                    let part = self.permits[at].split(1).expect("two or more");
                    r.release(part);
                } else {
                    r.release(self.permits.swap_remove(at));
                }
            }
            _ => self.poll(r, r.waiter(n)),
        }
    }
}

/// Serves whoever still waits when all threads have ended: it is woken for that.
///
/// # Panics
///
/// When somebody sleeps on.
pub fn end(r: &Recorder, heaviest: usize, hands: Vec<Hands>) {
    let mut left = Hands::default();
    for hands in hands {
        left.waiters.extend(hands.waiters);
        left.permits.extend(hands.permits);
    }
    r.set_max(heaviest);
    loop {
        for permit in std::mem::take(&mut left.permits) {
            r.release(permit);
        }
        let Some(at) = left.waiters.iter().position(Named::is_woken) else {
            break;
        };
        let waiter = left.waiters.swap_remove(at);
        left.poll(r, waiter);
    }
    assert!(left.waiters.is_empty(), "{} sleep on", left.waiters.len());
}
