//! Compares the controllers in the simulator. With `--report` it writes
//! `RESULTS.md` and its plots, without it prints the former.

use std::{
    env, fs,
    io::{self, Write as _},
    path::Path,
};

use dynaphore_adaptive::sim;

fn main() -> io::Result<()> {
    let write = match env::args().nth(1).as_deref() {
        None => false,
        Some("--report") => true,
        Some(other) => {
            eprintln!("unknown argument `{other}`\nusage: simulate [--report]");
            std::process::exit(2);
        }
    };
    let report = sim::report();
    if !write {
        // Whoever closes the output has seen what he wanted.
        return match io::stdout().write_all(report.results.as_bytes()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            printed => printed,
        };
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::create_dir_all(here.join("plots"))?;
    fs::write(here.join("RESULTS.md"), report.results)?;
    for (name, plot) in report.plots {
        fs::write(here.join("plots").join(name), plot)?;
    }
    Ok(())
}
