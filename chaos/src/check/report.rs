//! What a judged history comes to, for people.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use comfy_table::Table;
use comfy_table::presets::ASCII_MARKDOWN;

use super::calls::Called;
use super::deliveries::Delivered;
use super::runs::Asked;
use super::{Invariant, Times, Violation};

/// Of one invariant: more would hide the others.
const SHOWN: usize = 5;

/// The figures of a history, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub delivered: Delivered,
    pub called: Called,
    pub asked: Asked,
    pub taken_over: Times,
    pub refused_writes: u64,
    pub states: BTreeMap<String, usize>,
    pub violations: Vec<Violation>,
}

impl Report {
    /// Whether every invariant holds.
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { delivered, called, asked, taken_over, .. } = self;
        let mut table = Table::new();
        table.load_style(ASCII_MARKDOWN).set_header(["what", "how many"]);
        let mut row = |what: &str, figure: String| {
            table.add_row([what.to_owned(), figure]);
        };
        row("signed events", delivered.signed.to_string());
        row("forged deliveries", delivered.forged.to_string());
        row("tries to deliver", delivered.tries.to_string());
        row("acknowledged", delivered.acknowledged.to_string());
        row("... only by a later try", delivered.recovered.to_string());
        row("stored", delivered.stored.to_string());
        row("... of which the sender does not know", delivered.unacknowledged.to_string());
        row("acknowledged and lost", delivered.lost.to_string());
        row("stored twice", delivered.duplicated.to_string());
        row("forged and stored", delivered.unexpected.to_string());
        row("answers: p50 / p99 / slowest", times(&delivered.answered));
        row("runs that ended in the dbt that can be asked", asked.ended.to_string());
        row("... of which no event came", asked.found.to_string());
        row("refreshes", states(&self.states));
        row("started in the tools", called.started.to_string());
        row("... explained", called.explained.to_string());
        row("... explained, and not needed", called.extra.to_string());
        row("... unexplained", called.unexplained.to_string());
        row("taken over from a vanished worker", taken_over.count().to_string());
        row("... within: p50 / p99 / longest", times(taken_over));
        row("results that came too late, refused", self.refused_writes.to_string());
        writeln!(to, "{table}")?;
        for invariant in Invariant::ALL {
            let wrong: Vec<&Violation> =
                self.violations.iter().filter(|it| it.invariant == invariant).collect();
            let number = invariant as usize + 1;
            let verdict = if wrong.is_empty() { "holds" } else { "BROKEN" };
            writeln!(to, "I{number:<2} {verdict:<6} {}", invariant.says())?;
            for violation in wrong.iter().take(SHOWN) {
                writeln!(to, "      {}", violation.what)?;
            }
            if wrong.len() > SHOWN {
                writeln!(to, "      and {} more", wrong.len() - SHOWN)?;
            }
        }
        Ok(())
    }
}

fn states(states: &BTreeMap<String, usize>) -> String {
    let states: Vec<String> =
        states.iter().map(|(state, count)| format!("{count} {state}")).collect();
    states.join(", ")
}

fn times(times: &Times) -> String {
    let told = |time: Option<Duration>| {
        time.map_or_else(|| "-".to_owned(), |time| format!("{:.3} s", time.as_secs_f64()))
    };
    let (half, most) = (times.quantile(0.5), times.quantile(0.99));
    format!("{} / {} / {}", told(half), told(most), told(times.longest()))
}
