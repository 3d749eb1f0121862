//! What all pictures have in common: a title, two axes, and who is who.

use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::Shift;
use plotters::prelude::{
    Cartesian2d, DrawingArea, DrawingAreaErrorKind, IntoDrawingArea, IntoFont, Rectangle,
    SVGBackend, Text, TextStyle,
};
use plotters::style::{Color, RGBColor, ShapeStyle, WHITE};

use super::colour;
use super::scale::Axis;

/// Where what is inside the axes is drawn.
pub type Chart<'a, 'svg> = ChartContext<'a, SVGBackend<'svg>, Cartesian2d<Axis, Axis>>;

/// Whether it could be drawn.
pub type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

const HEIGHT: u32 = 520;
const LEGEND: u32 = 190;
const FONT: &str = "sans-serif";
const INK: RGBColor = RGBColor(40, 40, 40);
const GRID: RGBColor = RGBColor(222, 222, 222);

/// Draws the axes, lets `inside` draw between them, and names the subjects.
pub fn draw(
    title: &str,
    width: u32,
    (x, y): (&Axis, &Axis),
    subjects: &[&str],
    inside: impl FnOnce(&mut Chart<'_, '_>) -> Drawn,
) -> String {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (width, HEIGHT)).into_drawing_area();
        // It fails where a file cannot be written.
        draw_on(&root, title, width, (x, y), subjects, inside).expect("drawn into memory");
    }
    svg
}

fn draw_on(
    root: &DrawingArea<SVGBackend<'_>, Shift>,
    title: &str,
    width: u32,
    (x, y): (&Axis, &Axis),
    subjects: &[&str],
    inside: impl FnOnce(&mut Chart<'_, '_>) -> Drawn,
) -> Drawn {
    root.fill(&WHITE)?;
    let (left, right) = root.split_horizontally(width - LEGEND);
    let mut chart = ChartBuilder::on(&left)
        .margin(14)
        .caption(title, (FONT, 20).into_font().color(&INK))
        .x_label_area_size(52)
        .y_label_area_size(78)
        .build_cartesian_2d(x.clone(), y.clone())?;
    chart
        .configure_mesh()
        .bold_line_style(GRID)
        .axis_style(INK)
        .label_style((FONT, 13).into_font().color(&INK))
        .axis_desc_style((FONT, 15).into_font().color(&INK))
        .x_desc(x.label.as_str())
        .y_desc(y.label.as_str())
        .draw()?;
    inside(&mut chart)?;
    legend(&right, subjects)?;
    root.present()
}

fn legend(area: &DrawingArea<SVGBackend<'_>, Shift>, subjects: &[&str]) -> Drawn {
    let style = TextStyle::from((FONT, 14).into_font()).color(&INK);
    for (index, subject) in subjects.iter().enumerate() {
        let top = 56 + 24 * index as i32;
        let swatch = [(6, top), (24, top + 12)];
        area.draw(&Rectangle::new(swatch, colour(subject).filled()))?;
        area.draw(&Text::new((*subject).to_owned(), (32, top), style.clone()))?;
    }
    Ok(())
}

/// A solid line of a subject's colour.
pub fn stroke(subject: &str) -> ShapeStyle {
    colour(subject).stroke_width(2)
}
