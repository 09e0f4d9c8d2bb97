//! How the nodes of a run ended, as it is kept: without what was said, which stands with the error.

use chrono::{DateTime, Utc};

use crate::artifact::{NodeResult, RunResults, Status};
use crate::dbt::shape;

/// `unique_id`, status, end.
type Packed = (String, String, Option<DateTime<Utc>>);

pub(super) fn packed(results: &RunResults) -> Vec<u8> {
    let packed: Vec<Packed> = results
        .results
        .iter()
        .map(|(id, result)| (id.clone(), result.status.to_string(), result.finished_at))
        .collect();
    serde_json::to_vec(&packed).expect("texts and times are JSON")
}

/// What was kept; or why it is none of ours.
pub(crate) fn unpacked(bytes: &[u8]) -> Result<RunResults, String> {
    let packed: Vec<Packed> = serde_json::from_slice(bytes).map_err(|error| shape(&error))?;
    let results = packed.into_iter().map(|(id, status, finished_at)| {
        (id, NodeResult { status: Status::of(&status), message: None, finished_at })
    });
    Ok(RunResults { results: results.collect(), ..RunResults::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_results_is_read_back() {
        let at = DateTime::from_timestamp(1_800_000_000, 0);
        let one = |status: &str| NodeResult {
            status: Status::of(status),
            message: None,
            finished_at: at,
        };
        let results = [("model.a.b", "success"), ("test.a.c", "fail"), ("model.a.d", "odd word")];
        let results = RunResults {
            results: results.map(|(id, status)| (id.to_owned(), one(status))).into(),
            ..RunResults::default()
        };
        assert_eq!(unpacked(&packed(&results)).as_ref(), Ok(&results));
        assert!(unpacked(b"no JSON").is_err());
    }
}
