//! Where and when it was measured.

use std::fs;
use std::thread;

use jiff::Timestamp;

use super::lock;

/// What the figures depend on besides the code: the name of each thing, and what it is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place(pub Vec<(&'static str, String)>);

impl Place {
    /// Here and now, with these arguments to `compare`.
    pub fn here(arguments: &[String]) -> Self {
        let parking_lot = cfg!(feature = "tokio-parking-lot");
        let system = system(
            &read("/etc/os-release"),
            &read("/proc/sys/kernel/osrelease"),
        );
        let packages = lock::PACKAGES.iter().map(|package| {
            let versions = lock::versions(lock::LOCK, package);
            format!("{package} {}", versions.join(", "))
        });
        let cores = thread::available_parallelism().map_or(0, usize::from);
        let locks = if parking_lot {
            "parking_lot's"
        } else {
            "std's"
        };
        let date = Timestamp::now().strftime("%Y-%m-%d %H:%M UTC");
        Self(vec![
            ("date", date.to_string()),
            ("processor", processor(&read("/proc/cpuinfo"))),
            ("cores", cores.to_string()),
            ("system", system),
            ("load average before", load(&read("/proc/loadavg"))),
            ("compiler", env!("COMPILER").to_owned()),
            ("versions", packages.collect::<Vec<_>>().join(", ")),
            ("tokio's locks", locks.to_owned()),
            ("command", format!("`{}`", command(parking_lot, arguments))),
        ])
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

#[cfg(test)]
mod tests {
    use super::*;

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
