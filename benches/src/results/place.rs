//! Where and when it was measured.

use std::fs;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use super::lock;

/// What the figures depend on besides the code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// `2026-11-22 03:39 UTC`.
    pub date: String,
    /// The processor's name.
    pub processor: String,
    /// How many threads run at the same time.
    pub cores: usize,
    /// The system's name and that of its kernel.
    pub system: String,
    /// The load averages when it began, as in `/proc/loadavg`.
    pub load: String,
    /// The compiler.
    pub compiler: String,
    /// Packages with their versions.
    pub packages: Vec<(String, String)>,
    /// Which locks tokio was built with.
    pub tokio_locks: &'static str,
    /// The command line.
    pub command: String,
}

impl Place {
    /// Here and now, with these arguments to `compare`.
    pub fn here(arguments: &[String]) -> Self {
        let parking_lot = cfg!(feature = "tokio-parking-lot");
        Self {
            date: date(SystemTime::now()),
            processor: processor(&read("/proc/cpuinfo")),
            cores: thread::available_parallelism().map_or(0, usize::from),
            system: system(
                &read("/etc/os-release"),
                &read("/proc/sys/kernel/osrelease"),
            ),
            load: load(&read("/proc/loadavg")),
            compiler: env!("COMPILER").to_owned(),
            packages: lock::PACKAGES
                .iter()
                .map(|package| {
                    let versions = lock::versions(lock::LOCK, package);
                    ((*package).to_owned(), versions.join(", "))
                })
                .collect(),
            tokio_locks: if parking_lot {
                "parking_lot's"
            } else {
                "std's"
            },
            command: command(parking_lot, arguments),
        }
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

const UNKNOWN: &str = "unknown";

/// From `/proc/cpuinfo`.
fn processor(cpuinfo: &str) -> String {
    let mut lines = cpuinfo.lines();
    let name = lines.find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == "model name").then(|| value.trim())
    });
    name.unwrap_or(UNKNOWN).to_owned()
}

/// From `/etc/os-release` and the kernel's release.
fn system(os_release: &str, kernel: &str) -> String {
    let mut lines = os_release.lines();
    let name = lines.find_map(|line| line.strip_prefix("PRETTY_NAME="));
    let name = name.unwrap_or(UNKNOWN).trim_matches('"');
    let kernel = kernel.trim();
    let kernel = if kernel.is_empty() { UNKNOWN } else { kernel };
    format!("{name}, kernel {kernel}")
}

/// The first three fields of `/proc/loadavg`.
fn load(loadavg: &str) -> String {
    let fields: Vec<&str> = loadavg.split_whitespace().take(3).collect();
    if fields.is_empty() {
        UNKNOWN.to_owned()
    } else {
        fields.join(" ")
    }
}

fn command(parking_lot: bool, arguments: &[String]) -> String {
    let mut command = "cargo run --release -p dynaphore-benches --bin compare".to_owned();
    if parking_lot {
        command.push_str(" --features tokio-parking-lot");
    }
    if !arguments.is_empty() {
        command.push_str(" -- ");
        command.push_str(&arguments.join(" "));
    }
    command
}

fn date(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |t| t.as_secs());
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute) = (seconds / 3600 % 24, seconds / 60 % 60);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
}

/// The date so many days after the first of 1970, in the Gregorian calendar.
fn civil(days: u64) -> (u64, u64, u64) {
    // Count from the first of March of the year 0, so that the day that leap
    // years add is the last of a year; 400 of those years have 146,097 days.
    let days = days + 719_468;
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Five months from March on have 153 days, and so have the next five.
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = days / 146_097 * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(11_017), (2000, 3, 1));
        assert_eq!(civil(19_722), (2023, 12, 31));
        assert_eq!(civil(19_723), (2024, 1, 1));
        assert_eq!(civil(47_540), (2100, 2, 28));
        assert_eq!(civil(47_541), (2100, 3, 1));
        let time = UNIX_EPOCH + Duration::from_secs(1_795_318_746);
        assert_eq!(date(time), "2026-11-22 03:39 UTC");
    }

    #[test]
    fn what_proc_says() {
        let cpuinfo = "processor\t: 0\nmodel\t\t: 7\nmodel name\t: A CPU @ 2.0: x\nmodel name\t: B";
        assert_eq!(processor(cpuinfo), "A CPU @ 2.0: x");
        assert_eq!(processor(""), UNKNOWN);
        let os = "NAME=\"Debian\"\nPRETTY_NAME=\"Debian 12\"\n";
        assert_eq!(system(os, "6.1.0\n"), "Debian 12, kernel 6.1.0");
        assert_eq!(system("", ""), "unknown, kernel unknown");
        assert_eq!(load("1.50 0.25 0.10 2/300 4711\n"), "1.50 0.25 0.10");
        assert_eq!(load(""), UNKNOWN);
    }

    #[test]
    fn commands() {
        let bare = "cargo run --release -p dynaphore-benches --bin compare";
        assert_eq!(command(false, &[]), bare);
        assert_eq!(
            command(true, &["--quick".to_owned(), "--report".to_owned()]),
            format!("{bare} --features tokio-parking-lot -- --quick --report")
        );
    }
}
