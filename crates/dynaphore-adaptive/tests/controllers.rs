//! Each controller as the pure function that it is.

use std::time::Duration;

use dynaphore_adaptive::{Aimd, Controller, Fixed, Gradient, QueueDelay, Times, Vegas, Window};
use proptest::prelude::*;

fn all() -> Vec<Box<dyn Controller>> {
    vec![
        Box::new(Gradient::default()),
        Box::new(QueueDelay::default()),
        Box::new(Vegas::default()),
        Box::new(Aimd::default()),
        Box::new(Fixed),
    ]
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn times(count: u64, each: Duration) -> Times {
    let mut times = Times::default();
    for _ in 0..count {
        times.add(each);
    }
    times
}

/// A second of a server that serves up to 20 at once in 100 ms.
fn busy(max: u32) -> Window {
    let hold = Duration::from_secs_f64(0.1 * (f64::from(max) / 20.0).max(1.0));
    let served = (f64::from(max) / hold.as_secs_f64()) as u64;
    Window {
        length: millis(1000),
        max,
        arrived: served,
        served,
        holds: times(served, hold),
        delays: times(served, hold - millis(100)),
        highest_active: max,
        mean_active: f64::from(max),
        limited: true,
        ..Window::default()
    }
}

fn after(controller: &mut dyn Controller, mut max: u32, windows: u32) -> u32 {
    for _ in 0..windows {
        max = controller.window(&busy(max)).clamp(1, 512);
    }
    max
}

#[test]
fn latency_controllers_find_the_knee_from_below() {
    for mut controller in all().into_iter().take(3) {
        let max = after(&mut *controller, 2, 100);
        assert!((16..=32).contains(&max), "{}: {max}", controller.name());
    }
}

#[test]
fn a_window_of_no_hold_is_no_base_for_vegas() {
    let mut vegas = Vegas::default();
    let mut none = busy(8);
    none.holds = times(none.served, Duration::ZERO);
    assert_eq!(vegas.window(&none), 8);
    assert!(vegas.window(&busy(8)) > 8, "nothing is queued");
}

#[test]
fn queue_delay_finds_the_knee_from_above() {
    let max = after(&mut QueueDelay::default(), 200, 150);
    assert!((16..=32).contains(&max), "{max}");
}

/// This server loses nothing beyond its knee, so throughput does not tell where it
/// is, and latency without a queue has never been seen: the documentation bounds it.
#[test]
fn gradient_comes_near_the_knee_from_above() {
    let max = after(&mut Gradient::default(), 200, 150);
    assert!((16..=42).contains(&max), "{max}");
}

#[test]
fn windows_that_are_not_limited_change_nothing() {
    for mut controller in all() {
        let max = after(&mut *controller, 8, 10);
        let quiet = Window {
            limited: false,
            mean_active: 1.0,
            ..busy(max)
        };
        // Where a probe was under way, it ends.
        let max = controller.window(&quiet);
        for _ in 0..1000 {
            let quiet = Window {
                max,
                ..quiet.clone()
            };
            assert_eq!(controller.window(&quiet), max, "{}", controller.name());
        }
    }
}

#[test]
fn idle_windows_change_nothing() {
    for mut controller in all() {
        let idle = Window {
            length: millis(5000),
            max: 17,
            ..Window::default()
        };
        for _ in 0..100 {
            assert_eq!(controller.window(&idle), 17, "{}", controller.name());
        }
    }
}

#[test]
fn failures_lower_max() {
    for mut controller in all().into_iter().take(4) {
        let failing = Window {
            served: 0,
            rejected: 100,
            holds: Times::default(),
            ..busy(100)
        };
        assert!(controller.window(&failing) < 100, "{}", controller.name());
    }
}

/// The same server, but each request takes three times as long.
fn slow(max: u32) -> Window {
    let window = busy(max);
    let served = window.served / 3;
    let hold = window.holds.mean().unwrap() * 3;
    Window {
        served,
        holds: times(served, hold),
        ..window
    }
}

/// A base that rose by steps of a tenth would need a dozen comparisons, at a max of 4.
#[test]
fn the_base_of_gradient_jumps_to_that_of_a_slower_server() {
    let mut gradient = Gradient::default();
    let mut max = after(&mut gradient, 10, 100);
    let mut maxima = Vec::new();
    for _ in 0..50 {
        max = gradient.window(&slow(max)).clamp(1, 512);
        maxima.push(max);
    }
    let lowest = *maxima.iter().min().unwrap();
    assert!(lowest < 10, "it looks like a queue at first: {maxima:?}");
    let last = maxima[49];
    assert!((16..=32).contains(&last), "{maxima:?}");
}

#[test]
fn a_queue_does_not_disprove_a_base_seen_with_fewer_requests() {
    let mut gradient = Gradient::default();
    let early = after(&mut gradient, 2, 200);
    let late = after(&mut gradient, early, 2000);
    assert!(late + 1 >= early, "{early} {late}");
}

#[test]
fn gradient_watches_four_windows_before_it_moves() {
    let mut gradient = Gradient::default();
    // The first window that tells is let pass.
    for _ in 0..4 {
        assert_eq!(gradient.window(&busy(10)), 10);
    }
    assert_eq!(gradient.window(&busy(10)), 10);
    assert!(gradient.window(&busy(10)) > 10);
}

/// A server is idle before it is full: what requests take then is what they take without a
/// queue. (The real one of the example came to rest at six times its knee without that.)
#[test]
fn gradient_learns_from_the_time_before_max_is_in_the_way() {
    let mut gradient = Gradient::default();
    for _ in 0..6 {
        let calm = Window {
            holds: times(100, millis(100)),
            limited: false,
            mean_active: 8.0,
            ..busy(60)
        };
        assert_eq!(gradient.window(&calm), 60);
    }
    let max = after(&mut gradient, 60, 30);
    assert!((18..=30).contains(&max), "{max}");
}

#[test]
fn gradient_believes_in_a_slower_server_and_forgets_it_again() {
    let mut gradient = Gradient::default();
    let mut max = after(&mut gradient, 10, 100);
    let before = max;
    for _ in 0..300 {
        max = gradient.window(&slow(max)).clamp(1, 512);
    }
    assert!((14..=30).contains(&max), "{max}");
    let max = after(&mut gradient, max, 60);
    assert!(max <= before + 10, "{before} {max}");
}

#[test]
#[should_panic(expected = "`decrease` must be in 0.1 to 0.99, not NaN")]
fn nan_is_refused() {
    let _ = Aimd::default().decrease(f64::NAN);
}

#[test]
#[should_panic(expected = "`queue` must be in")]
fn a_parameter_out_of_range_is_refused() {
    let _ = Gradient::default().queue(0.0);
}

prop_compose! {
    /// Any window, sensible or not.
    fn window()(
        length in 0_u64..10_000,
        served in 0_u64..200,
        failed in 0_u64..50,
        hold in prop_oneof![Just(0_u64), 1_u64..100_000_000_000],
        delay in prop_oneof![Just(0_u64), 1_u64..100_000_000_000],
        mean_active in prop_oneof![
            0.0..1000.0, Just(f64::NAN), Just(f64::INFINITY), Just(-1.0), Just(0.0)
        ],
        limited: bool,
    ) -> Window {
        Window {
            length: millis(length),
            served,
            timed_out: failed,
            holds: times(served, Duration::from_nanos(hold)),
            delays: times(served, Duration::from_nanos(delay)),
            mean_active,
            limited,
            ..Window::default()
        }
    }
}

proptest! {
    /// Whatever they are told: no panic, no zero, and no more than four times max
    /// at once.
    #[test]
    fn any_windows_have_an_answer(windows in prop::collection::vec(window(), 1..60)) {
        for mut controller in all() {
            let mut max = 10;
            for window in &windows {
                let window = Window { max, ..window.clone() };
                let answer = controller.window(&window);
                prop_assert!(answer >= 1, "{} {answer}", controller.name());
                prop_assert!(answer <= 4 * max + 10, "{} {max} {answer}", controller.name());
                if !window.limited && controller.name() != "gradient" {
                    prop_assert_eq!(answer, max);
                }
                max = answer.clamp(1, 512);
            }
        }
    }

    /// Somebody else changes max all the time, as bounds or shadow mode do.
    #[test]
    fn max_may_be_changed_by_others(maxima in prop::collection::vec(1_u32..600, 1..60)) {
        for mut controller in all() {
            for &max in &maxima {
                let answer = controller.window(&busy(max));
                prop_assert!((1..=4 * max + 10).contains(&answer), "{}", controller.name());
            }
        }
    }
}
