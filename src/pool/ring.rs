//! Whose turn it is: the keys that have a place free, one after the other.
//!
//! A doubly linked ring whose links are indices into a vector without gaps, so
//! that a key enters and leaves in O(1) and what has left costs nothing. Each
//! entry knows its own index. The pool's lock guards it all.

use std::sync::Arc;

use super::entry::Entry;

/// A vector of at most this length is not worth shrinking.
const KEEP: usize = 64;

struct Node<K> {
    entry: Arc<Entry<K>>,
    before: usize,
    after: usize,
}

pub(super) struct Ring<K> {
    nodes: Vec<Node<K>>,
    /// Whose turn it is, if there is anybody.
    next: usize,
}

impl<K> Ring<K> {
    pub(super) const fn new() -> Self {
        Self {
            nodes: Vec::new(),
            next: 0,
        }
    }

    /// Whose turn it is.
    #[inline]
    pub(super) fn front(&self) -> Option<&Arc<Entry<K>>> {
        self.nodes.get(self.next).map(|node| &node.entry)
    }

    /// Whose turn it was; it is the next one's now. There must be somebody.
    #[inline]
    pub(super) fn rotate(&mut self) -> Arc<Entry<K>> {
        let node = &self.nodes[self.next];
        self.next = node.after;
        Arc::clone(&node.entry)
    }

    /// Takes out whose turn it is. There must be somebody.
    #[inline]
    pub(super) fn remove_front(&mut self) -> Arc<Entry<K>> {
        self.remove_at(self.next)
    }

    /// Lets an entry in that is not in yet; all others come before it.
    pub(super) fn push(&mut self, entry: Arc<Entry<K>>) {
        debug_assert!(entry.ring_index().is_none(), "in the ring already");
        let at = self.nodes.len();
        entry.set_ring_index(Some(at));
        let (before, after) = match self.nodes.get(self.next) {
            Some(first) => (first.before, self.next),
            None => (at, at),
        };
        self.nodes.push(Node {
            entry,
            before,
            after,
        });
        self.nodes[before].after = at;
        self.nodes[after].before = at;
    }

    /// Takes an entry out, if it is in.
    pub(super) fn remove(&mut self, entry: &Entry<K>) -> Option<Arc<Entry<K>>> {
        entry.ring_index().map(|at| self.remove_at(at))
    }

    fn remove_at(&mut self, at: usize) -> Arc<Entry<K>> {
        let Node { before, after, .. } = self.nodes[at];
        self.nodes[before].after = after;
        self.nodes[after].before = before;
        if self.next == at {
            self.next = after;
        }
        let removed = self.nodes.swap_remove(at).entry;
        removed.set_ring_index(None);
        self.moved(self.nodes.len(), at);
        if self.nodes.capacity() > KEEP && self.nodes.len() < self.nodes.capacity() / 4 {
            self.nodes.shrink_to(self.nodes.len() * 2);
        }
        removed
    }

    /// The node that was at `from` is now at `to`, unless it was the one that
    /// has gone.
    fn moved(&mut self, from: usize, to: usize) {
        let Some(node) = self.nodes.get_mut(to) else {
            // The last one has gone. If it was alone, `next` points to it.
            if self.nodes.is_empty() {
                self.next = 0;
            }
            return;
        };
        node.entry.set_ring_index(Some(to));
        if node.after == from {
            // Alone, it is its own neighbour.
            (node.before, node.after) = (to, to);
        }
        let (before, after) = (node.before, node.after);
        self.nodes[before].after = to;
        self.nodes[after].before = to;
        if self.next == from {
            self.next = to;
        }
    }
}

#[cfg(all(test, not(dynaphore_loom)))]
mod tests;
