//! Charts, drawn here as SVG: bars over time, each with what it stands for in words.
//!
//! Invariant: a chart never says more than its title, its description and the table beside it.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use maud::{Markup, html};

use super::when::Long;

/// That something lagged; open ones end now.
#[derive(Clone, Copy)]
pub(super) struct Tooth {
    pub(super) since: DateTime<Utc>,
    pub(super) until: DateTime<Utc>,
}

/// The highest lag within each of so many equal parts of the time until now, in seconds.
pub(super) fn highest(teeth: &[Tooth], now: DateTime<Utc>, over: Duration, parts: i32) -> Vec<i64> {
    let part = TimeDelta::from_std(over).unwrap_or(TimeDelta::days(1)) / parts;
    let start = now - part * parts;
    (0..parts)
        .map(|number| {
            let (from, to) = (start + part * number, start + part * (number + 1));
            let within = teeth.iter().filter(|tooth| tooth.since < to && tooth.until > from);
            within.map(|tooth| (tooth.until.min(to) - tooth.since).num_seconds()).max().unwrap_or(0)
        })
        .collect()
}

/// How many of these parts begin before this moment.
pub(super) fn before(at: DateTime<Utc>, now: DateTime<Utc>, over: Duration, parts: i32) -> usize {
    let part = TimeDelta::from_std(over).unwrap_or(TimeDelta::days(1)) / parts;
    let start = now - part * parts;
    (0..parts).filter(|number| start + part * *number < at).count()
}

/// A chart as small as a word. Of so many parts at its start nothing is told, and it says so.
pub(super) fn spark(values: &[i64], untold: usize, over: &str) -> Markup {
    let most = values.iter().copied().max().unwrap_or(0);
    let mut said = if most == 0 {
        format!("no lag within {over}")
    } else {
        format!("lag within {over}: at most {}", Long(most))
    };
    if untold > 0 {
        said.push_str(", as far as it is drawn: there were too many refreshes for all of it");
    }
    html! {
        svg.spark viewBox={ "0 0 " (values.len() * 3) " 20" } preserveAspectRatio="none"
            role="img" aria-label=(said) {
            title { (said) }
            line x1="0" y1="19.5" x2=(values.len() * 3) y2="19.5" {}
            @if untold > 0 { rect.untold x="0" y="1" width=(untold * 3) height="18" {} }
            @for (place, value) in values.iter().enumerate() {
                @if *value > 0 {
                    @let high = height(*value, most, 18);
                    rect x=(place * 3) y=(19 - high) width="2" height=(high) {}
                }
            }
        }
    }
}

/// One bar of a large chart.
pub(super) struct Bar {
    /// From the bottom up: how much, and the tone of it.
    pub(super) pieces: Vec<(i64, &'static str)>,
    /// What it stands for, when pointed at.
    pub(super) said: String,
}

/// A large chart.
pub(super) struct Chart<'a> {
    /// Names it for those who do not see it; unique in the page.
    pub(super) id: &'a str,
    pub(super) title: &'a str,
    pub(super) description: &'a str,
    pub(super) bars: Vec<Bar>,
    /// Below the left end and below the right end.
    pub(super) ends: (&'a str, &'a str),
    /// What the highest bar is worth, in words.
    pub(super) most: String,
}

const WIDE: usize = 1080;
const HIGH: i64 = 120;

impl Chart<'_> {
    pub(super) fn draw(&self) -> Markup {
        let sum = |bar: &Bar| bar.pieces.iter().map(|(value, _)| value).sum::<i64>();
        let most = self.bars.iter().map(sum).max().unwrap_or(0);
        let step = WIDE / self.bars.len().max(1);
        let wide = step * self.bars.len();
        let (title, described) = (format!("{}-title", self.id), format!("{}-desc", self.id));
        html! {
            svg.chart viewBox={ "0 0 " (wide) " 150" } role="img"
                aria-labelledby=(title) aria-describedby=(described) {
                title id=(title) { (self.title) }
                desc id=(described) { (self.description) }
                line.axis x1="0" y1="130" x2=(wide) y2="130" {}
                @if most > 0 {
                    line.most x1="0" y1="10" x2=(wide) y2="10" {}
                }
                @for (place, bar) in self.bars.iter().enumerate() {
                    @if sum(bar) > 0 {
                        g { title { (bar.said) }
                            @for (y, high, tone) in stacked(bar, most) {
                                rect.(tone) x=(place * step + 1) y=(y) width=(step.saturating_sub(2).max(1)) height=(high) {}
                            }
                        }
                    }
                }
                @if most > 0 { text.of x="2" y="8" { (self.most) } }
                text.of x="0" y="146" { (self.ends.0) }
                text.of x=(wide) y="146" text-anchor="end" { (self.ends.1) }
            }
        }
    }
}

fn stacked(bar: &Bar, most: i64) -> Vec<(i64, i64, &'static str)> {
    let mut floor = 130;
    let mut pieces = Vec::new();
    for (value, tone) in bar.pieces.iter().filter(|(value, _)| *value > 0) {
        let high = height(*value, most, HIGH);
        floor -= high;
        pieces.push((floor, high, *tone));
    }
    pieces
}

/// At least one, so that little is not taken for nothing.
fn height(value: i64, most: i64, room: i64) -> i64 {
    (i128::from(value) * i128::from(room) / i128::from(most.max(1))).max(1) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_lag_shows_in_the_part_in_which_it_was() {
        let now: DateTime<Utc> = "2026-11-30T12:00:00Z".parse().unwrap();
        let tooth =
            Tooth { since: now - TimeDelta::minutes(90), until: now - TimeDelta::minutes(80) };
        let over = Duration::from_secs(4 * 3600);
        assert_eq!(highest(&[tooth], now, over, 4), [0, 0, 600, 0]);
    }

    #[test]
    fn a_part_that_begins_before_a_moment_is_before_it() {
        let now: DateTime<Utc> = "2026-11-30T12:00:00Z".parse().unwrap();
        let over = Duration::from_secs(4 * 3600);
        assert_eq!(before(now - TimeDelta::hours(5), now, over, 4), 0);
        assert_eq!(before(now - TimeDelta::minutes(90), now, over, 4), 3);
    }

    #[test]
    fn a_small_chart_that_does_not_tell_all_says_so() {
        let whole = spark(&[0, 60, 0], 0, "24 h").into_string();
        assert!(!whole.contains("untold") && !whole.contains("too many"), "{whole}");
        let part = spark(&[0, 60, 0], 1, "24 h").into_string();
        assert!(part.contains("class=\"untold\"") && part.contains("too many"), "{part}");
    }

    #[test]
    fn a_lag_goes_on_rising_over_the_parts_that_it_spans() {
        let now: DateTime<Utc> = "2026-11-30T12:00:00Z".parse().unwrap();
        let tooth = Tooth { since: now - TimeDelta::minutes(150), until: now };
        let over = Duration::from_secs(4 * 3600);
        assert_eq!(highest(&[tooth], now, over, 4), [0, 30 * 60, 90 * 60, 150 * 60]);
    }
}
