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
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, Debug)]
    enum Op {
        Push(usize),
        Remove(usize),
        Rotate,
        RemoveFront,
    }

    fn ops(keys: usize) -> impl Strategy<Value = Vec<Op>> {
        let op = prop_oneof![
            (0..keys).prop_map(Op::Push),
            (0..keys).prop_map(Op::Remove),
            Just(Op::Rotate),
            Just(Op::RemoveFront),
        ];
        proptest::collection::vec(op, 0..200)
    }

    /// Whoever is next, and those after it.
    fn order(ring: &Ring<usize>) -> Vec<usize> {
        let (mut order, mut backward, mut at) = (Vec::new(), VecDeque::new(), ring.next);
        for _ in 0..ring.nodes.len() {
            let node = &ring.nodes[at];
            assert_eq!(node.entry.ring_index(), Some(at), "it knows where it is");
            order.push(node.entry.key);
            at = node.after;
        }
        for _ in 0..ring.nodes.len() {
            at = ring.nodes[at].before;
            backward.push_front(ring.nodes[at].entry.key);
        }
        assert_eq!(order, Vec::from(backward), "both ways lead around");
        order
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn it_is_what_a_plain_queue_is(ops in ops(7)) {
            let entries: Vec<_> = (0..7).map(|key| Arc::new(Entry::new(key, 0))).collect();
            let (mut ring, mut model) = (Ring::new(), VecDeque::new());
            for op in ops {
                match op {
                    Op::Push(key) if !model.contains(&key) => {
                        ring.push(Arc::clone(&entries[key]));
                        model.push_back(key);
                    }
                    Op::Push(_) => {}
                    Op::Remove(key) => {
                        let at = model.iter().position(|&other| other == key);
                        let removed = ring.remove(&entries[key]);
                        assert_eq!(removed.map(|entry| entry.key), at.and_then(|at| model.remove(at)));
                        assert_eq!(entries[key].ring_index(), None);
                    }
                    Op::Rotate if !model.is_empty() => {
                        assert_eq!(ring.rotate().key, model[0]);
                        model.rotate_left(1);
                    }
                    Op::RemoveFront if !model.is_empty() => {
                        assert_eq!(Some(ring.remove_front().key), model.pop_front());
                    }
                    Op::Rotate | Op::RemoveFront => {}
                }
                assert_eq!(ring.front().map(|entry| entry.key), model.front().copied());
                assert_eq!(order(&ring), Vec::from(model.clone()));
            }
        }
    }

    #[test]
    fn what_has_left_costs_nothing() {
        const MANY: usize = 10_000;
        let entries: Vec<_> = (0..MANY).map(|key| Arc::new(Entry::new(key, 0))).collect();
        let mut ring = Ring::new();
        for entry in &entries {
            ring.push(Arc::clone(entry));
        }
        for entry in &entries[1..] {
            assert!(ring.remove(entry).is_some());
            assert_eq!(Arc::strong_count(entry), 1);
        }
        assert_eq!(order(&ring), [0]);
        assert!(ring.nodes.capacity() <= KEEP, "{}", ring.nodes.capacity());
    }
}
