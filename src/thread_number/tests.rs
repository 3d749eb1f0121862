use super::*;

fn numbers() -> Numbers {
    Numbers([const { AtomicU64::new(0) }; WORDS])
}

#[test]
fn the_smallest_that_is_free() {
    let numbers = numbers();
    for expected in 0..70 {
        assert_eq!(numbers.take(), Some(expected));
    }
    for number in [66, 3, 64] {
        numbers.give_back(number);
    }
    for expected in [3, 64, 66, 70] {
        assert_eq!(numbers.take(), Some(expected));
    }
}

#[test]
fn none_when_all_are_taken() {
    let numbers = numbers();
    for _ in 0..NUMBERS {
        assert!(numbers.take().is_some());
    }
    assert_eq!(numbers.take(), None);
    numbers.give_back(NUMBERS - 1);
    assert_eq!(numbers.take(), Some(NUMBERS - 1));
}

#[test]
fn a_thread_keeps_its_number_and_nobody_else_has_it() {
    let own = number();
    assert_eq!(number(), own);
    let other = std::thread::spawn(number).join().unwrap();
    assert_ne!(other, own);
}
