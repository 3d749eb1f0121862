//! draft

mod peers;
mod random;
mod report;
mod scenario;
mod server;
mod world;

pub use report::report;
