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
const HEIGHT: f64 = 600.0;
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
    let mut svg = String::new();
    let mut put = |text: String| svg.push_str(&(text + "\n"));
    put(format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">"#
    ));
    put("<title>Rate and latency against the size of the history</title>".to_owned());
    put(format!("<style>{STYLE}</style>"));
    put(format!(r#"<rect class="ground" width="{WIDTH}" height="{HEIGHT}"/>"#));
    for panel in panels() {
        put(panel.drawn(points));
    }
    put(format!(
        r#"<text class="tick" x="{}" y="{}" text-anchor="middle">finished refreshes in the history</text>"#,
        f64::midpoint(LEFT, RIGHT),
        HEIGHT - 14.0
    ));
    put("</svg>".to_owned());
    svg
}

fn panels() -> [Panel; 2] {
    let line = |class, name, of| Line { class, name, of };
    [
        Panel {
            top: 50.0,
            title: "Rate, per second",
            lines: [
                line('a', "events stored", |point| point.events_per_second),
                line('b', "refreshes queued to done", |point| point.refreshes_per_second),
            ],
        },
        Panel {
            top: 330.0,
            title: "Received to first byte of the call, ms, at 1,000 events/s",
            lines: [line('a', "p50", |point| point.p50_ms), line('b', "p99", |point| point.p99_ms)],
        },
    ]
}

impl Panel {
    fn drawn(&self, points: &[Point]) -> String {
        let mut drawn = String::new();
        let bottom = self.top + PANEL;
        let values = self.lines.iter().flat_map(|line| points.iter().map(line.of));
        let most = values.filter(|value| value.is_finite()).fold(0.0, f64::max);
        let step = step(most);
        let top_value = step * (most / step).ceil().max(1.0);
        let y = |value: f64| bottom - PANEL * value / top_value;
        let x = |place: usize| {
            let width = (RIGHT - LEFT - 40.0) / points.len().saturating_sub(1).max(1) as f64;
            LEFT + 20.0 + width * place as f64
        };
        let mut put = |text: std::fmt::Arguments<'_>| {
            writeln!(drawn, "{text}").expect("a String takes everything");
        };
        let (title_y, title) = (self.top - 18.0, self.title);
        put(format_args!(r#"<text class="title" x="{LEFT}" y="{title_y:.0}">{title}</text>"#));
        for tick in 0..=(top_value / step).round() as u32 {
            let value = step * f64::from(tick);
            let (y, written) = (y(value), number(value));
            put(format_args!(
                r#"<path class="grid" d="M{LEFT} {y:.1}H{RIGHT}"/><text class="tick" x="{:.0}" y="{:.1}" text-anchor="end">{written}</text>"#,
                LEFT - 8.0,
                y + 4.0
            ));
        }
        for (place, point) in points.iter().enumerate() {
            let (x, y, rows) = (x(place), bottom + 20.0, whole(point.rows as f64));
            put(format_args!(
                r#"<text class="tick" x="{x:.1}" y="{y:.0}" text-anchor="middle">{rows}</text>"#
            ));
        }
        for line in &self.lines {
            let at = points.iter().enumerate().map(|(place, point)| (x(place), (line.of)(point)));
            let at: Vec<_> = at.filter(|(_, value)| value.is_finite()).collect();
            let class = line.class;
            let path: Vec<_> =
                at.iter().map(|(x, value)| format!("{x:.1} {:.1}", y(*value))).collect();
            put(format_args!(r#"<path class="line {class}" d="M{}"/>"#, path.join("L")));
            for (x, value) in &at {
                let (y, written) = (y(*value), number(*value));
                put(format_args!(
                    r#"<circle class="{class}" cx="{x:.1}" cy="{y:.1}" r="3.5"/><text class="{class}" x="{x:.1}" y="{:.1}" text-anchor="middle">{written}</text>"#,
                    y - 9.0
                ));
            }
            if let Some((_, value)) = at.last() {
                let (x, y, name) = (RIGHT + 10.0, y(*value) + 4.0, line.name);
                put(format_args!(r#"<text class="{class}" x="{x:.0}" y="{y:.1}">{name}</text>"#));
            }
        }
        drawn
    }
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
    if value == value.round() || value >= 100.0 { whole(value) } else { format!("{value:.2}") }
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
