use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use dynaphore::Semaphore;

use super::*;

/// Adds up all requests that it is told of. When it is first told of rejections, it panics.
#[derive(Default)]
struct Panics {
    requests: u64,
    has_panicked: bool,
}

impl Instruments for Panics {
    fn gauge(&mut self, _: &'static str, _: Attributes, _: f64) {}

    fn counter(&mut self, name: &'static str, _: Attributes, more: u64) {
        match name {
            "dynaphore.permit.requests" => self.requests += more,
            "dynaphore.permit.rejections" if !self.has_panicked => {
                self.has_panicked = true;
                resume_unwind(Box::new("instruments that panic"));
            }
            _ => {}
        }
    }

    fn times(&mut self, _: &'static str, _: &Attributes, _: f64, _: u64) {}
}

#[test]
fn instruments_that_panic_are_told_nothing_twice() {
    let jobs = Arc::new(Semaphore::builder(1).stats(true).build());
    let registry = Arc::new(Registry::new());
    registry.add("jobs", Arc::clone(&jobs)).unwrap();
    registry.add_rejections("jobs", || [("late", 1)]).unwrap();
    drop(jobs.try_acquire());
    let mut emitter = Emitter::new(registry);
    let mut to = Panics::default();
    assert!(catch_unwind(AssertUnwindSafe(|| emitter.emit(&mut to))).is_err());
    assert_eq!(to.requests, 1);
    emitter.emit(&mut to);
    assert_eq!(to.requests, 1);
}
