//! Max over time, as SVG.

use std::fmt::Write;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 40.0;
const RIGHT: f64 = 150.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 34.0;
/// Lines that tell eight controllers apart, ours in full, the peers dashed.
const COLOURS: [&str; 8] = [
    "#0b6e4f", "#d1495b", "#edae49", "#00798c", "#7a7a7a", "#a05195", "#2f4b7c", "#000000",
];

/// One line: its name, whether it is a peer's, and (seconds, max).
pub(super) struct Line<'a> {
    pub(super) name: &'static str,
    pub(super) is_peer: bool,
    pub(super) points: &'a [(f64, u32)],
}

/// `knee` is drawn as a level.
pub(super) fn plot(title: &str, length: f64, knee: f64, lines: &[Line<'_>]) -> String {
    let top = 3.0 * knee;
    let x = |seconds: f64| LEFT + seconds / length * (WIDTH - LEFT - RIGHT);
    let y = |max: f64| TOP + (1.0 - max.min(top) / top) * (HEIGHT - TOP - BOTTOM);
    let mut svg = String::new();
    let mut put = |line: String| writeln!(svg, "{line}").expect("a string takes all");
    put(format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="11">"#
    ));
    put(format!(
        r#"<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>"#
    ));
    put(format!(
        r#"<text x="{LEFT}" y="18" font-size="13">{title}: max over time</text>"#
    ));
    for part in 0..=6 {
        let max = top * f64::from(part) / 6.0;
        put(format!(
            r##"<path d="M{LEFT} {0:.1}H{1}" stroke="#ddd"/><text x="{2}" y="{3:.1}" text-anchor="end">{max:.0}</text>"##,
            y(max),
            WIDTH - RIGHT,
            LEFT - 5.0,
            y(max) + 4.0
        ));
        let seconds = length * f64::from(part) / 6.0;
        put(format!(
            r#"<text x="{:.1}" y="{}" text-anchor="middle">{seconds:.0} s</text>"#,
            x(seconds),
            HEIGHT - 14.0
        ));
    }
    put(format!(
        r##"<path d="M{LEFT} {0:.1}H{1}" stroke="#000" stroke-dasharray="2 3"/>"##,
        y(knee),
        WIDTH - RIGHT
    ));
    for (number, line) in lines.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let dashes = if line.is_peer {
            r#" stroke-dasharray="5 3""#
        } else {
            ""
        };
        // As many points as there are columns to draw them in.
        let every = line.points.len().div_ceil(350).max(1);
        let mut path = String::new();
        for (at, &(seconds, max)) in line.points.iter().step_by(every).enumerate() {
            let command = if at == 0 { 'M' } else { 'L' };
            write!(path, "{command}{:.0} {:.0}", x(seconds), y(f64::from(max)))
                .expect("a string takes all");
        }
        put(format!(
            r#"<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.3"{dashes}/>"#
        ));
        let at = TOP + 14.0 * number as f64 + 8.0;
        put(format!(
            r#"<path d="M{0} {at}h18" stroke="{colour}" stroke-width="2"{dashes}/><text x="{1}" y="{2}">{3}</text>"#,
            WIDTH - RIGHT + 10.0,
            WIDTH - RIGHT + 33.0,
            at + 4.0,
            line.name
        ));
    }
    put("</svg>".to_owned());
    svg
}
