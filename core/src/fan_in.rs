//! Fan-in, pure: whether all the jobs of a route have succeeded since it fired last, and what it
//! waits for.
//!
//! Invariant: it fires once for each time that all of them have succeeded, and never across a run
//! that failed since.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::config::duration::written;

/// What the newest run of a job means for the next firing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "fan_in_outcome", rename_all = "lowercase")]
pub enum Outcome {
    /// It counts.
    Succeeded,
    /// It ended badly: the job must run again.
    Failed,
    /// It has counted already.
    Fired,
}

/// The newest run of one job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRun {
    pub job_id: String,
    pub ended_at: DateTime<Utc>,
    pub outcome: Outcome,
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judged {
    Fires,
    /// In words: `waiting for job 282192`.
    Waits(String),
}

/// Judges the newest runs of a route's jobs; runs of other jobs do not matter.
pub fn judge(after_all: &[String], within: Option<Duration>, runs: &[JobRun]) -> Judged {
    let run_of = |job: &String| runs.iter().find(|run| run.job_id == *job);
    let counts = |job: &&String| run_of(job).is_some_and(|run| run.outcome == Outcome::Succeeded);
    let missing: Vec<&String> = after_all.iter().filter(|job| !counts(job)).collect();
    if !missing.is_empty() {
        let failed: Vec<&String> = missing
            .iter()
            .copied()
            .filter(|job| run_of(job).is_some_and(|run| run.outcome == Outcome::Failed))
            .collect();
        let since = match failed.as_slice() {
            [] => String::new(),
            failed => format!(" (the last run of {} did not succeed)", list(failed)),
        };
        return Judged::Waits(format!("waiting for {}{since}", list(&missing)));
    }
    let ends = || after_all.iter().filter_map(run_of).map(|run| run.ended_at);
    let (Some(within), Some(newest)) = (within, ends().max()) else { return Judged::Fires };
    let too_old =
        |job: &&String| run_of(job).is_some_and(|run| newest - run.ended_at > delta(within));
    match after_all.iter().filter(too_old).collect::<Vec<_>>().as_slice() {
        [] => Judged::Fires,
        old => Judged::Waits(format!(
            "waiting for {} ({} more than {} older than the newest)",
            list(old),
            if old.len() == 1 { "its last success is" } else { "their last successes are" },
            written(within)
        )),
    }
}

fn delta(length: Duration) -> chrono::TimeDelta {
    chrono::TimeDelta::from_std(length).unwrap_or(chrono::TimeDelta::MAX)
}

/// `job 1`, `jobs 1 and 2`, `jobs 1, 2 and 3`.
fn list(jobs: &[&String]) -> String {
    match jobs {
        [] => "nothing".to_owned(),
        [job] => format!("job {job}"),
        [before @ .., last] => {
            let before: Vec<&str> = before.iter().map(|job| job.as_str()).collect();
            format!("jobs {} and {last}", before.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(job: &str, minute: i64, outcome: Outcome) -> JobRun {
        let ended_at = DateTime::from_timestamp(1_800_000_000 + minute * 60, 0).unwrap();
        JobRun { job_id: job.into(), ended_at, outcome }
    }

    fn judged(runs: &[JobRun]) -> Judged {
        let jobs = ["1".to_owned(), "2".to_owned(), "3".to_owned()];
        judge(&jobs, Some(Duration::from_secs(60 * 60)), runs)
    }

    fn waits(words: &str) -> Judged {
        Judged::Waits(words.to_owned())
    }

    #[test]
    fn it_fires_when_all_have_succeeded_and_says_until_then_what_it_waits_for() {
        use Outcome::{Failed, Fired, Succeeded};
        assert_eq!(judged(&[]), waits("waiting for jobs 1, 2 and 3"));
        let [one, two, three] = ["1", "2", "3"].map(|job| run(job, 0, Succeeded));
        let other = run("9", 500, Failed);
        assert_eq!(judged(&[one.clone(), other.clone()]), waits("waiting for jobs 2 and 3"));
        assert_eq!(judged(&[one.clone(), two.clone()]), waits("waiting for job 3"));
        assert_eq!(judged(&[one.clone(), two.clone(), three.clone(), other]), Judged::Fires);
        let fired = run("2", 0, Fired);
        assert_eq!(judged(&[one.clone(), fired, three.clone()]), waits("waiting for job 2"));
        let failed = run("2", 0, Failed);
        assert_eq!(
            judged(&[one, failed, three]),
            waits("waiting for job 2 (the last run of job 2 did not succeed)")
        );
    }

    #[test]
    fn runs_further_apart_than_the_window_do_not_count_together() {
        let apart = |minutes| {
            [
                run("1", 0, Outcome::Succeeded),
                run("2", 30, Outcome::Succeeded),
                run("3", minutes, Outcome::Succeeded),
            ]
        };
        assert_eq!(judged(&apart(60)), Judged::Fires);
        assert_eq!(
            judged(&apart(61)),
            waits("waiting for job 1 (its last success is more than 1h older than the newest)")
        );
        assert_eq!(
            judged(&apart(200)),
            waits(
                "waiting for jobs 1 and 2 (their last successes are more than 1h older than the newest)"
            )
        );
    }
}
