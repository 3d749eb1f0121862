use super::*;

#[test]
fn each_part_of_the_word_counts_by_itself() {
    let users = Users::one_waiter();
    users.join();
    users.join_waiting();
    users.set_override();
    assert_eq!(users.waiters(), 2);
    assert!(users.is_overridden());
    assert_eq!(
        format!("{users:?}"),
        "Users { users: 3, waiters: 2, override: true }"
    );
    users.waited();
    users.waited();
    assert_eq!(users.waiters(), 0);
    assert_eq!(users.leave(), Left::Needed);
    assert_eq!(users.clear_override(), Left::Needed);
    assert_eq!(users.leave(), Left::Needed);
    assert!(users.is_alone());
    assert_eq!(users.leave(), Left::Unneeded);
    assert!(users.is_unneeded());
}

#[test]
fn an_override_is_needed_without_users() {
    let users = Users::one();
    users.set_override();
    assert!(!users.is_alone(), "the entry must stay");
    assert_eq!(users.leave(), Left::Needed);
    assert!(!users.is_unneeded());
    assert_eq!(users.clear_override(), Left::Unneeded);
    assert_eq!(Users::overridden().clear_override(), Left::Unneeded);
}

#[test]
fn a_waiter_is_not_alone_until_it_has_waited() {
    let users = Users::one_waiter();
    assert!(!users.is_alone());
    users.waited();
    assert!(users.is_alone());
}

#[test]
#[should_panic = "more than 2147483647"]
fn too_many_users_are_refused_before_they_are_counted() {
    let users = Users(AtomicU64::new(USERS / 2));
    users.assert_room();
}
