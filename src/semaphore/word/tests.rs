use super::*;

#[test]
fn fields_do_not_touch_each_other() {
    let full = State::open(MAX_PERMITS)
        .with_active(MAX_PERMITS)
        .with_queued(true);
    assert_eq!((full.max(), full.active()), (MAX_PERMITS, MAX_PERMITS));
    assert!(full.is_queued() && !full.is_closed());
    let none = full.with_max(0).with_active(0).with_queued(false);
    assert_eq!(none, State::open(0));
}

#[test]
fn a_refused_request_changes_nothing() {
    let word = Word::new(3);
    assert_eq!(word.try_acquire(2, || u32::MAX), Take::Acquired);
    let before = word.load();
    assert_eq!(word.try_acquire(2, || u32::MAX), Take::Full);
    assert_eq!(word.load(), before);
}

#[test]
fn the_largest_request_does_not_wrap() {
    let word = Word::new(MAX_PERMITS);
    assert_eq!(word.try_acquire(MAX_PERMITS, || u32::MAX), Take::Acquired);
    assert_eq!(word.try_acquire(MAX_PERMITS, || u32::MAX), Take::Full);
    assert_eq!(word.raise_max(1, None), Err(Overflow));
}

#[test]
fn handing_over_the_same_number_writes_nothing() {
    let word = Word::new(1);
    assert_eq!(word.acquire_or_queue(1), Take::Acquired);
    assert_eq!(word.acquire_or_queue(1), Take::Full);
    let before = word.load();
    assert_eq!(word.hand_over(1, 1, false, None), Take::Acquired);
    assert_eq!(word.load(), before);
}

#[test]
fn with_the_last_goes_the_line_in_the_same_step() {
    for (returned, need, active) in [(1, 1, 2), (2, 1, 1), (0, 1, 3)] {
        let word = Word::new(3);
        assert_eq!(word.try_acquire(2, || u32::MAX), Take::Acquired);
        let _ = word.set_queued();
        let found = word.hand_over(returned, need, true, None);
        assert_eq!(found, Take::Acquired);
        assert_eq!(word.load().active(), active);
        assert!(!word.load().is_queued());
    }
    let word = Word::new(3);
    let _ = word.set_queued();
    let before = word.load();
    assert_eq!(word.hand_over(0, 4, true, None), Take::TooLarge);
    assert_eq!(word.hand_over(0, 1, true, Some(3)), Take::Spoken);
    assert_eq!(word.load(), before);
}

#[test]
fn nothing_is_handed_over_while_in_debt() {
    let word = Word::new(3);
    assert_eq!(word.acquire_or_queue(3), Take::Acquired);
    assert_eq!(word.set_max(1, None).max(), 3);
    assert_eq!(word.hand_over(1, 1, false, None), Take::Full);
    assert_eq!(word.hand_over(3, 1, false, None), Take::Acquired);
    assert_eq!(word.load().active(), 1);
}

#[test]
fn a_release_tells_who_must_be_told() {
    let word = Word::new(2);
    assert_eq!(word.try_acquire(2, || u32::MAX), Take::Acquired);
    assert_eq!(word.release(1, true), Release::Quiet);
    assert_eq!(word.release(1, true), Release::Reached);
    assert_eq!(word.try_acquire(2, || u32::MAX), Take::Acquired);
    let _ = word.set_max(1, None);
    assert_eq!(word.release(1, true), Release::Reached);
    let _ = word.set_queued();
    assert_eq!(word.release(1, true), Release::HandOver);
    assert_eq!(word.load().active(), 1);
    assert_eq!(word.release(1, false), Release::BackWithLine);
    assert_eq!(word.load().active(), 0);
}

#[test]
fn a_growth_that_lets_somebody_rejoin_shuts_out_newcomers_in_one_step() {
    let word = Word::new(1);
    let _ = word.set_max(4, Some(5));
    assert!(!word.load().is_queued());
    let _ = word.raise_max(1, Some(5));
    assert!(word.load().is_queued());
    assert_eq!(word.try_acquire(1, || u32::MAX), Take::Spoken);
}

#[test]
fn forgetting_held_permits_stops_at_zero() {
    let word = Word::new(5);
    assert_eq!(word.try_acquire(5, || u32::MAX), Take::Acquired);
    let _ = word.set_max(2, None);
    let _ = word.forget_held(3);
    assert_eq!((word.load().max(), word.load().active()), (0, 2));
}

#[test]
fn every_change_of_max_keeps_the_flags() {
    let word = Word::new(4);
    let _ = word.set_queued();
    word.close();
    let _ = word.set_max(9, None);
    let _ = word.raise_max(1, None);
    assert_eq!(
        word.forget_available(2, u32::MAX),
        0,
        "spoken for by the line"
    );
    word.clear_queued(0);
    assert_eq!(word.forget_available(2, u32::MAX), 2);
    assert!(word.load().is_closed() && !word.load().is_queued());
    assert_eq!(word.load().max(), 8);
}

#[test]
#[cfg(feature = "rayon")]
fn permits_that_are_taken_over_max_stop_at_the_largest_count() {
    let word = Word::new(1);
    assert!(word.acquire_over(MAX_PERMITS - 1));
    assert!(!word.acquire_over(2));
    assert!(word.acquire_over(1));
    assert_eq!(word.load().active(), MAX_PERMITS);
    assert!(!word.acquire_over(1));
    let closed = Word::new(1);
    closed.close();
    assert!(!closed.acquire_over(1));
}

#[test]
#[cfg(feature = "rayon")]
fn a_word_is_calm_while_nothing_stands_against_it() {
    let word = Word::new(1);
    let calm = word
        .load()
        .calm()
        .expect("open, nobody in line, not in debt");
    assert!(word.load().is_still(calm));
    assert_eq!(word.try_acquire(1, || u32::MAX), Take::Acquired);
    assert!(word.load().is_calm());
    assert!(!word.load().is_still(calm));
    let _ = word.set_max(0, None);
    assert!(!word.load().is_calm(), "in debt");
    let _ = word.set_max(1, None);
    let _ = word.set_queued();
    assert!(!word.load().is_calm(), "somebody is in line");
    word.clear_queued(0);
    word.close();
    assert!(!word.load().is_calm(), "closed");
}
