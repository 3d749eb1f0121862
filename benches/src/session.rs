//! One run of `compare`: what was selected, one after the other.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::measure::{self, Plan};
use crate::options::Options;
use crate::plot;
use crate::report::Report;
use crate::results::{self, Place, Results};
use crate::{growth, jobs, keys, overload, sweep, timeouts, waits};

/// What `--quick` may take; the rest of its 40 seconds is for what cannot be
/// cut short.
const QUICK_BUDGET: Duration = Duration::from_secs(26);

/// Measures what was selected and prints each part as soon as it is known.
pub fn run(options: &Options, out: impl Write) -> io::Result<Results> {
    let plan = if options.quick {
        Plan::QUICK
    } else {
        Plan::FULL
    };
    let mut report = Report::new(out, options.format);
    let mut results = Results::default();

    let (workloads, sweeps) = (options.workloads(), options.sweeps());
    let mut budget = Budget {
        end: options.quick.then(|| Instant::now() + QUICK_BUDGET),
        left: (workloads.len() + sweeps.len()) as u32,
    };
    for (workload, entries) in workloads {
        let plan = plan.slower(workload.slices);
        let outcomes = measure::compare(&entries, plan, budget.next());
        let lines = outcomes.iter();
        report.section(lines.map(|outcome| (workload.name, *outcome)))?;
        results.workloads.push((workload.name, outcomes));
    }
    report.section(results.growth())?;

    results.waits = waits::measure(&options.waits(), plan);
    report.section(results.waits.iter().cloned())?;

    results.timeouts = timeouts::measure(&options.timeouts(), plan);
    report.section(results.timeouts.iter().cloned())?;

    if options.line_growth() {
        results.line_growth = growth::measure(plan.growth);
    }
    report.section(results.line_growth.iter().cloned())?;

    results.overload = overload::measure(&options.overload(), plan.overload);
    report.section(results.overload.iter().copied())?;

    results.keys = keys::measure(&options.keys(), plan);
    report.section(results.keys.iter().cloned())?;
    for (workload, entries) in options.jobs() {
        let outcomes = jobs::measure(workload, &entries, plan);
        report.section(outcomes.iter().copied())?;
        results.jobs.extend(outcomes);
    }

    for sweep in sweeps {
        let selects = |name: &str| options.selects_subject(name);
        let outcomes = sweep::measure(sweep, plan, budget.next(), selects);
        let lines = outcomes.iter();
        report.section(lines.map(|outcome| (sweep.name, *outcome)))?;
        results.sweeps.push((sweep, outcomes));
    }

    results.sizes = options.sizes();
    report.section(results.sizes.iter().cloned())?;
    Ok(results)
}

/// Writes `RESULTS.md` and the plots below `folder`.
pub fn write(place: &Place, results: &Results, folder: &Path) -> io::Result<()> {
    let plots = plot::all(results);
    let pictures = folder.join("plots");
    fs::create_dir_all(&pictures)?;
    for plot in &plots {
        fs::write(pictures.join(plot.file), &plot.svg)?;
    }
    let document = results::document(place, results, &plots);
    fs::write(folder.join("RESULTS.md"), document)
}

/// The time for what can be cut short.
struct Budget {
    end: Option<Instant>,
    /// How many are to share what is left.
    left: u32,
}

impl Budget {
    /// Until when the next one may begin a round.
    fn next(&mut self) -> Option<Instant> {
        let left = self.left;
        self.left -= 1;
        self.end.map(|end| measure::share_of_time(end, left))
    }
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::process;

    use super::*;
    use crate::options::{Command, parse};

    #[test]
    fn a_small_report() {
        let arguments = ["--quick", "--report", "--only=size", "--only=waits"];
        let Ok(Command::Run(options)) = parse(arguments) else {
            panic!("{arguments:?} are refused");
        };
        let mut out = Vec::new();
        let results = run(&options, &mut out).expect("in memory");
        assert!(!out.is_empty());

        let folder = env::temp_dir().join(format!("dynaphore-report-{}", process::id()));
        let place = Place::here(&arguments.map(str::to_owned));
        write(&place, &results, &folder).expect("a folder to write to");
        let text = fs::read_to_string(folder.join("RESULTS.md")).expect("it was written");
        assert!(text.contains("(plots/waits.svg)"), "{text}");
        assert!(folder.join("plots/waits.svg").exists());
        fs::remove_dir_all(folder).expect("it is ours");
    }
}
