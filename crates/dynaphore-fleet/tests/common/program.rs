//! A program that looks whether something holds: its arguments are words, and its exit status
//! says how it went.

use std::{
    env,
    error::Error,
    io::{self, Write as _},
    process::ExitCode,
};

use tokio::{
    runtime::Builder,
    select,
    signal::{
        ctrl_c,
        unix::{SignalKind, signal},
    },
};

pub type Failure = Box<dyn Error + Send + Sync>;

/// Exit status 1 if it does not hold, 2 if the program could not look.
pub fn run(
    name: &str,
    mut runtime: Builder,
    program: impl AsyncFnOnce(&[&str]) -> Result<bool, Failure>,
) -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let runtime = runtime.enable_all().build().expect("no runtime");
    let ended = runtime.block_on(async {
        let mut terminated = signal(SignalKind::terminate())?;
        // What it has started ends as the program is dropped.
        select! {
            ended = program(&arguments) => ended,
            _ = terminated.recv() => Err("terminated".into()),
            _ = ctrl_c() => Err("interrupted".into()),
        }
    });
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{name}: {error}");
            ExitCode::from(2)
        }
    }
}
