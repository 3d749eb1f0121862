//! Finds the maximum of a [dynaphore] semaphore while it is in use.
//!
//! Nobody knows the right max beforehand: it depends on the machine, on what is
//! asked of it, and on who else asks. [`Adaptive`] counts how requests end, in
//! windows of a quarter of a second or more, and a [`Controller`] sets max from
//! that.
//!
//! | type | what it is |
//! |---|---|
//! | [`Adaptive`], [`Request`], [`Outcome`] | a semaphore that is steered, its requests, how they end |
//! | [`AdaptiveKeyed`] | the same for each key of a keyed semaphore |
//! | [`Acquire`], [`Change`], [`ControllerPanicked`] | a request that waits, what a hook is told, why max is steered no more |
//! | [`Gradient`] | the controller to take if you do not know: it needs no parameter |
//! | [`QueueDelay`] | for servers that can tell how long requests wait behind the permit |
//! | [`Vegas`], [`Aimd`], [`Fixed`] | the classical ones, and none |
//! | [`Controller`], [`Window`], [`Times`] | to write your own |
//! | [`sim`] | a simulator in which all of them are compared |
//!
//! What they come to in a simulator, beside Netflix's and Envoy's, is in
//! `RESULTS.md`: `cargo run --release -p dynaphore-adaptive --bin simulate -- --report`.
#![forbid(unsafe_code)]

mod adaptive;
mod controller;
mod keyed;
mod pace;
mod request;
pub mod sim;
mod steering;
mod tally;
mod window;

pub use self::{
    adaptive::Adaptive,
    controller::{Aimd, Controller, Fixed, Gradient, QueueDelay, Vegas},
    keyed::{AdaptiveKeyed, KeyedAcquire, KeyedRequest},
    request::{Acquire, Request},
    steering::{Change, ControllerPanicked},
    window::{Outcome, Overload, Times, Window},
};
