//! What is printed at the end: a table of rates, each beside another, and one of plain figures.

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};

use crate::figures::{Counted, Pair, Rounds, Side};
use crate::goal::{self, Goal, Unit};

/// One line of the table of rates.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) what: String,
    pub(crate) clients: usize,
    /// What it is measured beside.
    beside: &'static str,
    /// For the ratio.
    goal: Option<Goal>,
    pub(crate) rounds: Rounds<Pair>,
}

impl Series {
    pub(crate) fn new(what: impl Into<String>, clients: usize, beside: &'static str) -> Self {
        Self { what: what.into(), clients, beside, goal: None, rounds: Rounds::default() }
    }

    pub(crate) fn goal(self, goal: impl Into<Option<Goal>>) -> Self {
        Self { goal: goal.into(), ..self }
    }

    fn row(&self) -> Vec<String> {
        let counted = self.rounds.counted();
        let side = |side: fn(&Pair) -> &Side| {
            let median = |figure: fn(&Side) -> f64| counted.median(|pair| figure(side(pair)));
            let (p50, p99) = (median(|side| side.p50_ms), median(|side| side.p99_ms));
            let latency =
                if p50.is_nan() { "-".to_owned() } else { format!("{p50:.2} / {p99:.2}") };
            [whole(median(|side| side.per_second)), latency]
        };
        let ratio = counted.median(|pair| pair.ours.per_second / pair.theirs.per_second);
        let mut row = vec![self.what.clone(), self.clients.to_string()];
        row.extend(side(|pair| &pair.ours));
        row.push(self.beside.to_owned());
        row.extend(side(|pair| &pair.theirs));
        row.push(Unit::Ratio.written(ratio));
        row.extend(goal::columns(self.goal, Unit::Ratio, ratio));
        row.extend(counted.columns());
        row
    }
}

/// One line of the table of plain figures.
#[derive(Debug)]
pub(crate) struct Figure {
    what: String,
    unit: Unit,
    value: f64,
    beside: String,
    goal: Option<Goal>,
    /// How many rounds count, and what others took of the processors.
    rounds: [String; 2],
    pub(crate) disturbed: bool,
}

impl Figure {
    pub(crate) fn new(what: impl Into<String>, unit: Unit, value: f64) -> Self {
        let rounds = ["-".to_owned(), "-".to_owned()];
        let (what, beside) = (what.into(), "-".to_owned());
        Self { what, unit, value, beside, goal: None, rounds, disturbed: false }
    }

    /// The median of what each round that counts came to.
    pub(crate) fn of<T>(
        what: impl Into<String>,
        unit: Unit,
        counted: &Counted<'_, T>,
        figure: impl Fn(&T) -> f64,
    ) -> Self {
        let new = Self::new(what, unit, counted.median(figure));
        Self { rounds: counted.columns(), disturbed: counted.disturbed, ..new }
    }

    /// The same figure of something else.
    pub(crate) fn beside(self, whose: &str, value: f64) -> Self {
        Self { beside: format!("{whose}: {}", self.unit.written(value)), ..self }
    }

    pub(crate) fn goal(self, goal: Goal) -> Self {
        Self { goal: Some(goal), ..self }
    }

    fn row(&self) -> Vec<String> {
        let mut row = vec![self.what.clone(), self.unit.written(self.value), self.beside.clone()];
        row.extend(goal::columns(self.goal, self.unit, self.value));
        row.extend(self.rounds.clone());
        row
    }
}

/// One line for each series, ours beside theirs.
pub(crate) fn rates(all: &[Series]) -> String {
    let head = [
        "per second",
        "clients",
        "afterrun",
        "p50 / p99 ms",
        "beside it",
        "per second",
        "p50 / p99 ms",
        "ratio",
        "goal",
        "reached",
        "rounds",
        "outside",
    ];
    // The name of what stands beside it is text.
    table(&head, &[0, 4], all.iter().map(Series::row))
}

/// One line for each figure.
pub(crate) fn figures(all: &[Figure]) -> String {
    let head = ["figure", "afterrun", "beside it", "goal", "reached", "rounds", "outside"];
    table(&head, &[0, 2], all.iter().map(Figure::row))
}

fn table(head: &[&str], texts: &[usize], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    table.set_header(head);
    table.add_rows(rows);
    for place in (0..head.len()).filter(|place| !texts.contains(place)) {
        if let Some(column) = table.column_mut(place) {
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

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(whole(7.0), "7");
        assert_eq!(whole(1234.4), "1,234");
        assert_eq!(whole(1_234_567.0), "1,234,567");
    }

    #[test]
    fn a_line_says_what_was_reached_how_many_rounds_count_and_what_others_took() {
        let mut series = Series::new("events", 16, "pgbench").goal(Goal::AtLeast(1.1));
        for outside in [0.02, 0.4] {
            let ours = Side::new(12_000.0, &[1.0]);
            let theirs = Side::new(24_000.0, &[0.5]);
            series.rounds.push(Pair { ours, theirs }, outside);
        }
        let printed = rates(&[series]);
        let line = printed.lines().last().unwrap_or_default();
        for part in ["12,000", "24,000", "pgbench", "0.50", "≥ 1.1", "no", "1 of 2", "2 %"] {
            assert!(line.contains(part), "no {part} in {line}");
        }
    }

    #[test]
    fn a_figure_stands_with_its_goal_and_what_is_beside_it() {
        let figure = Figure::new("p50", Unit::Milliseconds, 2.5)
            .beside("relay", 0.8)
            .goal(Goal::AtMost(3.0));
        let printed = figures(&[figure]);
        let line = printed.lines().last().unwrap_or_default();
        for part in ["p50", "2.50 ms", "relay: 0.80 ms", "≤ 3 ms", "yes"] {
            assert!(line.contains(part), "no {part} in {line}");
        }
    }
}
