//! What can be seen of the keyed semaphore, against the model.

use std::fmt::Debug;

use super::{Driver, Held, KEYS, name};

impl Driver<'_> {
    /// Compares all that can be seen without a call that changes something.
    pub(super) fn compare(&self) {
        let (keyed, model) = (self.keyed, &self.model);
        for key in 0..KEYS {
            let expected = model.snapshot(key);
            self.same("snapshot", keyed.snapshot(name(key)), expected);
            self.same("max", keyed.max(name(key)), expected.max);
        }
        let mut found = keyed.snapshots();
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        let expected: Vec<_> = model.snapshots();
        let named = expected
            .iter()
            .map(|(key, one)| (name(*key).to_owned(), *one));
        self.same("snapshots", &found, &named.collect());
        self.same("len", keyed.len(), expected.len());
        self.same("is_empty", keyed.is_empty(), expected.is_empty());
        self.same("default_max", keyed.default_max(), model.default_max());
        self.same("is_closed", keyed.is_closed(), model.is_closed());
        for Held { permit, key, n } in &self.permits {
            self.same("num_permits", permit.num_permits(), *n);
            self.same("key", permit.key(), name(*key));
        }
        assert!(!format!("{keyed:?}").is_empty());
        self.same("wakes", &self.wakers.wakes(), &model.wakes());
        self.same(
            "clones of wakers",
            &self.wakers.clones(),
            &model.registered(),
        );
    }

    #[track_caller]
    pub(super) fn same<T: PartialEq + Debug>(&self, what: &str, found: T, model: T) {
        assert!(
            found == model,
            "{}: {what}: the keyed semaphore says {found:?}, the model {model:?}",
            match self.now {
                Some((step, op)) => format!("call {step}, {op:?}"),
                None => "at the end".to_owned(),
            }
        );
    }
}
