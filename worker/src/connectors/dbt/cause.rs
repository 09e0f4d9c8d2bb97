//! The cause that a start is given, by which its run is known again.
//!
//! `afterrun: refresh 4711 of target nightly-marts [1f0c9a3e]`. It has a fixed word, a number and a
//! closing bracket at its ends, so that no other refresh's is a part of it.
//!
//! What tells two installations of afterrun apart that start the same job? Their refreshes are
//! counted alike, and their targets may be called alike. So the bracket holds a mark of all that is
//! sent to dbt: two that agree in number, name, mark and job ask for the very same run, and one
//! that was made since our call shows what ours would have shown, whoever asked for it. Its finder
//! never stops it: what was found after a lost call is not surely ours. Whoever wants them apart
//! all the same gives each its own `cause`. (A mark made at random would have to be kept in the
//! database, and would gain no more than that.)

use afterrun_core::refresh::RefreshId;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::settings::Target;
use crate::connector::Refresh;

const BEGINS: &str = "afterrun: refresh ";

pub(super) struct Cause<'a> {
    /// The operator's own words.
    front: Option<&'a str>,
    refresh: RefreshId,
    /// What follows the number.
    rest: String,
}

impl<'a> Cause<'a> {
    pub(super) fn of(target: &'a Target, refresh: Refresh<'_>) -> Self {
        let front = target.cause.as_deref();
        let sent = json!([target.job.to_string(), front, target.overrides]).to_string();
        let mark = hex::encode(&Sha256::digest(sent)[..4]);
        let rest = format!(" of target {} [{mark}]", refresh.target);
        Self { front, refresh: refresh.id, rest }
    }

    /// As dbt is told.
    pub(super) fn text(&self) -> String {
        let Self { front, refresh, rest } = self;
        let own = format!("{BEGINS}{refresh}{rest}");
        front.map_or_else(|| own.clone(), |front| format!("{front} ({own})"))
    }

    /// Which refresh of the same target, with the same settings, a run with this cause is for. dbt
    /// may write more around it.
    pub(super) fn started_for(&self, cause: &str) -> Option<i64> {
        let (before, _) = cause.split_once(&self.rest)?;
        let (_, id) = before.rsplit_once(BEGINS)?;
        id.bytes().all(|byte| byte.is_ascii_digit()).then(|| id.parse().ok())?
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::settings::LONGEST_CAUSE;
    use super::*;

    fn target(keys: Value) -> Target {
        serde_json::from_value(keys).unwrap()
    }

    fn refresh(id: i64, target: &str) -> Refresh<'_> {
        Refresh { id: RefreshId(id), target }
    }

    #[test]
    fn a_cause_is_that_of_one_number_one_target_and_one_set_of_settings() {
        let job = target(json!({ "job": "7" }));
        let text = Cause::of(&job, refresh(471, "marts")).text();
        assert!(text.starts_with("afterrun: refresh 471 of target marts ["), "{text}");

        let by = |job: &Target, name: &str| Cause::of(job, refresh(1, name)).started_for(&text);
        assert_eq!(by(&job, "marts"), Some(471));
        assert_eq!(by(&job, "mart"), None);
        assert_eq!(by(&job, "marts-eu"), None);
        for other in [
            json!({ "job": "8" }),
            json!({ "job": "7", "git_branch": "main" }),
            json!({ "job": "7", "cause": "staging" }),
        ] {
            assert_eq!(by(&target(other), "marts"), None);
        }
    }

    #[test]
    fn words_around_a_cause_do_not_hide_it_and_others_are_not_taken_for_it() {
        let job = target(json!({ "job": "7", "cause": "Staging, by hand: afterrun: refresh 9" }));
        let cause = Cause::of(&job, refresh(471, "marts"));
        let text = cause.text();
        assert_eq!(cause.started_for(&text), Some(471), "{text}");
        assert_eq!(cause.started_for(&format!("Kicked off: {text} by a@b.c")), Some(471));
        for other in ["", "Kicked off by the scheduler", &text.replace("471", "-471")] {
            assert_eq!(cause.started_for(other), None, "{other}");
        }
    }

    #[test]
    fn the_longest_cause_is_kept_by_dbt_as_a_whole() {
        let job = target(json!({ "job": "7", "cause": "c".repeat(LONGEST_CAUSE) }));
        let name = "n".repeat(100);
        // Airflow's dbt provider cuts a cause at 255 characters, as dbt takes no more.
        assert!(Cause::of(&job, refresh(i64::MAX, &name)).text().len() <= 255);
    }
}
