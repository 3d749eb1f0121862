//! Max over time, drawn in the terminal while it runs.

use std::{
    io::{self, IsTerminal},
    time::Duration,
};

use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyCode, KeyModifiers},
    style::{Color, Style},
    symbols::Marker,
    widgets::{Axis, Block, Chart, Dataset, GraphType},
};

pub struct Plot {
    terminal: DefaultTerminal,
    length: f64,
}

impl Plot {
    /// `None` where there is no terminal.
    pub fn new(length: f64) -> Option<Self> {
        if !io::stdout().is_terminal() {
            return None;
        }
        let terminal = ratatui::try_init().ok()?;
        Some(Self { terminal, length })
    }

    /// `max` and `active` are of (seconds, permits).
    pub fn draw(&mut self, title: &str, max: &[(f64, f64)], active: &[(f64, f64)]) {
        let top = max.iter().chain(active).map(|point| point.1);
        let top = top.fold(8.0, f64::max);
        let line = |name, color, data| {
            Dataset::default()
                .name(name)
                .marker(Marker::Braille)
                .graph_type(GraphType::Line)
                .style(Style::default().fg(color))
                .data(data)
        };
        let lines = vec![
            line("active", Color::DarkGray, active),
            line("max", Color::Cyan, max),
        ];
        let axis = |end: f64, unit: &str| {
            Axis::default()
                .bounds([0.0, end])
                .labels(["0".to_owned(), format!("{end:.0}{unit}")])
        };
        let chart = Chart::new(lines)
            .block(Block::bordered().title(title.to_owned()))
            .x_axis(axis(self.length, " s"))
            .y_axis(axis(top, ""));
        // A terminal that went away is no reason to stop.
        let _ = self
            .terminal
            .draw(|frame| frame.render_widget(chart, frame.area()));
    }
}

/// Has Ctrl-C or `q` been pressed? The terminal makes no signal of it while it is drawn on.
pub fn is_left() -> bool {
    while event::poll(Duration::ZERO).unwrap_or(false) {
        let Ok(event) = event::read() else {
            return false;
        };
        if let Event::Key(key) = event {
            let control = key.modifiers.contains(KeyModifiers::CONTROL);
            if key.code == KeyCode::Char('q') || control && key.code == KeyCode::Char('c') {
                return true;
            }
        }
    }
    false
}

/// Gives the terminal back, if there is one.
pub fn restore() {
    if io::stdout().is_terminal() {
        ratatui::restore();
    }
}

impl Drop for Plot {
    fn drop(&mut self) {
        restore();
    }
}
