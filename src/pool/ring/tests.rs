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
