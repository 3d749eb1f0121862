//! A simulator: all controllers under the same load, in virtual time.
//!
//! It has no clock, no thread and no system calls, and its random numbers come from
//! a seed, so ten minutes take a tenth of a second and come out the same each time.
//! Its requests are counted, and its windows ended, by the code that does so for
//! [`Adaptive`](crate::Adaptive).

mod figures;
mod peers;
mod plot;
mod random;
mod report;
mod scenario;
mod server;
mod world;

pub use self::{
    figures::{Figure, Row},
    random::Random,
    report::{Report, ours, report},
};
