//! Prints what each workload costs each subject.

use std::env;
use std::io;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use dynaphore_benches::measure::{Plan, compare};
use dynaphore_benches::options::{Command, Options, USAGE, parse};
use dynaphore_benches::report::Report;

/// What `--quick` may take; the rest of its 40 seconds is for what cannot be
/// cut short.
const QUICK_BUDGET: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let options = match parse(env::args_os().skip(1)) {
        Ok(Command::Run(options)) => options,
        Ok(Command::Help) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(complaint) => {
            eprintln!("compare: {complaint}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read it has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("compare: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> io::Result<()> {
    let plan = if options.quick {
        Plan::QUICK
    } else {
        Plan::FULL
    };
    let end = options.quick.then(|| Instant::now() + QUICK_BUDGET);
    let mut report = Report::new(io::stdout().lock(), options.format);

    let workloads = options.workloads();
    for (done, (workload, entries)) in workloads.iter().enumerate() {
        // An equal share of the time that is left for each that is left.
        let left = (workloads.len() - done) as u32;
        let until = end.map(|end| {
            let now = Instant::now();
            now + end.saturating_duration_since(now) / left
        });
        let outcomes = compare(entries, plan.slower(workload.slices), until);
        report.workload(workload.name, &outcomes)?;
    }
    let sizes = options.sizes();
    if !sizes.is_empty() {
        report.sizes(&sizes)?;
    }
    Ok(())
}
