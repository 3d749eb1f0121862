//! Prints what each workload costs each subject.

use std::env;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use dynaphore_benches::options::{Command, Options, USAGE, parse};
use dynaphore_benches::results::Place;
use dynaphore_benches::session;

fn main() -> ExitCode {
    let options = match parse(env::args_os().skip(1)) {
        Ok(Command::Run(options)) => options,
        Ok(Command::Help) => {
            // Nothing is left to do when nobody reads the help.
            let _ = writeln!(io::stdout(), "{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(complaint) => {
            let _ = writeln!(io::stderr(), "compare: {complaint}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read it has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "compare: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> io::Result<()> {
    // Before it begins, for the load that others put on the machine.
    let arguments: Vec<String> = env::args().skip(1).collect();
    let place = Place::here(&arguments);
    let results = session::run(options, io::stdout().lock())?;
    if options.report {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs"));
        session::write(&place, &results, folder)?;
        eprintln!("compare: wrote {}", folder.join("RESULTS.md").display());
    }
    Ok(())
}
