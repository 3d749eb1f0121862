//! dynaphore measured against its peers.
//!
//! A [`subject`] is one semaphore behind the traits that a [`workload`] asks
//! for; a workload is one function, generic over its subject, so that all run
//! the same loop without dynamic dispatch. [`workload::ALL`] is the table of
//! who runs what. [`measure`] runs the subjects of a workload by turns and
//! compares them round by round. [`waits`], [`timeouts`], [`growth`], [`keys`], [`overload`]
//! and [`sweep`] ask what one figure an operation cannot tell, and [`jobs`] what throttled rayon
//! jobs cost. [`options`] reads the command line of
//! the `compare` binary, [`session`] does what it says, [`report`] prints in [`table`]s what
//! came out line by line, and [`results`] and [`plot`] make `RESULTS.md` and
//! its pictures of it. The Criterion benches time the same functions one at a
//! time.
//!
//! To add a subject: a file in `subject`, and its name in the rows of
//! [`workload::ALL`] and in [`subject::SIZES`].

#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod alloc;
pub mod growth;
pub mod jobs;
pub mod keys;
pub mod measure;
pub mod options;
pub mod overload;
pub mod plot;
pub mod report;
pub mod results;
pub mod session;
pub mod stats;
pub mod subject;
pub mod sweep;
pub mod table;
pub mod timeouts;
pub mod waits;
pub mod workload;
