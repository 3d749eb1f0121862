//! What can be seen of the semaphore, against the model.

use std::{
    fmt::Debug,
    panic::{AssertUnwindSafe, catch_unwind},
};

use dynaphore::Snapshot;

use super::{Driver, Held};

impl Driver<'_> {
    /// The call must panic and name the reason; `compare` sees that nothing has
    /// changed. Left out under libFuzzer, which aborts at any panic.
    pub(super) fn refused<T>(&self, call: impl FnOnce() -> T) {
        if cfg!(fuzzing) {
            return;
        }
        let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(call()))) else {
            panic!("{}: accepted more than MAX_PERMITS", self.place());
        };
        let message = match panic.downcast::<String>() {
            Ok(message) => *message,
            Err(panic) => panic
                .downcast::<&str>()
                .map_or_else(|_| String::new(), |message| (*message).to_owned()),
        };
        self.same("names the limit", message.contains("MAX_PERMITS"), true);
    }

    /// Compares all that can be seen without a call that changes something.
    pub(super) fn compare(&self) {
        if let Err(broken) = self.model.check() {
            panic!("{}: {broken}", self.place());
        }
        let (semaphore, model) = (self.semaphore, &self.model);
        let Snapshot {
            max,
            active,
            waiting,
            closed,
            ..
        } = model.snapshot();
        let found = semaphore.snapshot();
        self.same("snapshot", found, model.snapshot());
        self.same("available", found.available(), max.saturating_sub(active));
        self.same("excess", found.excess(), active.saturating_sub(max));
        self.same("max", semaphore.max(), max);
        self.same("active", semaphore.active(), active);
        self.same("waiting", semaphore.waiting(), waiting);
        self.same("is_closed", semaphore.is_closed(), closed);
        self.same(
            "available_permits",
            semaphore.available_permits(),
            model.available(),
        );
        for Held { permit, n } in &self.permits {
            self.same("num_permits", permit.num_permits(), *n);
            let ours = std::ptr::eq(permit.semaphore(), &**semaphore);
            self.same("the permit's semaphore is ours", ours, true);
        }
        // Who was told or notified has had its newest waker woken; one that it
        // had before, and those of others, have not been.
        self.same("wakes", &self.wakers.wakes(), &model.wakes);
        let registered = model.registered();
        self.same("clones of wakers", &self.wakers.clones(), &registered);
    }

    #[track_caller]
    pub(super) fn same<T: PartialEq + Debug>(&self, what: &str, found: T, model: T) {
        assert!(
            found == model,
            "{}: {what}: the semaphore says {found:?}, the model {model:?}",
            self.place()
        );
    }

    pub(super) fn place(&self) -> String {
        match self.now {
            Some((step, op)) => format!("call {step}, {op:?}"),
            None => "at the end".to_owned(),
        }
    }
}
