use super::{
    super::order::{Order, Overdue},
    *,
};

fn noop() -> Waker {
    Waker::noop().clone()
}

fn push(line: &mut Line, need: u32) -> Ticket {
    line.push(need, 0, noop())
}

fn front(line: &Line) -> Option<u32> {
    line.front()
}

fn needs(line: &mut Line) -> Vec<u32> {
    std::iter::from_fn(|| {
        let need = front(line)?;
        line.grant_front()?;
        Some(need)
    })
    .collect()
}

/// What the holder of `ticket` reads, with and without the lock.
fn verdict(line: &mut Line, ticket: Ticket) -> Verdict {
    if ticket >= line.served() {
        Verdict::Waiting
    } else if line.figures().stragglers > 0 {
        line.look_up(ticket)
    } else if ticket >= line.closed_at() {
        Verdict::Closed
    } else {
        Verdict::Granted
    }
}

#[test]
fn arrivals_are_served_in_order() {
    let mut line = Line::default();
    let tickets = [1, 2, 3, 4].map(|need| push(&mut line, need));
    assert!(
        tickets
            .iter()
            .all(|&t| verdict(&mut line, t) == Verdict::Waiting)
    );
    assert_eq!(needs(&mut line), [1, 2, 3, 4]);
    assert!(
        tickets
            .iter()
            .all(|&t| verdict(&mut line, t) == Verdict::Granted)
    );
}

#[test]
fn a_removed_waiter_leaves_the_others_in_order() {
    let mut line = Line::default();
    let tickets = [0, 1, 2, 3, 4, 5].map(|need| push(&mut line, need));
    let was_front = |line: &mut Line, at: usize| Some(line.remove(tickets[at])?.was_front);
    assert_eq!(was_front(&mut line, 2), Some(false));
    assert_eq!(was_front(&mut line, 0), Some(true));
    assert_eq!(was_front(&mut line, 1), Some(true));
    assert_eq!(was_front(&mut line, 5), Some(false));
    assert_eq!(was_front(&mut line, 5), None, "gone already");
    assert_eq!(line.len(), 2);
    assert_eq!(needs(&mut line), [3, 4]);
}

#[test]
fn holes_between_the_living_do_not_pile_up() {
    let mut line = Line::default();
    let _first = push(&mut line, 1);
    let mut last = push(&mut line, 1);
    for _ in 0..100_000 {
        let next = push(&mut line, 1);
        line.remove(last).expect("still waits");
        last = next;
    }
    assert_eq!(line.len(), 2);
    assert!(line.ring.len() <= 2 * line.len() + SWEEP_FROM + 1);
    assert!(line.ring.capacity() < 256);
}

/// Or each cancellation would move the whole line.
#[test]
fn holes_are_swept_when_they_outnumber_the_living_by_far() {
    let mut line = Line::default();
    let tickets: Vec<_> = (0..100).map(|_| push(&mut line, 1)).collect();
    // 66 holes, 34 that live.
    for &ticket in &tickets[1..67] {
        line.remove(ticket).expect("still waits");
    }
    assert_eq!((line.ring.len(), line.len()), (100, 34));
    line.remove(tickets[67]).expect("still waits");
    assert_eq!((line.ring.len(), line.len()), (33, 33));
}

#[test]
fn who_stepped_aside_rejoins_by_ticket() {
    let mut line = Line::default();
    let _tickets = [9, 7, 1, 8, 2].map(|need| push(&mut line, need));
    line.step_aside();
    line.step_aside();
    assert_eq!((line.aside(), line.figures().stragglers), (2, 2));
    assert!(!line.rejoin(5));
    assert!(line.rejoin(7));
    assert_eq!((front(&line), line.aside()), (Some(7), 1));
    assert!(line.rejoin(9));
    assert_eq!(needs(&mut line), [9, 7, 1, 8, 2]);
    assert_eq!(line.figures().stragglers, 0);
}

#[test]
fn a_straggler_is_not_taken_for_granted() {
    let mut line = Line::default();
    let [heavy, light] = [9, 1].map(|need| push(&mut line, need));
    line.step_aside();
    line.grant_front().expect("the light one");
    assert_eq!(verdict(&mut line, light), Verdict::Granted);
    assert_eq!(verdict(&mut line, heavy), Verdict::Waiting);
    line.rejoin(9);
    assert_eq!(verdict(&mut line, heavy), Verdict::Waiting);
    line.grant_front().expect("the heavy one");
    assert_eq!(verdict(&mut line, heavy), Verdict::Granted);
}

#[test]
fn an_arrival_aside_that_rejoins_keeps_its_place() {
    let mut line = Line::default();
    let first = push(&mut line, 1);
    let heavy = line.push_aside(9, noop());
    line.rejoin(9);
    assert_eq!(needs(&mut line), [1, 9]);
    assert_eq!(line.figures().stragglers, 0);
    assert_eq!(verdict(&mut line, first), Verdict::Granted);
    assert_eq!(verdict(&mut line, heavy), Verdict::Granted);
}

/// Found by `tests/semaphore/stress.rs`: the first answer used to be forgotten, and the
/// second was that the waiter had its permits.
#[test]
fn who_is_closed_out_is_told_so_as_often_as_it_asks() {
    let mut line = Line::default();
    let [heavy, light, last] = [9, 1, 1].map(|need| push(&mut line, need));
    line.step_aside();
    line.grant_front().expect("the light one");
    while line.refuse_one().is_some() {}
    for _ in 0..2 {
        assert_eq!(verdict(&mut line, heavy), Verdict::Closed);
        assert_eq!(verdict(&mut line, last), Verdict::Closed);
    }
    assert_eq!(verdict(&mut line, light), Verdict::Granted);
}

/// They are woken before the others are told.
#[test]
fn those_who_are_closed_out_know_it_one_by_one() {
    let mut line = Line::default();
    let tickets = [1, 1, 1].map(|need| push(&mut line, need));
    let aside = line.push_aside(9, noop());
    for told in 0..4 {
        let all = [tickets[0], tickets[1], tickets[2], aside];
        for (at, &ticket) in all.iter().enumerate() {
            let expected = [Verdict::Waiting, Verdict::Closed][usize::from(at < told)];
            assert_eq!(verdict(&mut line, ticket), expected, "{told}, {at}");
        }
        line.refuse_one().expect("one is left");
    }
    assert_eq!(verdict(&mut line, aside), Verdict::Closed);
    assert_eq!(line.figures().stragglers, 0);
}

#[test]
fn with_a_discipline_the_others_read_nothing_into_one_that_is_told() {
    for by_task in [false, true] {
        let mut line = Line::default();
        let discipline = Discipline {
            order: Order::Fifo,
            overdue: Overdue::NEVER,
            by_task,
        };
        line.follow(discipline, 0);
        let [first, second] = [1, 1].map(|need| push(&mut line, need));
        let told = |line: &mut Line| [first, second].map(|ticket| verdict(line, ticket));
        assert_eq!(told(&mut line), [Verdict::Waiting; 2]);
        line.grant_front().expect("it waits");
        assert_eq!(told(&mut line), [Verdict::Granted, Verdict::Waiting]);
        assert_eq!(line.hear(first), Verdict::Granted);
        assert_eq!(told(&mut line), [Verdict::Waiting; 2]);
    }
}

#[test]
fn closing_tells_waiters_from_those_served_before() {
    let mut line = Line::default();
    let [served, heavy, last] = [1, 9, 1].map(|need| push(&mut line, need));
    let aside = line.push_aside(8, noop());
    line.grant_front().expect("the first");
    line.step_aside();
    while line.refuse_one().is_some() {}
    assert_eq!(verdict(&mut line, served), Verdict::Granted);
    for waiter in [heavy, last, aside] {
        assert_eq!(verdict(&mut line, waiter), Verdict::Closed, "{waiter:?}");
    }
    assert_eq!((line.len(), line.aside()), (0, 0));
}

#[test]
fn the_least_request_aside_is_known_through_all_changes() {
    let mut line = Line::default();
    let [large, small, middle] = [9, 5, 7].map(|need| line.push_aside(need, noop()));
    assert_eq!(line.least_aside(), Some(5));
    line.remove(small).expect("it waits");
    assert_eq!(line.least_aside(), Some(7));
    assert!(line.rejoin(8));
    assert_eq!((line.least_aside(), front(&line)), (Some(9), Some(7)));
    line.step_aside();
    assert_eq!(line.least_aside(), Some(7));
    line.remove(large).expect("it waits");
    line.remove(middle).expect("it waits");
    assert_eq!(line.least_aside(), None);
}

#[test]
fn a_long_buffer_goes_when_the_line_is_empty() {
    let mut line = Line::default();
    for _ in 0..10 * KEEP {
        push(&mut line, 1);
    }
    while line.refuse_one().is_some() {}
    assert_eq!(line.ring.capacity(), 0);
}

#[test]
fn a_short_buffer_stays_when_the_line_is_empty() {
    let mut line = Line::default();
    line.ring.reserve_exact(KEEP);
    assert_eq!(line.ring.capacity(), KEEP);
    push(&mut line, 1);
    line.grant_front().expect("it waits");
    assert_eq!(line.ring.capacity(), KEEP);
}

/// Or what nobody hears would pile up.
#[test]
fn without_a_discipline_nobody_is_told_by_name() {
    let mut line = Line::default();
    for _ in 0..100 {
        push(&mut line, 1);
    }
    while line.grant_front().is_some() {}
    assert_eq!(line.told_by_name().0, 0);
}

#[test]
#[cfg(feature = "keyed")]
fn a_buffer_of_the_usual_length_serves_the_next_line_too() {
    for (room, kept) in [(REUSE, REUSE), (REUSE + 1, 0)] {
        let mut line = Line::default();
        line.ring.reserve_exact(room);
        assert_eq!(line.ring.capacity(), room);
        line.recycle();
        assert_eq!(line.ring.capacity(), kept);
    }
}
