//! The command line of `compare`.

use std::collections::BTreeSet;
use std::ffi::OsString;

use lexopt::prelude::*;

use crate::measure::{Entry, Prepare};
use crate::report::Format;
use crate::subject::{SIZE, SIZES, Size};
use crate::sweep::{self, Sweep};
use crate::workload::{self, Workload};
use crate::{growth, jobs, keys, overload, timeouts, waits};

/// The workload under whose load single waits are measured.
const WAITS_OF: &str = "blocking_8t";

/// Printed for `--help` and with every complaint.
pub const USAGE: &str = "\
usage: compare [--quick] [--json] [--report] [--only WORKLOAD]... [--subject NAME]...

  --quick           fewer and shorter rounds and a tenth of the time-outs, done
                    within 40 seconds
  --json            one JSON object a line instead of a table
  --report          also write docs/RESULTS.md and docs/plots/; runs the
                    sweeps `threads` and `permits` too
  --only WORKLOAD   only this workload, or `waits` (also with `blocking_8t`),
                    `timeouts`, `line_growth`, `overload`, `keys`, a `rayon_` one, `threads`,
                    `permits` or `size`; may be repeated
  --subject NAME    only this subject; may be repeated
  -h, --help        this text";

/// What was asked for.
#[derive(Debug)]
pub struct Options {
    /// Fewer and shorter rounds.
    pub quick: bool,
    /// How to print.
    pub format: Format,
    /// Whether to write the report and its plots.
    pub report: bool,
    only: BTreeSet<String>,
    subjects: BTreeSet<String>,
}

/// What to do.
#[derive(Debug)]
pub enum Command {
    /// Measure.
    Run(Options),
    /// Print the usage.
    Help,
}

/// Reads the arguments (without the program's name).
///
/// # Errors
///
/// Says what is wrong with them; a name that does not exist is answered with
/// those that do.
pub fn parse<I>(args: I) -> Result<Command, String>
where
    I: IntoIterator<Item: Into<OsString>>,
{
    parse_args(lexopt::Parser::from_args(args)).map_err(|error| error.to_string())
}

fn parse_args(mut parser: lexopt::Parser) -> Result<Command, lexopt::Error> {
    let mut options = Options {
        quick: false,
        format: Format::Table,
        report: false,
        only: BTreeSet::new(),
        subjects: BTreeSet::new(),
    };
    while let Some(argument) = parser.next()? {
        match argument {
            Long("quick") => options.quick = true,
            Long("json") => options.format = Format::Json,
            Long("report") => options.report = true,
            Long("only") => {
                let name = parser.value()?.string()?;
                options
                    .only
                    .insert(known("workload", name, workload_names())?);
            }
            Long("subject") => {
                let name = parser.value()?.string()?;
                options
                    .subjects
                    .insert(known("subject", name, subject_names())?);
            }
            Short('h') | Long("help") => return Ok(Command::Help),
            other => return Err(other.unexpected()),
        }
    }
    if options.is_empty() {
        return Err("no selected subject takes part in a selected workload".into());
    }
    Ok(Command::Run(options))
}

impl Options {
    /// The selected workloads with those selected subjects that take part,
    /// leaving out workloads with none.
    pub fn workloads(&self) -> Vec<(&'static Workload, Vec<&'static Prepare>)> {
        self.selected(workload::ALL, |workload| (workload.name, workload.entries))
    }

    /// The same of rayon jobs.
    pub fn jobs(&self) -> Vec<(&'static jobs::Workload, Vec<&'static jobs::Entry>)> {
        self.selected(jobs::ALL, |workload| (workload.name, workload.entries))
    }

    fn selected<W, R>(
        &self,
        all: &'static [W],
        about: fn(&'static W) -> (&'static str, &'static [Entry<R>]),
    ) -> Vec<(&'static W, Vec<&'static Entry<R>>)> {
        all.iter()
            .map(|workload| {
                let (name, entries) = about(workload);
                (workload, self.entries(&[name], entries))
            })
            .filter(|(_, entries)| !entries.is_empty())
            .collect()
    }

    /// The selected subjects, if one of the workloads `names` is selected.
    fn entries<R>(&self, names: &[&str], all: &'static [Entry<R>]) -> Vec<&'static Entry<R>> {
        let is_selected = names.iter().any(|name| self.selects_workload(name));
        let entries = all.iter().filter(|_| is_selected);
        entries
            .filter(|entry| self.selects_subject(entry.subject))
            .collect()
    }

    /// The sizes of the selected subjects; none if only workloads are selected.
    pub fn sizes(&self) -> Vec<Size> {
        if !self.selects_workload(SIZE) {
            return Vec::new();
        }
        let sizes = SIZES.iter().map(|size| size());
        sizes
            .filter(|size| self.selects_subject(size.subject))
            .collect()
    }

    /// Whose single waits to measure; with `blocking_8t`, whose load they are
    /// under, as well.
    pub fn waits(&self) -> Vec<&'static waits::Entry> {
        self.entries(&[waits::NAME, WAITS_OF], waits::ALL)
    }

    /// Whose acquires to give up.
    pub fn timeouts(&self) -> Vec<&'static timeouts::Entry> {
        self.entries(&[timeouts::NAME], timeouts::ALL)
    }

    /// Whether to measure what many waiters at once cost dynaphore.
    pub fn line_growth(&self) -> bool {
        self.selects_workload(growth::NAME) && self.selects_subject("dynaphore")
    }

    /// Which lines to overload.
    pub fn overload(&self) -> Vec<&'static overload::Entry> {
        self.entries(&[overload::NAME], overload::ALL)
    }

    /// Whose keys to let come and go.
    pub fn keys(&self) -> Vec<&'static keys::Entry> {
        self.entries(&[keys::NAME], keys::ALL)
    }

    /// The sweeps that were asked for by name; all with a report of everything.
    /// Leaves out those with no selected subject.
    pub fn sweeps(&self) -> Vec<&'static Sweep> {
        let named = |sweep: &&Sweep| {
            self.only.contains(sweep.name) || (self.report && self.only.is_empty())
        };
        let takes_part = |sweep: &&Sweep| {
            let mut entries = sweep.points.iter().flat_map(|point| point.entries);
            entries.any(|entry| self.selects_subject(entry.subject))
        };
        let sweeps = sweep::ALL.iter().filter(named);
        sweeps.filter(takes_part).collect()
    }

    /// Whether a subject was selected.
    pub fn selects_subject(&self, name: &str) -> bool {
        self.subjects.is_empty() || self.subjects.contains(name)
    }

    fn is_empty(&self) -> bool {
        self.workloads().is_empty()
            && self.waits().is_empty()
            && self.timeouts().is_empty()
            && !self.line_growth()
            && self.overload().is_empty()
            && self.keys().is_empty()
            && self.jobs().is_empty()
            && self.sweeps().is_empty()
            && self.sizes().is_empty()
    }

    fn selects_workload(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.contains(name)
    }
}

fn workload_names() -> Vec<&'static str> {
    let workloads = workload::ALL.iter().map(|workload| workload.name);
    let sweeps = sweep::ALL.iter().map(|sweep| sweep.name);
    workloads
        .chain([
            waits::NAME,
            timeouts::NAME,
            growth::NAME,
            overload::NAME,
            keys::NAME,
        ])
        .chain(jobs::ALL.iter().map(|workload| workload.name))
        .chain(sweeps)
        .chain([SIZE])
        .collect()
}

fn subject_names() -> Vec<&'static str> {
    let mut names: Vec<&str> = SIZES.iter().map(|size| size().subject).collect();
    // Those that have no semaphore to be measured.
    let entries = workload::ALL.iter().flat_map(|workload| workload.entries);
    let jobs = jobs::ALL.iter().flat_map(|workload| workload.entries);
    for subject in entries
        .map(|entry| entry.subject)
        .chain(jobs.map(|entry| entry.subject))
    {
        if !names.contains(&subject) {
            names.push(subject);
        }
    }
    names
}

fn known(what: &str, name: String, names: Vec<&str>) -> Result<String, String> {
    if names.contains(&name.as_str()) {
        Ok(name)
    } else {
        let names = names.join(", ");
        Err(format!("no {what} is called {name:?}; there are {names}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(args: &[&str]) -> Options {
        match parse(args) {
            Ok(Command::Run(options)) => options,
            other => panic!("{args:?} gave {other:?}"),
        }
    }

    fn complaint(args: &[&str]) -> String {
        parse(args).expect_err("a complaint")
    }

    #[test]
    fn everything_without_arguments() {
        let options = run(&[]);
        assert!(!options.quick);
        assert_eq!(options.format, Format::Table);
        assert_eq!(options.workloads().len(), workload::ALL.len());
        assert_eq!(options.sizes().len(), SIZES.len());
        assert_eq!(options.waits().len(), waits::ALL.len());
        assert_eq!(options.timeouts().len(), timeouts::ALL.len());
        assert_eq!(options.keys().len(), keys::ALL.len());
        assert_eq!(options.jobs().len(), jobs::ALL.len());
        assert!(options.sweeps().is_empty());
    }

    #[test]
    fn sweeps_run_with_a_report_or_by_name() {
        assert_eq!(run(&["--report"]).sweeps().len(), sweep::ALL.len());
        assert!(run(&["--report", "--only=try_1t"]).sweeps().is_empty());
        let options = run(&["--only", "permits"]);
        assert!(!options.report && options.workloads().is_empty());
        assert_eq!(options.sweeps()[0].name, "permits");
        complaint(&["--only", "permits", "--subject", "floor"]);
    }

    #[test]
    fn waits_come_with_their_load() {
        let options = run(&["--only", "blocking_8t", "--subject", "tokio"]);
        assert_eq!(options.waits().len(), 1);
        assert!(run(&["--only", "try_1t"]).waits().is_empty());
        assert!(run(&["--only", "waits"]).workloads().is_empty());
    }

    #[test]
    fn flags() {
        let options = run(&["--json", "--quick"]);
        assert!(options.quick);
        assert_eq!(options.format, Format::Json);
        assert!(matches!(parse(["--quick", "-h"]), Ok(Command::Help)));
    }

    #[test]
    fn selections_add_up() {
        let options = run(&["--only", "try_1t", "--only=weighted_mt", "--subject=tokio"]);
        let selected: Vec<_> = options
            .workloads()
            .iter()
            .map(|(workload, entries)| (workload.name, entries.len()))
            .collect();
        assert_eq!(selected, [("try_1t", 1), ("weighted_mt", 1)]);
        assert!(options.sizes().is_empty());

        let options = run(&["--subject", "floor", "--only", "size"]);
        assert!(options.workloads().is_empty());
        assert_eq!(options.sizes()[0].subject, "floor");
    }

    #[test]
    fn unknown_names_are_answered_with_the_known() {
        let text = complaint(&["--only", "try_3t"]);
        assert!(
            text.contains("\"try_3t\"") && text.contains("try_1t, async_1t"),
            "{text}"
        );
        let text = complaint(&["--subject", "go"]);
        assert!(
            text.contains("\"go\"") && text.contains("parking_lot_condvar"),
            "{text}"
        );
    }

    #[test]
    fn bad_arguments() {
        complaint(&["--fast"]);
        complaint(&["try_1t"]);
        complaint(&["--only"]);
        complaint(&["--quick=yes"]);
        let text = complaint(&["--only", "blocking_8t", "--subject", "floor"]);
        assert!(text.contains("takes part"), "{text}");
    }

    /// `--subject` chooses from those with a size, so all must be there.
    #[test]
    fn every_subject_has_a_size() {
        let names = subject_names();
        for entry in workload::ALL.iter().flat_map(|workload| workload.entries) {
            assert!(names.contains(&entry.subject), "{}", entry.subject);
        }
    }
}
