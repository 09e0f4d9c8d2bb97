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
pub(crate) struct Pair<T = Side> {
    pub(crate) ours: T,
    pub(crate) theirs: T,
}

/// What was measured again and again, each time with what others took of the processors meanwhile.
#[derive(Debug)]
pub(crate) struct Rounds<T>(Vec<Round<T>>);

#[derive(Debug)]
struct Round<T> {
    measured: T,
    outside: f64,
}

impl<T> Default for Rounds<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Rounds<T> {
    pub(crate) fn push(&mut self, measured: T, outside: f64) {
        self.0.push(Round { measured, outside });
    }

    /// As many quiet rounds are wanted, and no more than twice as many are tried.
    pub(crate) fn needs_more(&self, wanted: usize) -> bool {
        self.quiet().count() < wanted && self.0.len() < 2 * wanted
    }

    fn quiet(&self) -> impl Iterator<Item = &Round<T>> {
        self.0.iter().filter(|round| round.outside <= QUIET)
    }

    /// The rounds that count: the quiet ones, or all if none was.
    pub(crate) fn counted(&self) -> Counted<'_, T> {
        let quiet: Vec<&Round<T>> = self.quiet().collect();
        let disturbed = quiet.is_empty();
        let rounds = if disturbed { self.0.iter().collect() } else { quiet };
        Counted { rounds, of: self.0.len(), disturbed }
    }
}

pub(crate) struct Counted<'a, T> {
    rounds: Vec<&'a Round<T>>,
    /// How many there were in all.
    of: usize,
    /// Not one of them was quiet.
    pub(crate) disturbed: bool,
}

impl<T> Counted<'_, T> {
    pub(crate) fn median(&self, figure: impl Fn(&T) -> f64) -> f64 {
        let values: Vec<f64> = self.rounds.iter().map(|round| figure(&round.measured)).collect();
        median(&values)
    }

    /// How many rounds count, and what others took in the worst of them.
    pub(crate) fn columns(&self) -> [String; 2] {
        let outside = self.rounds.iter().map(|round| round.outside).fold(0.0, f64::max) * 100.0;
        let mark = if self.disturbed { " !" } else { "" };
        [format!("{} of {}", self.rounds.len(), self.of), format!("{outside:.0} %{mark}")]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let mut rounds = Rounds::default();
        for (figure, outside) in [(10.0, 0.5), (50.0, 0.0), (60.0, 0.1)] {
            rounds.push(figure, outside);
        }
        assert!(rounds.needs_more(3));
        let counted = rounds.counted();
        assert!(!counted.disturbed);
        assert_eq!(counted.median(|figure| *figure), 55.0);
        assert_eq!(counted.columns(), ["2 of 3", "10 %"]);
    }

    #[test]
    fn rounds_that_were_all_disturbed_count_and_say_so() {
        let mut rounds = Rounds::default();
        rounds.push(10.0, 0.5);
        rounds.push(20.0, 0.9);
        assert!(!rounds.needs_more(1));
        let counted = rounds.counted();
        assert!(counted.disturbed);
        assert_eq!(counted.columns(), ["2 of 2", "90 % !"]);
    }
}
