//! The command line.

use std::num::NonZero;
use std::path::PathBuf;
use std::thread;

use dynaphore::Semaphore;
use lexopt::prelude::*;

pub const USAGE: &str = "\
Usage: checksum [OPTIONS] [--] [DIR]

Prints the SHA-256 of every regular file under DIR (default: .), sorted by
path, in the format that `sha256sum -c` reads.

Options:
  --max N         open at most N files at once (default: eight times the number
                  of cores)
  --workers N     threads that walk and hash (default: four times the number of
                  cores, at most 256); those without a file to hash do not wait
                  for one
  --resize LIST   change the max while running: '2@25%,16@60%' makes it 2 once a
                  quarter of the bytes are done, and 16 once 60 % are. Each max
                  is at least 1: at 0 nothing would move, and so nothing would
                  reach the next percentage.
  -h, --help      print this and exit

On standard error: a line for each file that could not be read, and at the end
one with files, bytes, seconds and, for each max that was in force, the highest
active seen under it once it had settled ('none': it did not settle in time).

Exit status: 0 all is well, 1 something could not be read or written,
2 bad arguments, 3 active was granted above max.
";

/// What the command line asks for.
pub enum Request {
    Run(Options),
    Help,
}

pub struct Options {
    pub dir: PathBuf,
    /// Files open at once, until the first resize.
    pub max: usize,
    pub workers: usize,
    /// By percentage; those with the same one in the order given.
    pub resizes: Vec<Resize>,
}

/// The max becomes `max` when `percent` of the bytes are done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Resize {
    pub max: usize,
    /// From 0 to 100.
    pub percent: f64,
}

/// Reads the command line of this process.
pub fn parse() -> Result<Request, lexopt::Error> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let mut dir = None;
    // Small files wait for the disk and the system more than for a core: measured in
    // `docs/RESULTS.md`.
    let mut max = cores.saturating_mul(8).min(Semaphore::MAX_PERMITS);
    let mut workers = cores.saturating_mul(4);
    let mut resizes = Vec::new();

    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("max") => max = option(&mut arguments, "--max", parse_max)?,
            Long("workers") => workers = option(&mut arguments, "--workers", parse_count)?,
            Long("resize") => {
                resizes.extend(option(&mut arguments, "--resize", parse_resizes)?);
            }
            Short('h') | Long("help") => return Ok(Request::Help),
            Value(value) if dir.is_none() => dir = Some(PathBuf::from(value)),
            _ => return Err(argument.unexpected()),
        }
    }

    // Stable, so that those with equal percentages stay as given.
    resizes.sort_by(|a: &Resize, b| a.percent.total_cmp(&b.percent));
    Ok(Request::Run(Options {
        dir: dir.unwrap_or_else(|| PathBuf::from(".")),
        max,
        workers,
        resizes,
    }))
}

/// The value of the option `name`, with the name in what is said about a bad one.
fn option<T>(
    arguments: &mut lexopt::Parser,
    name: &str,
    parse: fn(&str) -> Result<T, String>,
) -> Result<T, lexopt::Error> {
    let value = arguments.value()?.string()?;
    parse(&value).map_err(|reason| format!("{name} '{value}': {reason}").into())
}

fn parse_resizes(list: &str) -> Result<Vec<Resize>, String> {
    list.split(',')
        .map(|item| parse_resize(item.trim()))
        .collect()
}

fn parse_resize(item: &str) -> Result<Resize, String> {
    let (max, percent) = item
        .strip_suffix('%')
        .and_then(|item| item.split_once('@'))
        .ok_or_else(|| format!("'{item}' is not of the form MAX@PERCENT%"))?;
    Ok(Resize {
        max: parse_max(max)?,
        percent: parse_percent(percent)?,
    })
}

fn parse_max(max: &str) -> Result<usize, String> {
    let count = parse_count(max)?;
    if count > Semaphore::MAX_PERMITS {
        return Err(format!("a max is at most {}", Semaphore::MAX_PERMITS));
    }
    Ok(count)
}

fn parse_count(count: &str) -> Result<usize, String> {
    match count.parse() {
        Ok(0) => Err("must be at least 1, or nothing would ever be read".to_owned()),
        Ok(count) => Ok(count),
        Err(error) => Err(format!("'{count}' is not a count: {error}")),
    }
}

fn parse_percent(percent: &str) -> Result<f64, String> {
    // Digits only: `f64` would take signs, exponents and `nan` too.
    let plain = percent
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    match percent.parse() {
        Ok(value) if plain && (0.0..=100.0).contains(&value) => Ok(value),
        _ => Err(format!("'{percent}' is not a percentage from 0 to 100")),
    }
}
