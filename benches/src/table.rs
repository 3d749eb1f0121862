//! One description a column: the same figures for a table, for JSON and for Markdown.

use std::io::{self, Write};

use serde::Serializer as _;
use serde::ser::SerializeMap as _;
use serde_json::Value as Json;

/// A line of a table.
pub trait Row: Sized + 'static {
    /// Names on the left first, then figures.
    const COLUMNS: &'static [Column<Self>];
}

/// A column of a table.
pub struct Column<R: 'static> {
    /// What stands above; nothing for what only JSON has.
    pub heading: &'static str,
    /// In a terminal, where it lines up with those of other tables.
    pub width: usize,
    /// Names are aligned to the left, figures to the right.
    pub is_name: bool,
    /// The name in JSON; nothing for what only tables have.
    pub key: &'static str,
    /// What stands in it.
    pub value: fn(&R) -> Value,
}

/// What stands in a column.
pub enum Value {
    /// A word.
    Text(&'static str),
    /// A whole number.
    Count(i64),
    /// A figure, or none, to so many digits in JSON and so many in a table.
    Figure(Option<f64>, i32, usize),
    /// Several figures for JSON.
    Figures(Vec<f64>),
}

/// A column of names.
pub const fn name<R>(
    key: &'static str,
    heading: &'static str,
    width: usize,
    value: fn(&R) -> Value,
) -> Column<R> {
    Column {
        heading,
        width,
        is_name: true,
        key,
        value,
    }
}

/// A column of figures.
pub const fn figure<R>(
    key: &'static str,
    heading: &'static str,
    width: usize,
    value: fn(&R) -> Value,
) -> Column<R> {
    Column {
        is_name: false,
        ..name(key, heading, width, value)
    }
}

impl Value {
    fn text(&self) -> String {
        match *self {
            Self::Text(text) => text.to_owned(),
            Self::Count(count) => count.to_string(),
            Self::Figure(Some(value), json, digits) => format!("{:.digits$}", rounded(value, json)),
            Self::Figure(None, ..) | Self::Figures(_) => "-".to_owned(),
        }
    }

    fn json(&self) -> Json {
        match self {
            Self::Text(text) => Json::from(*text),
            Self::Count(count) => Json::from(*count),
            Self::Figure(value, digits, _) => {
                Json::from(value.map(|value| rounded(value, *digits)))
            }
            Self::Figures(values) => Json::from(values.as_slice()),
        }
    }
}

/// The columns that a table has.
pub fn columns<R: Row>() -> impl Iterator<Item = &'static Column<R>> {
    R::COLUMNS
        .iter()
        .filter(|column| !column.heading.is_empty())
}

/// What stands in them.
pub fn cells<R: Row>(row: &R) -> Vec<String> {
    columns().map(|column| (column.value)(row).text()).collect()
}

/// Writes the row as one JSON object.
pub fn write_json<R: Row>(row: &R, out: impl Write) -> io::Result<()> {
    let mut writer = serde_json::Serializer::new(out);
    let mut map = writer.serialize_map(None)?;
    for column in R::COLUMNS.iter().filter(|column| !column.key.is_empty()) {
        map.serialize_entry(column.key, &(column.value)(row).json())?;
    }
    Ok(map.end()?)
}

/// More digits than the measurement is good for only get in the way.
pub fn rounded(value: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (value * scale).round() / scale
}
