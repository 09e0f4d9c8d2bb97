//! Runs: the list with its filters and parts, one of them, and how they come about.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::{AdminOptions, Dates, Job, Run};
use super::{JOB, Played, at, by_hand};
use crate::dbt::RunStatus;
use crate::pace::Pace;

/// Runs 1 to `count`; each ends a minute after the one before, the first at 05:01.
fn ended(played: &Played, count: u64) {
    let job = Job::new(JOB, "Nightly build");
    for id in 1..=count {
        let end = at("2026-11-20T05:00:00Z") + Duration::from_secs(60 * id);
        let start = end - Duration::from_secs(30);
        played.admin.add_run(Run::ended(&job, id, RunStatus::Success, start, end));
    }
}

#[tokio::test]
async fn a_list_comes_in_parts_of_at_most_a_hundred() {
    let played = Played::by_hand().await;
    ended(&played, 130);
    let first = played.runs(&[]).await;
    assert_eq!(first.ids(), (1..=100).collect::<Vec<_>>());
    assert_eq!(first.body["extra"]["pagination"], json!({ "count": 100, "total_count": 130 }));
    let second = played.runs(&[("offset", "100"), ("limit", "20")]).await;
    assert_eq!(second.ids(), (101..=120).collect::<Vec<_>>());
    assert_eq!(second.body["extra"]["filters"], json!({ "limit": 20, "offset": 100 }));
    assert_eq!(second.body["extra"]["order_by"], "id");
    assert!(played.runs(&[("offset", "130")]).await.ids().is_empty());

    for wrong in ["0", "101", "-1", "ten", ""] {
        assert_eq!(played.runs(&[("limit", wrong)]).await.status, 400, "{wrong}");
    }
    assert_eq!(played.runs(&[("offset", "-1")]).await.status, 400);
}

#[tokio::test]
async fn several_values_are_one_json_list() {
    let played = Played::by_hand().await;
    ended(&played, 5);
    played.admin.with_run(3, |run| run.end = RunStatus::Cancelled);
    played.admin.with_run(4, |run| run.end = RunStatus::Errored);
    let ids = async |name: &str, value: &str| played.runs(&[(name, value)]).await.ids();
    assert_eq!(ids("status__in", "[20, 30]").await, [3, 4]);
    assert_eq!(ids("status", "10").await, [1, 2, 5]);
    assert_eq!(ids("pk__in", "[5,1]").await, [1, 5]);
    assert_eq!(ids("id__gt", "3").await, [4, 5]);
    let range = r#"["2026-11-20T05:02:00+00:00", "2026-11-20T06:04:00+01:00"]"#;
    assert_eq!(ids("finished_at__range", range).await, [2, 3, 4], "both ends belong to it");
    assert_eq!(ids("created_at__range", range).await, [3, 4]);
    let query = played.get("runs/?status__in=%5B10%2C20%5D&project_id__in=%5B1%5D").await;
    assert!(query.ids().is_empty());

    let wrong = [
        ("status__in", "10,20"),
        ("status__in", "[10,"),
        ("status__in", r#"["x"]"#),
        ("status", "[10]"),
        ("pk__in", "1"),
        ("finished_at__range", "2026-11-20T05:02:00+00:00"),
        ("finished_at__range", r#"["2026-11-20T05:02:00Z"]"#),
        ("finished_at__range", r#"["yesterday", "today"]"#),
        // What is left of an offset whose plus sign was not encoded.
        ("finished_at__range", r#"["2026-11-20T05:02:00 00:00", "2026-11-20T06:04:00 00:00"]"#),
        ("order_by", "status"),
        ("state", "gone"),
        ("finished_after", "2026-11-20"),
        ("include_related", "everything"),
    ];
    for (name, value) in wrong {
        let seen = played.runs(&[(name, value)]).await;
        assert_eq!((seen.status, seen.data()), (400, &Value::Null), "{name}={value}");
        assert!(seen.message().contains(name), "{}", seen.message());
    }
    assert_eq!(played.runs(&[("status", "10"), ("status", "20")]).await.status, 400);
}

#[tokio::test]
async fn a_list_is_ordered_both_ways_and_what_has_not_ended_is_last() {
    let played = Played::by_hand().await;
    ended(&played, 3);
    played.admin.with_run(1, |run| run.finished_at = Some(at("2026-11-20T05:30:00Z")));
    let open = played.admin.start_run(JOB, "nightly");
    let ids = async |order: &str| played.runs(&[("order_by", order)]).await.ids();
    assert_eq!(ids("finished_at").await, [2, 3, 1, open]);
    assert_eq!(ids("-finished_at").await, [open, 1, 3, 2]);
    assert_eq!(ids("-created_at").await, [open, 3, 2, 1]);
    assert_eq!(ids("-id").await, [open, 3, 2, 1]);
}

#[tokio::test]
async fn a_run_that_ended_appears_late_in_the_list_but_not_at_its_own_address() {
    let appears_after = Duration::from_secs(90);
    let played = Played::start(AdminOptions { appears_after, ..by_hand() }).await;
    let run = played.admin.start_run(JOB, "nightly");
    assert_eq!(played.runs(&[]).await.ids(), [run]);
    played.admin.end_run(run, RunStatus::Success);
    assert!(played.runs(&[]).await.ids().is_empty());
    assert_eq!(played.get(&format!("runs/{run}/")).await.data()["status"], 10);
    played.advance(Duration::from_secs(89));
    assert!(played.runs(&[("status__in", "[10,20,30]")]).await.ids().is_empty());
    played.advance(Duration::from_secs(1));
    let seen = played.runs(&[("status__in", "[10,20,30]")]).await;
    assert_eq!(seen.ids(), [run]);
    assert_eq!(seen.data()[0]["finished_at"], "2026-11-20 06:00:00+00:00");
}

#[tokio::test]
async fn times_are_written_in_either_form() {
    let micros = Duration::from_micros(1_772_114_203);
    let expected = [
        (Dates::Spaced, "2026-11-20 06:29:32.114203+00:00"),
        (Dates::Rfc3339, "2026-11-20T06:29:32.114203Z"),
    ];
    for (dates, expected) in expected {
        let played = Played::start(AdminOptions { dates, ..by_hand() }).await;
        let run = played.admin.start_run(JOB, "nightly");
        played.advance(micros);
        played.admin.end_run(run, RunStatus::Success);
        assert_eq!(played.runs(&[]).await.data()[0]["finished_at"], expected);
    }
}

#[tokio::test]
async fn what_is_related_comes_only_when_asked_for_in_any_of_three_ways() {
    let played = Played::by_hand().await;
    let run = played.admin.start_run(JOB, "nightly at 6");
    let plain = played.runs(&[]).await;
    let plain = &plain.data()[0];
    assert_eq!((&plain["trigger"], &plain["job"]), (&Value::Null, &Value::Null));
    for asked in [r#"["trigger", "job"]"#, "['trigger','job']", "trigger,job"] {
        let seen = played.runs(&[("include_related", asked)]).await;
        let listed = &seen.data()[0];
        assert_eq!(listed["trigger"]["cause"], "nightly at 6", "{asked}");
        assert_eq!(listed["trigger"]["cause_category"], "scheduled");
        assert_eq!(listed["job"]["name"], "Nightly build");
    }
    for wrong in ["[trigger]", "['trigger'", "[\"trigger']", "environment"] {
        assert_eq!(played.runs(&[("include_related", wrong)]).await.status, 400, "{wrong}");
    }
    let seen = played.get(&format!("runs/{run}/?include_related=%5B%22environment%22%5D")).await;
    assert_eq!(seen.data()["environment"]["name"], "Production");
}

#[tokio::test]
async fn a_debug_log_that_was_not_asked_for_has_its_last_thousand_lines() {
    let played = Played::by_hand().await;
    let run = played.admin.start_run(JOB, "nightly");
    let log: String = (1..=1200).map(|line| format!("line {line}\n")).collect();
    played.admin.with_run(run, |run| run.step_mut(4).unwrap().debug_logs = log.clone());
    played.admin.end_run(run, RunStatus::Errored);
    let step = async |related: &str| {
        let seen = played.get(&format!("runs/{run}/?include_related={related}")).await;
        seen.data()["run_steps"][3].clone()
    };
    let cut = step("run_steps").await;
    let lines: Vec<&str> = cut["debug_logs"].as_str().unwrap().lines().collect();
    assert_eq!((lines.len(), lines[0]), (1000, "line 201"));
    assert_eq!((&cut["index"], &cut["status"]), (&json!(4), &json!(20)));
    assert_eq!(cut["name"], "Invoke dbt with `dbt build`");
    assert_eq!(step("run_steps,debug_logs").await["debug_logs"], log);
    let seen = played.get(&format!("runs/{run}/")).await;
    assert_eq!(seen.data()["run_steps"], json!([]));
}

#[tokio::test]
async fn a_job_is_started_with_a_cause_and_twice_is_two_runs() {
    let played = Played::start(AdminOptions { pace: Pace::millis(2000, 3000), ..by_hand() }).await;
    let path = format!("jobs/{JOB}/run/");
    for wrong in [json!({}), json!({ "cause": "" }), json!({ "cause": 7 }), json!([1])] {
        assert_eq!(played.post(&path, wrong.clone()).await.status, 400, "{wrong}");
    }
    let typo = json!({ "cause": "again", "step_override": [] });
    assert_eq!(played.post(&path, typo).await.status, 400);
    assert_eq!(played.post("jobs/1/run/", json!({ "cause": "x" })).await.status, 404);
    assert!(played.admin.with(|state| state.runs.is_empty()));

    played.admin.next_runs_end(JOB, &[RunStatus::Errored]);
    let body = json!({ "cause": "afterrun", "steps_override": ["dbt test"] });
    let first = played.post(&path, body.clone()).await;
    let second = played.post(&path, body).await;
    assert_eq!((first.status, first.data()["status"].as_u64()), (200, Some(1)));
    let id = first.data()["id"].as_u64().unwrap();
    assert_eq!(second.data()["id"], id + 1, "there is no idempotency key");
    let call = played.admin.calls().into_iter().find(|call| call.status == 200).unwrap();
    assert_eq!(call.remote_id, Some(id.to_string()));
    assert_eq!(call.target, Some(JOB.to_string()));

    for (millis, expected) in [(1000, 2), (1000, 3), (3000, 20)] {
        played.advance(Duration::from_millis(millis));
        assert_eq!(played.get(&format!("runs/{id}/")).await.data()["status"], expected);
    }
    assert_eq!(played.admin.status(id + 1), 10);
    let seen = played.get(&format!("runs/{id}/?include_related=run_steps,trigger")).await;
    assert_eq!(seen.data()["run_steps"][3]["name"], "Invoke dbt with `dbt test`");
    assert_eq!(seen.data()["run_steps"][2]["status"], 10);
    assert_eq!(seen.data()["trigger"]["cause_category"], "api");
    assert_eq!(seen.data()["duration_humanized"], "5 seconds");
}

#[tokio::test]
async fn a_run_can_be_cancelled_until_it_has_ended() {
    let played = Played::by_hand().await;
    let run = played.admin.start_run(JOB, "nightly");
    played.admin.take_up(run);
    let seen = played.post(&format!("runs/{run}/cancel/"), json!({})).await;
    assert_eq!((seen.status, &seen.data()["status"]), (200, &json!(30)));
    assert_eq!(seen.data()["is_cancelled"], true);
    assert_eq!(played.post(&format!("runs/{run}/cancel/"), json!({})).await.status, 400);
    assert_eq!(played.post("runs/1/cancel/", json!({})).await.status, 404);
}

#[tokio::test]
async fn jobs_are_listed_and_shown() {
    let played = Played::by_hand().await;
    let mut other = Job::new(7, "Weekly");
    other.project_id = 5;
    played.admin.add_job(other);
    assert_eq!(played.get("jobs/").await.ids(), [JOB, 7]);
    assert_eq!(played.get("jobs/?project_id=5").await.ids(), [7]);
    assert_eq!(played.get("jobs/?colour=red").await.status, 400);
    assert_eq!(played.get(&format!("jobs/{JOB}/")).await.data()["name"], "Nightly build");
    assert_eq!(played.get("jobs/8/").await.status, 404);
}
