//! How the keepers of scopes let go of what they lie on.
//!
//! Such a keeper is a job of its scope, which any worker may come by while it waits
//! for something else. What is beneath it then cannot go on before the keeper
//! leaves, and somebody may wait for just that before he gives a permit back. rayon
//! does not tell. So no keeper stays: after a while it spawns another job of its
//! scope with all that it has, the keeper from then on, and leaves. A worker that
//! waits looks first whether what it waits for has come, and takes on a keeper only
//! if not. If none is free to take it on, none is free for what it could hire,
//! either.
//!
//! A worker may come by the new one too early, on top of the one that has just left:
//! then so does the next one, and the stack grows. So whoever comes to lie on one
//! that has left makes way: it has those in between leave, too, is spawned anew, and
//! the worker goes back as far as it can. Not for ever, since something else may lie
//! in between, and not only once, since the worker may look before it is told that
//! it can.

use std::{
    cell::RefCell,
    marker::PhantomData,
    sync::{Arc, PoisonError},
};

use super::mailbox::Mailbox;
#[cfg(shuttle)]
use crate::sync::WithBorrow as _;
use crate::sync::{Condvar, Mutex, MutexGuard, thread, thread_local};

/// Where a keeper is at work.
#[derive(Debug)]
pub(super) struct Post {
    mailbox: Arc<Mailbox>,
    left: Mutex<bool>,
    changed: Condvar,
}

/// How often to make way: by then the worker has been told for certain, or nearly.
pub(super) const TRIES: u32 = 64;

thread_local! {
    /// Those of this thread's stack, the topmost last.
    static POSTS: RefCell<Vec<Arc<Post>>> = const { RefCell::new(Vec::new()) };
}

impl Post {
    pub(super) fn new(mailbox: Arc<Mailbox>) -> Arc<Self> {
        Arc::new(Self {
            mailbox,
            left: Mutex::new(false),
            changed: Condvar::new(),
        })
    }

    /// It is on this thread's stack until what is returned is dropped.
    pub(super) fn enter(self: Arc<Self>) -> Entered {
        POSTS.with_borrow_mut(|posts| posts.push(self));
        Entered {
            not_send: PhantomData,
        }
    }

    /// The keeper has stopped, and does nothing here any more.
    pub(super) fn leave(&self) {
        *self.lock() = true;
        self.changed.notify_all();
    }

    fn has_left(&self) -> bool {
        *self.lock()
    }

    /// Blocks until it has left.
    pub(super) fn wait(&self) {
        let waited = self.changed.wait_while(self.lock(), |left| !*left);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
pub(super) struct Entered {
    /// Of one thread.
    not_send: PhantomData<*const ()>,
}

impl Entered {
    /// Are there so many that the next ones had better stay where they are? What
    /// lies between those that have left may keep them on the stack for long.
    pub(super) fn is_deep(&self) -> bool {
        const DEEP: usize = 64;
        POSTS.with_borrow(Vec::len) > DEEP
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let post = POSTS.with_borrow_mut(Vec::pop);
        debug_assert!(post.is_some());
    }
}

/// Has all keepers leave that lie on this thread's stack. How many of those are there,
/// and how many have left?
pub(super) fn relieve_all() -> (usize, usize) {
    let posts = POSTS.with_borrow(Vec::clone);
    let at_work = posts.iter().filter(|post| !post.has_left());
    let relieved = at_work.map(|post| post.mailbox.relieve()).count();
    (relieved, posts.len() - relieved)
}

/// Has the keepers leave that lie on top of one that has left, or that is about to,
/// which is `last`. They do so at once. False if there is none.
pub(super) fn make_way(last: Option<&Arc<Post>>) -> bool {
    let is_last = |post: &Arc<Post>| last.is_some_and(|last| Arc::ptr_eq(last, post));
    let above = POSTS.with_borrow(|posts| {
        let goes = |post: &Arc<Post>| is_last(post) || post.has_left();
        let first = posts.iter().position(goes)?;
        Some(posts[first..].to_vec())
    });
    for post in above.iter().flatten() {
        if !is_last(post) && !post.has_left() {
            post.mailbox.relieve();
        }
        post.wait();
    }
    if above.is_some() {
        // It is not told yet that it can go back.
        thread::yield_now();
    }
    above.is_some()
}
