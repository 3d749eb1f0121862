//! How long it takes to render a keyed semaphore of 10,000 keys that are in use, in 8 classes
//! and where each key is a class of its own:
//!
//! ```sh
//! cargo run --release -p dynaphore-metrics --example render
//! ```

use std::{
    error::Error,
    hint::black_box,
    io::{self, Write as _},
    sync::Arc,
    time::Instant,
};

use dynaphore::KeyedSemaphore;
use dynaphore_metrics::Registry;

const KEYS: usize = 10_000;
const ROUNDS: usize = 101;

fn main() -> Result<(), Box<dyn Error>> {
    for classes in [8, KEYS] {
        let hosts = Arc::new(KeyedSemaphore::<(usize, String)>::new(2));
        let _held: Vec<_> = (0..KEYS)
            .map(|number| (number, format!("{number}.example")))
            .map(|key| hosts.clone().try_acquire_owned(&key))
            .collect();
        let registry = Registry::new();
        registry.add_keyed("hosts", hosts.clone(), move |(number, _)| {
            format!("class {}", number % classes)
        })?;
        let mut millis: Vec<_> = (0..ROUNDS)
            .map(|_| {
                let start = Instant::now();
                black_box(registry.render());
                start.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        millis.sort_by(f64::total_cmp);
        let said = writeln!(
            io::stdout(),
            "{KEYS} keys in {classes} classes: {:.2} ms, the shortest {:.2} ms",
            millis[ROUNDS / 2],
            millis[0],
        );
        match said {
            // Whoever closes that has seen what he wanted.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            said => said?,
        }
    }
    Ok(())
}
