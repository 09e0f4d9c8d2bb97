//! Rate and latency against the size of the history, as an SVG that can be read on light and on dark.

use std::fmt::Write as _;

use crate::report::whole;

/// What was measured with so many finished refreshes behind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Point {
    pub(crate) rows: u64,
    pub(crate) events_per_second: f64,
    pub(crate) refreshes_per_second: f64,
    /// From receiving to the first byte of the call.
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 612.0;
const LEFT: f64 = 70.0;
/// Beyond it stand the names of the lines.
const RIGHT: f64 = 590.0;
const PANEL: f64 = 190.0;

const STYLE: &str = "\
text { font: 13px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600; font-size: 15px }
.tick { fill: #57606a; font-size: 12px }
.grid { stroke: #d0d7de; stroke-width: 1 }
.line { fill: none; stroke-width: 2.5; stroke-linejoin: round }
.a { stroke: #0969da; fill: #0969da } .b { stroke: #bc4c00; fill: #bc4c00 }
text.a, text.b { stroke: none } path.a, path.b { fill: none }
.ground { fill: #ffffff }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .tick { fill: #9198a1 } .grid { stroke: #3d444d }
.a { stroke: #58a6ff; fill: #58a6ff } .b { stroke: #ffa657; fill: #ffa657 }
text.a, text.b { stroke: none } path.a, path.b { fill: none }
.ground { fill: #0d1117 }
}";

/// One of the two, with a line for each of its figures.
struct Panel {
    top: f64,
    title: &'static str,
    lines: [Line; 2],
}

struct Line {
    class: char,
    name: &'static str,
    of: fn(&Point) -> f64,
}

pub(crate) fn svg(points: &[Point]) -> String {
    let panels: String = panels().iter().map(|panel| panel.drawn(points)).collect();
    let (middle, low) = (f64::midpoint(LEFT, RIGHT), HEIGHT - 12.0);
    let caption = text("tick", middle, low, "middle", "finished refreshes in the history");
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">\n\
         <title>Rate and latency against the size of the history</title>\n\
         <style>\n{STYLE}\n</style>\n\
         <rect class=\"ground\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>\n{panels}{caption}</svg>\n"
    )
}

fn panels() -> [Panel; 2] {
    let line = |class, name, of| Line { class, name, of };
    [
        Panel {
            top: 50.0,
            title: "Rate, per second",
            lines: [
                line('a', "events stored", |point| point.events_per_second),
                line('b', "refreshes worked off", |point| point.refreshes_per_second),
            ],
        },
        Panel {
            top: 344.0,
            title: "Received to first byte of the call, ms, at 1,000 events/s",
            lines: [line('a', "p50", |point| point.p50_ms), line('b', "p99", |point| point.p99_ms)],
        },
    ]
}

impl Panel {
    fn drawn(&self, points: &[Point]) -> String {
        let scale = Scale::of(self, points);
        let (y, title) = (self.top - 18.0, self.title);
        let mut drawn = format!("<text class=\"title\" x=\"{LEFT}\" y=\"{y}\">{title}</text>\n");
        drawn.push_str(&scale.grid());
        for (place, point) in points.iter().enumerate() {
            // Below the figures of the lower line.
            let (x, y, rows) = (scale.x(place), scale.y(0.0) + 36.0, whole(point.rows as f64));
            drawn.push_str(&text("tick", x, y, "middle", &rows));
        }
        let [first, second] = &self.lines;
        drawn.push_str(&first.drawn(second, points, &scale));
        drawn.push_str(&second.drawn(first, points, &scale));
        drawn
    }
}

impl Line {
    /// Its figures stand on that side of it where the other line is not.
    fn drawn(&self, other: &Line, points: &[Point], scale: &Scale) -> String {
        let class = self.class.to_string();
        let (mut path, mut marks, mut last) = (Vec::new(), String::new(), None);
        for (place, point) in points.iter().enumerate() {
            let (value, x) = ((self.of)(point), scale.x(place));
            if !value.is_finite() {
                continue;
            }
            let y = scale.y(value);
            let beside = if value < (other.of)(point) { y + 19.0 } else { y - 9.0 };
            path.push(format!("{x:.1} {y:.1}"));
            writeln!(marks, r#"<circle class="{class}" cx="{x:.1}" cy="{y:.1}" r="3.5"/>"#)
                .expect("a String takes everything");
            marks.push_str(&text(&class, x, beside, "middle", &number(value)));
            last = Some(y);
        }
        let name = last.map(|y| text(&class, RIGHT + 10.0, y + 4.0, "start", self.name));
        let path = path.join("L");
        format!("<path class=\"line {class}\" d=\"M{path}\"/>\n{marks}{}", name.unwrap_or_default())
    }
}

/// Where things stand in a panel.
struct Scale {
    bottom: f64,
    step: f64,
    most: f64,
    points: usize,
}

impl Scale {
    fn of(panel: &Panel, points: &[Point]) -> Self {
        let values = panel.lines.iter().flat_map(|line| points.iter().map(line.of));
        let most = values.filter(|value| value.is_finite()).fold(0.0, f64::max);
        let step = step(most);
        let most = step * (most / step).ceil().max(1.0);
        Self { bottom: panel.top + PANEL, step, most, points: points.len() }
    }

    fn x(&self, place: usize) -> f64 {
        const MARGIN: f64 = 25.0;
        let gaps = self.points.saturating_sub(1).max(1) as f64;
        LEFT + MARGIN + (RIGHT - LEFT - 2.0 * MARGIN) / gaps * place as f64
    }

    fn y(&self, value: f64) -> f64 {
        self.bottom - PANEL * value / self.most
    }

    fn grid(&self) -> String {
        let mut grid = String::new();
        for tick in 0..=(self.most / self.step).round() as u32 {
            let value = self.step * f64::from(tick);
            let y = self.y(value);
            writeln!(grid, r#"<path class="grid" d="M{LEFT} {y:.1}H{RIGHT}"/>"#)
                .expect("a String takes everything");
            grid.push_str(&text("tick", LEFT - 8.0, y + 4.0, "end", &number(value)));
        }
        grid
    }
}

fn text(class: &str, x: f64, y: f64, anchor: &str, text: &str) -> String {
    format!(
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>\n"
    )
}

/// A round number of which at most five make that much.
fn step(most: f64) -> f64 {
    if most <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf((most / 5.0).log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0].map(|factor| factor * power);
    steps.into_iter().find(|step| step * 5.0 >= most).unwrap_or(10.0 * power)
}

/// Small ones with what follows the point.
fn number(value: f64) -> String {
    match value {
        _ if value == value.round() || value >= 100.0 => whole(value),
        _ if value >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(rows: u64, events_per_second: f64, p50_ms: f64) -> Point {
        let (refreshes_per_second, p99_ms) = (events_per_second / 2.0, p50_ms * 3.0);
        Point { rows, events_per_second, refreshes_per_second, p50_ms, p99_ms }
    }

    #[test]
    fn every_point_of_every_line_is_drawn_with_its_figure() {
        let svg = svg(&[point(0, 24_000.0, 1.25), point(10_000_000, 23_000.0, 1.5)]);
        assert_eq!(svg.matches("<circle").count(), 8);
        for text in ["10,000,000", "24,000", "11,500", "1.25", "4.50", "events stored"] {
            assert!(svg.contains(&format!(">{text}<")), "no {text} in {svg}");
        }
        is_closed(&svg);
    }

    /// Each element that is opened is closed.
    fn is_closed(svg: &str) {
        for name in ["svg", "text", "style", "title"] {
            let opened = svg.matches(&format!("<{name}>")).count()
                + svg.matches(&format!("<{name} ")).count();
            assert_eq!(opened, svg.matches(&format!("</{name}>")).count(), "{name}");
        }
    }

    #[test]
    fn what_was_not_measured_is_left_out() {
        let missing = Point { refreshes_per_second: f64::NAN, ..point(0, 100.0, 1.0) };
        let svg = svg(&[missing, point(1000, 90.0, 1.0)]);
        assert_eq!(svg.matches("<circle").count(), 7);
        assert!(!svg.contains("NaN"));
    }

    #[test]
    fn the_axis_goes_in_round_steps() {
        assert_eq!(step(24_000.0), 5000.0);
        assert_eq!(step(9.0), 2.0);
        assert_eq!(step(0.0), 1.0);
    }
}
