//! What is to be reached, and in what it is measured.

use crate::report::whole;

/// In what a figure is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Ours to that of something beside it.
    Ratio,
    Count,
    PerSecond,
    Milliseconds,
    Seconds,
    /// Millions of bytes.
    Megabytes,
    /// Of a processor.
    Percent,
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Ratio | Self::Count => "",
            Self::PerSecond => "/s",
            Self::Milliseconds => " ms",
            Self::Seconds => " s",
            Self::Megabytes => " MB",
            Self::Percent => " %",
        }
    }

    /// As it stands in a table. A figure that there is none of is a dash, and one of what did not
    /// come to an end has none.
    pub(crate) fn written(self, value: f64) -> String {
        if value.is_nan() {
            return "-".to_owned();
        }
        if value.is_infinite() {
            return "never".to_owned();
        }
        let number = match self {
            Self::Count | Self::PerSecond => whole(value),
            Self::Megabytes => format!("{value:.1}"),
            Self::Ratio | Self::Milliseconds | Self::Seconds | Self::Percent => {
                format!("{value:.2}")
            }
        };
        format!("{number}{}", self.name())
    }
}

/// A bound, itself included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

impl Goal {
    /// What was not measured is not reached.
    pub(crate) fn reached(self, value: f64) -> bool {
        match self {
            Self::AtLeast(bound) => value >= bound,
            Self::AtMost(bound) => value <= bound,
        }
    }

    pub(crate) fn written(self, unit: Unit) -> String {
        let (sign, bound) = match self {
            Self::AtLeast(bound) => ('≥', bound),
            Self::AtMost(bound) => ('≤', bound),
        };
        let number = if unit == Unit::PerSecond { whole(bound) } else { bound.to_string() };
        format!("{sign} {number}{}", unit.name())
    }
}

/// The two columns that say so: the bound, and whether the figure is within it.
pub(crate) fn columns(goal: Option<Goal>, unit: Unit, value: f64) -> [String; 2] {
    match goal {
        None => ["-".to_owned(), "-".to_owned()],
        Some(goal) => {
            let mark = if goal.reached(value) { "yes" } else { "no" };
            [goal.written(unit), mark.to_owned()]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_reached_from_its_own_value_on() {
        assert!(Goal::AtLeast(0.9).reached(0.9) && !Goal::AtLeast(0.9).reached(0.89));
        assert!(Goal::AtMost(10.0).reached(10.0) && !Goal::AtMost(10.0).reached(10.1));
    }

    #[test]
    fn what_was_not_measured_is_not_reached() {
        assert!(!Goal::AtLeast(0.9).reached(f64::NAN) && !Goal::AtMost(0.9).reached(f64::NAN));
        assert_eq!(Unit::Milliseconds.written(f64::NAN), "-");
        assert_eq!(Unit::Milliseconds.written(f64::INFINITY), "never");
    }

    #[test]
    fn goals_and_figures_are_written_in_their_unit() {
        assert_eq!(Goal::AtLeast(4000.0).written(Unit::PerSecond), "≥ 4,000/s");
        assert_eq!(Goal::AtMost(0.5).written(Unit::Percent), "≤ 0.5 %");
        assert_eq!(Goal::AtLeast(1.7).written(Unit::Ratio), "≥ 1.7");
        assert_eq!(Unit::Megabytes.written(11.96), "12.0 MB");
    }

    #[test]
    fn a_figure_without_a_goal_has_no_mark() {
        assert_eq!(columns(None, Unit::Ratio, 1.0), ["-", "-"]);
        assert_eq!(columns(Some(Goal::AtLeast(1.7)), Unit::Ratio, 1.2), ["≥ 1.7", "no"]);
    }
}
