//! Whose turn it is: plain numbers, without a lock, a clock or a waker.
//!
//! Each class has *used* so many permits x nanoseconds for each of its shares. Use counts
//! only while somebody waits: what nobody else wants is free. Of the classes that have
//! somebody waiting, the one that has used least is next, where the permits that it holds
//! count as used for the length of its usual hold: otherwise a class that is behind by a
//! moment would take all that comes free in that moment, and keep it for long.
//!
//! One that has wanted nothing has saved next to nothing: when it comes again, it is taken to
//! have used as much as whoever was served last, but for one usual hold of each permit that
//! it has, and of each that it asks for. (Or one that has few waiters, and none at times,
//! would lose its turn each time.) This is start-time fair queueing (Goyal,
//! Vin and Cheng, SIGCOMM 1996), for permits that are held at the same time for times that
//! nobody knows before. While nobody is served, those that wait go on using what they hold.
//! So one that comes then has used as much as the least of them, without what that one has
//! used with the permits that it was served last: it might have ended its turn a moment ago.
//!
//! How long a class with somebody waiting is not served, while permits come back: until
//! the others have used as much as it has. If it had p permits for a time h, with s of S
//! shares, that is p x h x S / (s x max), and two holds, since nobody is stopped. It may have
//! had all: p is max at most. With requests for up to w permits the others may use no more
//! than max - w + 1 at a time, as permits are kept together. That is p x h x S / (s x (max -
//! w + 1)), and two holds more, in which they are kept together for the one before it and for
//! itself.

/// Parts of a nanosecond, so that the largest share divides it.
const SCALE: u128 = 1 << 32;

/// Ends of holds that the mean remembers.
const REMEMBERED: u32 = 64;

/// One class.
#[derive(Debug, Default)]
struct Class {
    share: u32,
    /// Permits x nanoseconds for each share, times `SCALE`.
    used: u128,
    /// How much of that with the permits that it was served last, and how many these are.
    since: u128,
    last: u32,
    /// Permits x nanoseconds, how many permits came back, and how many times some did, lately.
    busy: u128,
    returned: u64,
    ends: u32,
    waiting: usize,
}

/// The shares of all classes.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    classes: Vec<Class>,
    waiting: usize,
    /// Up to when use is counted, in nanoseconds.
    counted: u64,
    /// What whoever was served last had used.
    level: u128,
}

impl Shares {
    /// None is zero.
    pub(crate) fn new(shares: impl Iterator<Item = u32>) -> Self {
        let class = |share| Class {
            share,
            last: 1,
            ..Class::default()
        };
        Self {
            classes: shares.map(class).collect(),
            ..Self::default()
        }
    }

    /// What a class uses with so many permits in a usual hold: its own, or, as long as none
    /// of its own has ended, anybody's.
    fn usual(&self, class: usize, permits: u32) -> u128 {
        let holds = |class: &Class| (class.busy, class.returned);
        let own = &self.classes[class];
        let (busy, returned) = if own.returned > 0 {
            holds(own)
        } else {
            let all = self.classes.iter().map(holds);
            all.fold((0, 0), |(busy, returned), (more, ends)| {
                (busy + more, returned + ends)
            })
        };
        let hold = (busy / u128::from(returned.max(1))).min(u64::MAX.into());
        u128::from(permits) * hold * SCALE / u128::from(own.share)
    }

    pub(crate) fn share(&self, class: usize) -> u32 {
        self.classes[class].share
    }

    /// From now on.
    pub(crate) fn set_share(&mut self, class: usize, share: u32) {
        self.classes[class].share = share;
    }

    /// Nobody waits.
    fn is_quiet(&self) -> bool {
        self.waiting == 0
    }

    /// Counts what has been used up to `now` by classes with so many `active` permits.
    pub(crate) fn count(&mut self, now: u64, active: impl Fn(usize) -> u32) {
        let time = now.saturating_sub(self.counted);
        self.counted = self.counted.max(now);
        if self.is_quiet() {
            return;
        }
        for (at, class) in self.classes.iter_mut().enumerate() {
            let (active, time) = (active(at), u128::from(time));
            let used = |permits: u32| u128::from(permits) * time * SCALE / u128::from(class.share);
            class.used += used(active);
            class.since += used(active.min(class.last));
            class.busy += u128::from(active) * time;
        }
    }

    /// A hold of so many permits has ended, of which the last has been counted.
    pub(crate) fn ends(&mut self, class: usize, permits: u32) {
        if self.is_quiet() {
            return;
        }
        let class = &mut self.classes[class];
        class.returned += u64::from(permits);
        class.ends += 1;
        if class.ends > REMEMBERED {
            class.ends /= 2;
            class.returned /= 2;
            class.busy /= 2;
        }
    }

    /// One begins to wait that needs so many permits. All has been counted.
    pub(crate) fn arrives(&mut self, class: usize, active: u32, need: u32) {
        if self.classes[class].waiting == 0 {
            let waits = self.classes.iter().filter(|class| class.waiting > 0);
            let served = waits.map(|class| class.used - class.since).min();
            self.level = self.level.max(served.unwrap_or(0));
            let saved = self.usual(class, active.saturating_add(need));
            let used = &mut self.classes[class].used;
            *used = self.level.saturating_sub(saved).max(*used);
        }
        let class = &mut self.classes[class];
        class.waiting += 1;
        self.waiting += 1;
    }

    /// One does not wait any more.
    pub(crate) fn leaves(&mut self, class: usize) {
        self.classes[class].waiting -= 1;
        self.waiting -= 1;
    }

    /// The class whose turn it is, of those that have somebody waiting and that `may` have it.
    /// All has been counted.
    pub(crate) fn next(
        &self,
        active: impl Fn(usize) -> u32,
        may: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let waits = |&(at, class): &(usize, &Class)| class.waiting > 0 && may(at);
        let rank = |&(at, class): &(usize, &Class)| {
            let active = active(at);
            // Before any hold has ended, by what each holds.
            let held = u64::from(active) * u64::from(u32::MAX) / u64::from(class.share);
            (class.used + self.usual(at, active), held)
        };
        let classes = self.classes.iter().enumerate();
        classes.filter(waits).min_by_key(rank).map(|(at, _)| at)
    }

    /// A class is served.
    pub(crate) fn serves(&mut self, class: usize, permits: u32) {
        let class = &mut self.classes[class];
        (class.since, class.last) = (0, permits);
        self.level = self.level.max(class.used);
    }
}

#[cfg(test)]
pub(crate) mod tests;
