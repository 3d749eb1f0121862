//! A member: a process of this program.

use std::{
    env, fs, io,
    path::Path,
    process::{Child, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use dynaphore_fleet::{Fleet, Options, Redis};
use tokio::time::sleep;

use super::{LEASE, LONG_HOLD, MAX, held::Held, probe, probe::Teller, program::Failure, way::Way};

/// So many that two members could use all permits.
const TASKS: usize = 40;
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
/// The clocks of the first members: what they are off by, and whether only the clock of the day
/// is.
const CLOCKS: [(&str, bool); 4] = [
    ("+10m", true),
    ("+0 x1.05", false),
    ("-10m", true),
    ("+0 x0.95", false),
];

/// Whether clocks can be made wrong.
pub fn clocks() -> bool {
    Path::new(FAKETIME).exists()
}

/// A process that ends with this.
pub struct Process(Child);

impl Process {
    /// Starts it, and listens to it as `number`.
    pub fn start(
        index: usize,
        number: u64,
        way: &Way,
        fleet: &str,
        grace: Duration,
        held: &Arc<Mutex<Held>>,
    ) -> Result<Self, Failure> {
        let grace = grace.as_millis().to_string();
        let mut command = way.command(&env::current_exe()?);
        command.args(["--member", way.store(), fleet, &grace]);
        if let Some((clock, of_day)) = CLOCKS.get(index).filter(|_| clocks()) {
            command.env("LD_PRELOAD", FAKETIME).env("FAKETIME", clock);
            if *of_day {
                command.env("DONT_FAKE_MONOTONIC", "1");
            }
        }
        held.lock().unwrap().expect(number);
        let (end, listener) = probe::pair()?;
        // It is killed, so what it says then is of no use.
        let child = command.stdin(end).stderr(Stdio::null()).spawn()?;
        let held = Arc::clone(held);
        tokio::spawn(async move {
            let hear = |what, fence| held.lock().unwrap().hear(number, what, fence);
            listener.listen(hear).await;
            held.lock().unwrap().forget(number);
        });
        Ok(Self(child))
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
        // What libfaketime leaves behind when it is killed.
        for file in ["faketime_shm_", "sem.faketime_sem_"] {
            let _ = fs::remove_file(format!("/dev/shm/{file}{}", self.0.id()));
        }
    }
}

/// Joins, however often it takes.
pub async fn joined(store: &str, fleet: &str, grace: Duration) -> Result<Fleet, Failure> {
    loop {
        let options = Options::new(MAX).lease(LEASE).grace(grace);
        match Fleet::join(Redis::new(store)?, fleet, options).await {
            Ok(fleet) => return Ok(fleet),
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Works until it is killed.
pub async fn work(store: &str, fleet: &str, grace: Duration) -> Result<(), Failure> {
    let fleet = Arc::new(joined(store, fleet, grace).await?);
    let teller = Arc::new(Teller::inherited()?);
    for task in 0..TASKS {
        let (fleet, teller) = (Arc::clone(&fleet), Arc::clone(&teller));
        let hold = match task % 4 {
            0 => LONG_HOLD,
            _ => LONG_HOLD / 10,
        };
        tokio::spawn(async move {
            while let Ok(permit) = fleet.semaphore().acquire().await {
                // Counted after it is taken, and out of the count before it is back.
                teller.tell(b'+', || fleet.fence()).await?;
                sleep(hold).await;
                teller.tell(b'-', || fleet.fence()).await?;
                drop(permit);
            }
            Ok::<(), io::Error>(())
        });
    }
    // It runs.
    loop {
        teller.tell(b'.', || fleet.fence()).await?;
        sleep(Duration::from_millis(20)).await;
    }
}
