//! Medians and percentiles, and which rounds count.

/// Rounds in which others took more of the processors than this are put aside.
pub(crate) const QUIET: f64 = 0.12;

pub(crate) fn median(values: &[f64]) -> f64 {
    percentile(values, 0.5)
}

/// By nearest rank; of an even number of values, the median is the mean of the middle two.
pub(crate) fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        count if share == 0.5 && count.is_multiple_of(2) => {
            f64::midpoint(sorted[count / 2 - 1], sorted[count / 2])
        }
        count => {
            let rank = (share * count as f64).ceil() as usize;
            sorted[rank.clamp(1, count) - 1]
        }
    }
}

/// What one side did in one round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Side {
    pub(crate) per_second: f64,
    /// Not a number where a single piece has no meaningful latency.
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

impl Side {
    pub(crate) fn new(per_second: f64, latencies_ms: &[f64]) -> Self {
        Self {
            per_second,
            p50_ms: percentile(latencies_ms, 0.5),
            p99_ms: percentile(latencies_ms, 0.99),
        }
    }
}

/// Both sides, one after the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    pub(crate) ours: Side,
    pub(crate) theirs: Side,
    /// What others took of the processors meanwhile; the worse of the two sides.
    pub(crate) outside: f64,
}

/// All rounds of one line of the table.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) what: &'static str,
    pub(crate) clients: usize,
    pub(crate) rounds: Vec<Round>,
}

impl Series {
    pub(crate) fn new(what: &'static str, clients: usize) -> Self {
        Self { what, clients, rounds: Vec::new() }
    }

    /// As many quiet rounds are wanted, and no more than twice as many are tried.
    pub(crate) fn needs_more(&self, wanted: usize) -> bool {
        self.quiet().count() < wanted && self.rounds.len() < 2 * wanted
    }

    fn quiet(&self) -> impl Iterator<Item = &Round> {
        self.rounds.iter().filter(|round| round.outside <= QUIET)
    }

    /// The rounds that count: the quiet ones, or all if none was.
    pub(crate) fn counted(&self) -> Counted<'_> {
        let quiet: Vec<&Round> = self.quiet().collect();
        if quiet.is_empty() {
            Counted { rounds: self.rounds.iter().collect(), disturbed: true }
        } else {
            Counted { rounds: quiet, disturbed: false }
        }
    }
}

pub(crate) struct Counted<'a> {
    pub(crate) rounds: Vec<&'a Round>,
    /// Not one of them was quiet.
    pub(crate) disturbed: bool,
}

impl Counted<'_> {
    pub(crate) fn median(&self, figure: impl Fn(&Round) -> f64) -> f64 {
        let values: Vec<f64> = self.rounds.iter().map(|round| figure(round)).collect();
        median(&values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(ours: f64, outside: f64) -> Round {
        let side = |per_second| Side::new(per_second, &[]);
        Round { ours: side(ours), theirs: side(100.0), outside }
    }

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(percentile(&values, 0.99), 99.0);
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn a_round_disturbed_by_others_is_put_aside_and_measured_again() {
        let mut series = Series::new("it", 1);
        series.rounds = vec![round(10.0, 0.5), round(50.0, 0.0), round(60.0, 0.1)];
        assert!(series.needs_more(3));
        let counted = series.counted();
        assert!(!counted.disturbed);
        assert_eq!(counted.median(|round| round.ours.per_second), 55.0);
    }

    #[test]
    fn rounds_that_were_all_disturbed_count_and_say_so() {
        let mut series = Series::new("it", 1);
        series.rounds = vec![round(10.0, 0.5), round(20.0, 0.9)];
        assert!(!series.needs_more(1));
        assert!(series.counted().disturbed);
        assert_eq!(series.counted().rounds.len(), 2);
    }
}
