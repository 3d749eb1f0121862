//! A real server that finds its max, against twelve static ones.
//!
//! A hyper server whose handler burns two milliseconds of CPU, and an open loop that
//! asks half of what it can serve, then one and a half of it, three times as much, as
//! much while another process takes a core, and as much without it.
//!
//! ```sh
//! cargo run --release -p dynaphore-adaptive --example adaptive
//! ```
//!
//! In a terminal it draws max while it runs, until Ctrl-C or `q`; in the end it prints a table. `--short`
//! takes some seconds and fails on what is wrong on any machine: a hang, an error, more
//! requests served at once than max. `--seconds N` is the length of a phase, `--file F`
//! keeps figures in a file, so that `--runs adaptive,4,8` may do a part at a time.

mod load;
mod plot;
mod server;
mod table;

use std::{
    env, fs,
    io::{self, Write as _},
    process::{Child, Command, ExitCode},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use dynaphore::Semaphore;
use dynaphore_adaptive::{Adaptive, Fixed, Gradient};

use self::{
    plot::Plot,
    table::{ADAPTIVE, Figures, Runs},
};

type Error = Box<dyn std::error::Error + Send + Sync>;

const LIMITS: [u32; 12] = [1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 24, 32];
/// Where the adaptive one begins.
const FIRST: usize = 10;
/// The load of each phase, in parts of the capacity.
const LOADS: [f64; 5] = [0.5, 1.5, 3.0, 1.0, 1.0];
const PHASES: [&str; 5] = ["0.5", "1.5", "3", "1, a core is taken", "1"];
const TAKEN: usize = 3;

struct Options {
    short: bool,
    /// Of a phase.
    seconds: f64,
    runs: Vec<String>,
    file: Option<String>,
}

impl Options {
    fn read() -> Result<Self, String> {
        let all = LIMITS.iter().map(u32::to_string);
        let mut options = Self {
            short: false,
            seconds: 20.0,
            runs: [ADAPTIVE.to_owned()].into_iter().chain(all).collect(),
            file: None,
        };
        let mut args = env::args().skip(1);
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("`{arg}` needs a value"));
            match arg.as_str() {
                "--short" => {
                    options.short = true;
                    options.seconds = 0.3;
                    options.runs = [ADAPTIVE, "2", "16"].map(str::to_owned).to_vec();
                }
                "--seconds" => {
                    options.seconds = value()?.parse().map_err(|_| "`--seconds`: no number")?;
                    if !(0.1..=3600.0).contains(&options.seconds) {
                        return Err("`--seconds` must be in 0.1 to 3600".to_owned());
                    }
                }
                "--runs" => {
                    options.runs = value()?.split(',').map(str::to_owned).collect();
                    let known = |run: &String| {
                        run == ADAPTIVE
                            || run.parse().is_ok_and(|limit: u32| {
                                (1..=Semaphore::MAX_PERMITS as u32).contains(&limit)
                            })
                    };
                    if let Some(run) = options.runs.iter().find(|run| !known(run)) {
                        return Err(format!(
                            "`--runs`: `{run}` is neither a max nor `{ADAPTIVE}`"
                        ));
                    }
                }
                "--file" => options.file = Some(value()?),
                _ => return Err(format!("unknown argument `{arg}`")),
            }
        }
        Ok(options)
    }
}

fn main() -> ExitCode {
    // The other process, which takes a core until it is killed, or for a minute more
    // than it could be wanted for.
    if let Some("--take-a-core") = env::args().nth(1).as_deref() {
        let seconds = env::args().nth(2).and_then(|seconds| seconds.parse().ok());
        let until = Instant::now() + Duration::from_secs(seconds.unwrap_or(1));
        while Instant::now() < until {}
        return ExitCode::SUCCESS;
    }
    let options = match Options::read() {
        Ok(options) => options,
        Err(error) => {
            let _ = writeln!(
                io::stderr(),
                "{error}\nusage: adaptive [--short] [--seconds N] [--runs adaptive,1,2,..] [--file F]"
            );
            return ExitCode::from(2);
        }
    };
    #[cfg(unix)]
    raise_descriptors();
    watch(&options);
    match measure(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Each connection is two descriptors here: takes as many as it may.
#[cfg(unix)]
fn raise_descriptors() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // With fewer it may do as well.
    let _ = setrlimit(Resource::Nofile, limit);
}

/// Ends the process when it takes far longer than it can.
fn watch(options: &Options) {
    let whole = options.seconds * LOADS.len() as f64 * options.runs.len() as f64;
    let limit = Duration::from_secs_f64(3.0 * whole + 90.0);
    thread::spawn(move || {
        thread::sleep(limit);
        plot::restore();
        let _ = writeln!(io::stderr(), "error: it hangs: {limit:?} have passed");
        std::process::exit(1);
    });
}

/// Figures of before: the capacity, the calm p99, and runs.
struct Kept {
    capacity: f64,
    calm_p99: f64,
    runs: Runs,
}

fn measure(options: &Options) -> Result<(), Error> {
    let rounds = server::calibrate();
    let mut kept = match options.file.as_ref().map(fs::read_to_string) {
        Some(Ok(text)) => read(&text).ok_or("the file is not one of ours")?,
        Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => {
            return Err(format!("the file: {error}").into());
        }
        _ => begin(options, rounds)?,
    };
    // Also to find out now whether that can be done.
    keep(options, &kept)?;
    say(&format!(
        "capacity {:.0} requests/s, p99 with a tenth of that {:.1} ms, {} s a phase\n",
        kept.capacity, kept.calm_p99, options.seconds
    ))?;
    for run in &options.runs {
        let figures = one_run(options, run, rounds, kept.capacity)?;
        kept.runs.insert(run.clone(), figures);
        keep(options, &kept)?;
    }
    say(&table::table(&PHASES, &kept.runs, kept.calm_p99))
}

/// Writes to standard output. Whoever closes that has seen what he wanted.
fn say(text: &str) -> Result<(), Error> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("standard output: {error}").into())
        }
        _ => Ok(()),
    }
}

fn keep(options: &Options, kept: &Kept) -> Result<(), Error> {
    if let Some(file) = &options.file {
        fs::write(file, write(kept)).map_err(|error| format!("{file}: {error}"))?;
    }
    Ok(())
}

/// How much can be served, and how quickly where next to nothing is asked.
fn begin(options: &Options, rounds: u64) -> Result<Kept, Error> {
    let length = Duration::from_secs_f64((options.seconds / 2.0).min(5.0));
    let adaptive = Adaptive::new(Arc::new(Semaphore::new(4)), Fixed);
    let server = server::start(adaptive, rounds);
    let capacity = load::closed_loop(server.address, 4, length)?;
    if capacity < 1.0 {
        return Err("nothing is served".into());
    }
    let answers = load::run(server.address, &[(0.1 * capacity, length)])?;
    let calm = table::figures(&answers, Duration::ZERO, length, 4.0);
    Ok(Kept {
        capacity,
        calm_p99: calm.p99,
        runs: Runs::new(),
    })
}

struct Taken(Child);

impl Drop for Taken {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn one_run(
    options: &Options,
    run: &str,
    rounds: u64,
    capacity: f64,
) -> Result<Vec<Figures>, Error> {
    let limit: Option<u32> = run.parse().ok();
    let semaphore = Arc::new(Semaphore::new(limit.map_or(FIRST, |limit| limit as usize)));
    let adaptive = match limit {
        Some(_) => Adaptive::new(semaphore.clone(), Fixed),
        None => Adaptive::new(semaphore.clone(), Gradient::default()),
    };
    let server = server::start(adaptive.clone(), rounds);
    let phase = Duration::from_secs_f64(options.seconds);
    let stretches = LOADS.map(|load| (load * capacity, phase));
    let begins = |number: usize| phase * number as u32;

    let address = server.address;
    let ended = Arc::new(AtomicBool::new(false));
    let end = ended.clone();
    let asks = thread::spawn(move || {
        let answers = load::run(address, &stretches);
        end.store(true, SeqCst);
        answers
    });

    let began = Instant::now();
    let mut plot = Plot::new(options.seconds * LOADS.len() as f64);
    let (mut max, mut active) = (Vec::new(), Vec::new());
    let mut taken = None;
    while !ended.load(SeqCst) {
        let now = began.elapsed();
        let takes = (begins(TAKEN)..begins(TAKEN + 1)).contains(&now);
        if takes && taken.is_none() {
            let seconds = (options.seconds.ceil() as u64 + 60).to_string();
            let other = Command::new(env::current_exe()?)
                .args(["--take-a-core", &seconds])
                .spawn()?;
            taken = Some(Taken(other));
        } else if !takes {
            taken = None;
        }
        let snapshot = semaphore.snapshot();
        max.push((now.as_secs_f64(), snapshot.max as f64));
        active.push((now.as_secs_f64(), snapshot.active as f64));
        if let Some(plot) = &mut plot {
            let title = format!(" {run}: max {} ", snapshot.max);
            plot.draw(&title, &max, &active);
            if plot::is_left() {
                return Err("interrupted".into());
            }
        }
        thread::sleep(Duration::from_millis(50));
    }
    drop((plot, taken));
    let answers = asks.join().expect("the load does not panic")?;

    let highest_max = max.iter().map(|point| point.1).fold(0.0, f64::max) as u32;
    let highest = server.highest.load(SeqCst);
    if let Some(limit) = limit
        && highest > limit
    {
        return Err(format!("max {limit}, but {highest} were served at once").into());
    }
    if semaphore.active() != 0 {
        return Err(format!("{} permits have not come back", semaphore.active()).into());
    }
    if let Some(panicked) = adaptive.panicked() {
        return Err(panicked.into());
    }
    if !answers.iter().any(|answer| answer.served) {
        return Err(format!("nothing is served with {run}, of max up to {highest_max}").into());
    }

    let settle = Duration::from_secs_f64(2.0_f64.min(options.seconds / 3.0));
    let figures = (0..LOADS.len()).map(|number| {
        let (from, to) = (begins(number) + settle, begins(number + 1));
        let phase = from.as_secs_f64()..to.as_secs_f64();
        let within = max.iter().filter(|(at, _)| phase.contains(at));
        let within: Vec<f64> = within.map(|&(_, max)| max).collect();
        let mean = within.iter().sum::<f64>() / within.len().max(1) as f64;
        table::figures(&answers, from, to, mean)
    });
    Ok(figures.collect())
}

/// A line for the capacity and the calm p99, and one for each run.
fn write(kept: &Kept) -> String {
    let mut text = format!("{} {}\n", kept.capacity, kept.calm_p99);
    for (run, phases) in &kept.runs {
        text.push_str(run);
        for figures in phases {
            let Figures {
                load,
                goodput,
                p99,
                max,
            } = figures;
            text.push_str(&format!(" {load} {goodput} {p99} {max}"));
        }
        text.push('\n');
    }
    text
}

fn read(text: &str) -> Option<Kept> {
    let mut lines = text.lines();
    let (capacity, calm_p99) = lines.next()?.split_once(' ')?;
    let mut runs = Runs::new();
    for line in lines {
        let (run, figures) = line.split_once(' ')?;
        let figures: Vec<f64> = figures
            .split(' ')
            .map(str::parse)
            .collect::<Result<_, _>>()
            .ok()?;
        let phases = figures.chunks_exact(4).map(|of| Figures {
            load: of[0],
            goodput: of[1],
            p99: of[2],
            max: of[3],
        });
        runs.insert(run.to_owned(), phases.collect());
    }
    Some(Kept {
        capacity: capacity.parse().ok()?,
        calm_p99: calm_p99.parse().ok()?,
        runs,
    })
}
