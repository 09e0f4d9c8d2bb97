//! What must hold at the end of every test, whatever it was about.

use std::sync::PoisonError;

use afterrun_simulators::dbt::RunStatus;
use afterrun_simulators::{Call, Fate};
use chrono::{DateTime, TimeDelta, Utc};

use super::Stack;

/// What clocks may differ by.
const TOLERANCE: TimeDelta = TimeDelta::seconds(5);

impl Stack {
    /// The test means a tool to refuse calls with this status.
    pub(crate) fn foresee(&self, status: u16) {
        self.foresee_of(None, status);
    }

    /// The same, of calls of this method alone.
    pub(crate) fn foresee_of(&self, method: Option<&'static str>, status: u16) {
        self.foreseen.lock().unwrap_or_else(PoisonError::into_inner).push((method, status));
    }

    /// Ends a test: nothing may be left open, unexplained or unforeseen.
    pub(crate) async fn finish(mut self) {
        self.server_lives();
        self.nothing_is_left_open().await;
        self.nothing_is_unexplained().await;
        self.every_call_was_foreseen();
        self.every_start_has_an_attempt().await;
        self.every_success_is_one_in_the_tool().await;
        self.finished = true;
        self.stop.cancel();
        let mut served = {
            let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *served)
        };
        served.join_next().await.unwrap().unwrap().unwrap();
    }

    async fn nothing_is_left_open(&self) {
        let left: Vec<(i64, String)> = sqlx::query_as(
            "select id, state::text from refresh
            where state in ('running', 'confirming')
                or (state = 'queued' and reason is null and last_error is null)
            order by id",
        )
        .fetch_all(&self.pool)
        .await
        .unwrap();
        assert!(left.is_empty(), "left neither ended nor waiting for a stated reason: {left:?}");
        let left: Vec<String> = sqlx::query_scalar(
            "select event_key from event where state = 'stored' and plan_error is null",
        )
        .fetch_all(&self.pool)
        .await
        .unwrap();
        assert!(left.is_empty(), "never planned: {left:?}");
    }

    async fn nothing_is_unexplained(&self) {
        for row in self.everything().await {
            let at_work_or_well = matches!(row.state(), "succeeded" | "queued");
            assert!(at_work_or_well || row.reason.is_some(), "no reason is given: {row:#?}");
        }
    }

    fn every_call_was_foreseen(&self) {
        let all = self.foreseen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let calls = self.mode.calls().into_iter().chain(self.tableau.calls());
        let refused: Vec<_> = calls
            .filter(|call| call.fate == Fate::Answered && call.status >= 400)
            .filter(|call| {
                let foreseen = |(method, status): &(Option<&str>, u16)| {
                    method.is_none_or(|method| call.method == method) && call.status == *status
                };
                !all.iter().any(foreseen)
            })
            .collect();
        assert!(refused.is_empty(), "the tools refused what nobody foresaw: {refused:#?}");
        let left = self.mode.faults().left() + self.tableau.faults().left();
        assert_eq!(left, 0, "scripted faults that nothing ran into");
    }

    /// Extra calls are explained: no start at a tool without an attempt that tells of it.
    async fn every_start_has_an_attempt(&self) {
        let starts = |call: &Call| {
            let start = call.path.ends_with("/runs") || call.path.ends_with("/refresh");
            // One attempt signs in anew after 401, and looks for the item anew after 404.
            start && call.method == "POST" && ![401, 404].contains(&call.status)
        };
        let calls = self.mode.calls().into_iter().chain(self.tableau.calls());
        let asked: Vec<_> = calls.filter(starts).collect();
        let began =
            asked.iter().filter(|call| call.fate != Fate::Scripted && call.status / 100 == 2);
        let (tries, may_have_begun): (i64, i64) = sqlx::query_as(
            "select count(*), count(*) filter (where outcome in ('ok', 'lost', 'fail'))
            from attempt where kind = 'trigger'",
        )
        .fetch_one(&self.pool)
        .await
        .unwrap();
        assert!(asked.len() as i64 <= tries, "{} starts, {tries} tries: {asked:#?}", asked.len());
        assert!(began.count() as i64 <= may_have_begun, "more began than is told: {asked:#?}");
    }

    /// Done means confirmed, and fresh means begun after the run ended.
    async fn every_success_is_one_in_the_tool(&self) {
        let succeeded: Vec<(String, String, DateTime<Utc>)> = sqlx::query_as(
            "select refresh.connector, refresh.remote_id, max(refresh_cause.fresh_after)
            from refresh join refresh_cause on refresh_cause.refresh_id = refresh.id
            where refresh.state = 'succeeded'
            group by refresh.id, refresh.connector, refresh.remote_id",
        )
        .fetch_all(&self.pool)
        .await
        .unwrap();
        let now = self.now();
        for (connector, remote_id, fresh_after) in succeeded {
            let (well, began) = match connector.as_str() {
                "mode" => self.mode.with(|state| {
                    let run = state.run_mut(&remote_id).expect("a run of that id");
                    (["succeeded", "completed"].contains(&run.state(now)), Some(run.created_at))
                }),
                "dbt" => self.admin().with(|state| {
                    let run = remote_id.parse().ok().and_then(|id| state.run(id));
                    let run = run.expect("a run of that id");
                    (run.status(now) == RunStatus::Success.code(), run.started_at)
                }),
                _ => self.tableau.with(|state| {
                    let job = state.job_mut(&remote_id).expect("a job of that id");
                    (job.status(now) == "Success", job.started_at)
                }),
            };
            assert!(well, "{connector} does not say that {remote_id} ended well");
            let began = began.expect("a success has a beginning");
            assert!(
                began >= fresh_after - TOLERANCE,
                "{remote_id} began at {began}, before {fresh_after}"
            );
        }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if !self.finished && !std::thread::panicking() {
            panic!("a test ends with finish()");
        }
    }
}
