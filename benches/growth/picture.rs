//! The tables, and the same as a picture: ratios over sizes, which grow by the same factor for the same width.

use std::fmt::Write;
use std::time::Duration;

/// What one thing costs at each size.
pub(crate) struct Line {
    size: &'static str,
    of: &'static str,
    costs: Vec<(usize, Duration)>,
}

impl Line {
    pub(crate) fn new(size: &'static str, of: &'static str) -> Self {
        println!("{size:<14}{:>14}{:>12}", format!("us a {of}"), "of first");
        Self { size, of, costs: Vec::new() }
    }

    /// Adds a row, and prints it.
    pub(crate) fn note(&mut self, size: usize, cost: Duration) {
        self.costs.push((size, cost));
        println!("{size:<14}{:>14.1}{:>12.2}", cost.as_secs_f64() * 1e6, self.ratio(cost));
    }

    fn ratio(&self, cost: Duration) -> f64 {
        self.costs.first().map_or(1.0, |(_, first)| cost.as_secs_f64() / first.as_secs_f64())
    }
}

const COLOURS: [&str; 2] = ["#1f77b4", "#d62728"];

/// All lines in one picture (SVG 1.1).
pub(crate) fn of(lines: &[Line]) -> String {
    let ratios = lines.iter().flat_map(|line| line.costs.iter().map(|(_, cost)| line.ratio(*cost)));
    let highest = ratios.fold(2.0, f64::max).ceil();
    let x = |size: usize| 60.0 + 100.0 * (size as f64).log10();
    let y = |ratio: f64| 320.0 - 280.0 * ratio / highest;
    let mut svg = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"640\" height=\"380\" font-family=\"sans-serif\" font-size=\"12\">\n",
    );
    let text = |x: f64, y: f64, colour: &str, text: &str| {
        format!("<text x=\"{x:.0}\" y=\"{y:.0}\" fill=\"{colour}\">{text}</text>\n")
    };
    let mut parts = Vec::new();
    for power in 0..=5 {
        let size = 10_usize.pow(power);
        parts.push(text(x(size) - 4.0, 340.0, "black", &size.to_string()));
    }
    for ratio in 0..=highest as u32 {
        let at = y(f64::from(ratio));
        parts.push(format!("<path d=\"M60 {at:.0}H560\" stroke=\"#ddd\"/>\n"));
        parts.push(text(40.0, at + 4.0, "black", &ratio.to_string()));
    }
    for ((line, colour), row) in lines.iter().zip(COLOURS).zip(0_u8..) {
        let mut points = String::new();
        for &(size, cost) in &line.costs {
            let _ = write!(points, "{:.1},{:.1} ", x(size), y(line.ratio(cost)));
        }
        parts.push(format!(
            "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\n"
        ));
        let name = format!("a {} by the number of {}, of the first", line.of, line.size);
        parts.push(text(70.0, 20.0 + 16.0 * f64::from(row), colour, &name));
    }
    svg.extend(parts);
    svg + "</svg>\n"
}
