//! A program that looks whether something holds: its arguments are words, and its exit status
//! says how it went.

use std::{env, error::Error, process::ExitCode};

pub type Failure = Box<dyn Error + Send + Sync>;

/// Exit status 1 if it does not hold, 2 if the program could not look.
pub fn run(name: &str, program: impl AsyncFnOnce(&[&str]) -> Result<bool, Failure>) -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Runtime::new().expect("no runtime");
    match runtime.block_on(program(&arguments)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::from(2)
        }
    }
}
