//! The terminal: lines on both outputs, and a progress bar between them.

use std::io::{self, Write};

use dynaphore::Snapshot;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

pub struct Screen {
    /// Hidden when standard error is no terminal.
    bar: ProgressBar,
    files: usize,
}

impl Screen {
    pub fn new(bytes: u64, files: usize) -> Self {
        let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{bar:24} {bytes}/{total_bytes}, {msg}")
            .expect("the template is well formed");
        bar.set_style(style);
        Self { bar, files }
    }

    /// Draws the progress bar.
    pub fn progress(&self, files: usize, bytes: u64, snapshot: &Snapshot) {
        if self.bar.is_hidden() {
            return;
        }
        let Snapshot {
            active,
            max,
            waiting,
            ..
        } = snapshot;
        self.bar.set_message(format!(
            "{files}/{} files, {active}/{max} active, {waiting} waiting",
            self.files,
        ));
        self.bar.set_position(bytes);
    }

    /// Takes the progress bar away.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }

    /// Writes to standard output.
    pub fn output(&self, lines: &[u8]) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let written = self.bar.suspend(|| {
            let mut stdout = io::stdout().lock();
            stdout.write_all(lines)?;
            stdout.flush()
        });
        written.map_err(|error| io::Error::new(error.kind(), format!("standard output: {error}")))
    }

    /// Writes a line, given without its end, to standard error.
    pub fn line(&self, line: &(impl AsRef<[u8]> + ?Sized)) {
        // In one write, so that it stays a line when others write there too.
        let line = [line.as_ref(), b"\n"].concat();
        // When standard error fails there is nowhere to say so.
        let _ = self.bar.suspend(|| io::stderr().write_all(&line));
    }
}
