use super::*;

#[test]
fn each_part_of_the_word_counts_by_itself() {
    let users = Users::default();
    assert!(users.are_none());
    users.join_waiting();
    users.join_empty();
    users.join_waiting();
    users.set_override();
    assert_eq!(users.waiters(), 2);
    assert!(users.is_overridden());
    assert_eq!(
        format!("{users:?}"),
        "Users { waiters: 2, empties: 1, override: true }"
    );
    assert_eq!(users.leave_waiting(), Left::Somebody);
    assert_eq!(users.leave_waiting(), Left::Somebody);
    assert_eq!(users.waiters(), 0);
    assert_eq!(users.clear_override(), Left::Somebody);
    assert!(!users.are_none());
    assert_eq!(users.leave_empty(), Left::Nobody);
    assert!(users.are_none());
}

#[test]
fn whoever_goes_last_is_told() {
    let users = Users::default();
    users.set_override();
    assert!(!users.are_none(), "the entry must stay");
    assert_eq!(users.clear_override(), Left::Nobody);
    users.join_waiting();
    assert_eq!(users.leave_waiting(), Left::Nobody);
    users.join_empty();
    assert_eq!(users.leave_empty(), Left::Nobody);
}

#[test]
fn too_many_are_refused_before_they_are_counted() {
    let none_left = [EMPTIES, OVERRIDE - WAITER, OVERRIDE | (OVERRIDE - WAITER)];
    for word in none_left {
        let users = Users(AtomicU64::new(word));
        let refused = std::panic::catch_unwind(|| users.assert_room());
        assert!(refused.is_err(), "{users:?}");
        let users = Users(AtomicU64::new(word - 1));
        if word == EMPTIES {
            users.assert_room();
        }
    }
}
