//! What is printed at the end.

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};

use crate::figures::Series;

/// One line for each series, ours beside theirs.
pub(crate) fn table(all: &[Series]) -> String {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    table.set_header([
        "per second",
        "clients",
        "afterrun",
        "p50 / p99 ms",
        "pgbench",
        "p50 / p99 ms",
        "ratio",
        "rounds",
        "outside",
    ]);
    for series in all {
        let counted = series.counted();
        let median = |figure: fn(&crate::figures::Round) -> f64| counted.median(figure);
        let latency = |p50: f64, p99: f64| {
            if p50.is_nan() { "-".to_owned() } else { format!("{p50:.2} / {p99:.2}") }
        };
        let outside = series.counted().rounds.iter().map(|round| round.outside).fold(0.0, f64::max);
        let mark = if counted.disturbed { " !" } else { "" };
        table.add_row([
            series.what.to_owned(),
            series.clients.to_string(),
            whole(median(|round| round.ours.per_second)),
            latency(median(|round| round.ours.p50_ms), median(|round| round.ours.p99_ms)),
            whole(median(|round| round.theirs.per_second)),
            latency(median(|round| round.theirs.p50_ms), median(|round| round.theirs.p99_ms)),
            format!("{:.2}", median(|round| round.ours.per_second / round.theirs.per_second)),
            format!("{} of {}", counted.rounds.len(), series.rounds.len()),
            format!("{:.0} %{mark}", outside * 100.0),
        ]);
    }
    for column in 1..9 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string()
}

/// `12,345`
pub(crate) fn whole(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::{Round, Side};

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(whole(7.0), "7");
        assert_eq!(whole(1234.4), "1,234");
        assert_eq!(whole(1_234_567.0), "1,234,567");
    }

    #[test]
    fn a_line_says_how_many_rounds_count_and_what_others_took() {
        let mut series = Series::new("ingest: events", 16);
        for outside in [0.02, 0.4] {
            let ours = Side::new(12_000.0, &[1.0]);
            let theirs = Side::new(24_000.0, &[0.5]);
            series.rounds.push(Round { ours, theirs, outside });
        }
        let printed = table(&[series]);
        let line = printed.lines().last().unwrap_or_default();
        for part in ["12,000", "24,000", "0.50", "1 of 2", "2 %"] {
            assert!(line.contains(part), "no {part} in {line}");
        }
    }
}
