//! A semaphore that is counted from outside, too.

use std::{
    ops::Deref,
    sync::{Arc, Mutex},
};

use dynaphore::{OwnedSemaphorePermit, Semaphore};

use crate::{Kind, assert_at_rest, lock, yield_now};

/// A semaphore and its guests.
///
/// What is inside at a moment was active when the last of it was granted, so it
/// was no more than the max of that moment.
pub struct House {
    semaphore: Arc<Semaphore>,
    books: Mutex<Books>,
}

struct Books {
    inside: usize,
    /// Each max that was set, one after the other.
    maxes: Vec<usize>,
    /// How many of those were in force for certain, the others perhaps.
    certain: usize,
}

impl Deref for House {
    type Target = Arc<Semaphore>;

    fn deref(&self) -> &Arc<Semaphore> {
        &self.semaphore
    }
}

impl House {
    pub fn new(kind: Kind, max: usize) -> Arc<Self> {
        Arc::new(Self {
            semaphore: kind.semaphore(max),
            books: Mutex::new(Books {
                inside: 0,
                maxes: vec![max],
                certain: 1,
            }),
        })
    }

    /// Takes the permit that `get` gets.
    pub fn enter<E>(
        self: &Arc<Self>,
        get: impl FnOnce(&Arc<Semaphore>) -> Result<OwnedSemaphorePermit, E>,
    ) -> Result<Guest, E> {
        let before = lock(&self.books).certain - 1;
        let permit = get(&self.semaphore)?;
        let mut books = lock(&self.books);
        books.inside += permit.num_permits();
        let max = books.maxes[before..].iter().max();
        assert!(Some(&books.inside) <= max, "{} are in", books.inside);
        Ok(Guest {
            permit: Some(permit),
            house: Arc::clone(self),
        })
    }

    /// By one thread only.
    pub fn set_max(&self, max: usize) {
        lock(&self.books).maxes.push(max);
        self.semaphore.set_max(max);
        let mut books = lock(&self.books);
        books.certain = books.maxes.len();
    }

    /// Nobody holds or waits, and all permits can be had.
    #[track_caller]
    pub fn assert_at_rest(&self) {
        assert_eq!(lock(&self.books).inside, 0);
        assert_at_rest(&self.semaphore);
    }
}

/// Permits, and the house that they are for.
pub struct Guest {
    permit: Option<OwnedSemaphorePermit>,
    house: Arc<House>,
}

impl Guest {
    pub fn num_permits(&self) -> usize {
        self.permit
            .as_ref()
            .map_or(0, |permit| permit.num_permits())
    }

    /// Splits some off, and has them back in another way.
    pub fn split_and_merge(&mut self, n: usize) {
        let Some(permit) = &mut self.permit else {
            return;
        };
        if let Some(part) = permit.split(n) {
            yield_now();
            permit.merge(part);
        }
    }

    /// Gives some back before the others.
    pub fn give_back(&mut self, n: usize) {
        if let Some(part) = self.permit.as_mut().and_then(|permit| permit.split(n)) {
            lock(&self.house.books).inside -= part.num_permits();
            drop(part);
        }
    }

    /// Takes them out of the count for good.
    pub fn forget(mut self) {
        if let Some(permit) = self.permit.take() {
            lock(&self.house.books).inside -= permit.num_permits();
            permit.forget();
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let Some(permit) = self.permit.take() else {
            return;
        };
        lock(&self.house.books).inside -= permit.num_permits();
        drop(permit);
    }
}
