//! Numbers 91 to 96 once more, from the other side: a BI tool that answers with such words.

use std::path::Path;
use std::sync::{Arc, Mutex};

use afterrun_core::config::Config;
use afterrun_core::{Clock, Store};
use afterrun_corpus::{HARMFUL, event_with};
use afterrun_ingest::Limits;
use afterrun_simulators::mode::Report;
use afterrun_simulators::{Fault, Mode, ModeOptions, SimClock};
use afterrun_worker::Worker;
use afterrun_worker::http::{Http, clean};
use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgPool;

use crate::harness::Front;
use crate::kept;

const REPORT: &str = "5d1b2c3d4e5f";

struct Scene {
    front: Front,
    mode: Mode,
    worker: Arc<Worker>,
    store: Store,
    now: Arc<Mutex<DateTime<Utc>>>,
}

impl Scene {
    async fn start(pool: PgPool) -> Self {
        let now = Arc::new(Mutex::new("2026-11-20T06:00:00Z".parse().unwrap()));
        let (clock, sim_clock) = (Clock::Fixed(Arc::clone(&now)), SimClock::fixed(now.clone()));
        let mode = Mode::start(ModeOptions { clock: sim_clock, ..ModeOptions::default() });
        let mode = mode.await.unwrap();
        mode.add_report(Report::new(REPORT, "Sales"));
        let text = format!(
            "sources: {{ prod: {{ kind: dbt, secrets: [x] }} }}\n\
             connections: {{ mode: {{ kind: mode, workspace: {}, token: {}, secret: {}, base_url: '{}' }} }}\n\
             targets: {{ sales: {{ connection: mode, report: {REPORT} }} }}\n\
             routes: [{{ name: nightly, on: success, jobs: [282191], refresh: [sales] }}]\n\
             defaults: {{ retry: {{ initial: 1s, give_up_after: 1s }} }}\n",
            mode.workspace(),
            mode.token(),
            mode.secret(),
            mode.url(),
        );
        let config = Config::from_text(Path::new("afterrun.yml"), &text, &|_| None);
        let config = config.unwrap_or_else(|error| panic!("{error}"));
        let store = Store::new(pool.clone(), clock.clone());
        let http = Http::new(afterrun_worker::http::Limits::default()).unwrap();
        let worker = Worker::new(store.clone(), http, config);
        let worker = Arc::new(worker.unwrap_or_else(|error| panic!("{error}")));
        let front = Front::start_with(pool, Limits::default(), clock).await;
        Self { front, mode, worker, store, now }
    }

    /// Goes from one due time to the next until every refresh has ended. Each run that Mode begins
    /// fails there, with these words.
    async fn end(&self, words: &str) {
        for _ in 0..50 {
            while !self.worker.run_once().await.unwrap().is_empty() {}
            for run in self.mode.runs(REPORT).iter().filter(|run| run.completed_at.is_none()) {
                self.mode.fail_query(&run.token, words);
                self.mode.finish(&run.token, "failed");
            }
            let due: Option<DateTime<Utc>> = sqlx::query_scalar(
                "select min(coalesce(lease_until, due_at)) from refresh
                 where state in ('waiting', 'queued', 'running', 'confirming')",
            )
            .fetch_one(&self.front.pool)
            .await
            .unwrap();
            let Some(due) = due else { return };
            *self.now.lock().unwrap() = due;
        }
        panic!("there is no end to it");
    }

    /// The errors of all attempts at the newest refresh, and how it ended.
    async fn told(&self) -> (String, String) {
        sqlx::query_as(
            "select string_agg(error, ' ' order by attempt), min(refresh_state)
             from attempt_history join delivery_history using (refresh_id)
             where refresh_id = (select max(id) from refresh)",
        )
        .fetch_one(&self.front.pool)
        .await
        .unwrap()
    }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_a_tool_says_is_kept_in_attempts_that_anyone_can_read(pool: PgPool) {
    let scene = Scene::start(pool).await;
    let answers = |words: &str| {
        let refusal = json!({ "id": "bad_request", "message": words }).to_string();
        let links = json!({ "web": { "href": words } });
        let start = json!({ "token": words, "state": words, "created_at": words, "_links": links });
        [
            // Refused, with these words.
            Some(Fault::status(400).body(refusal)),
            // Started, so it says, under an id that is none.
            Some(Fault::status(202).body(start.to_string())),
            // Started, and failed there.
            None,
        ]
    };
    for (n, (number, words)) in HARMFUL.into_iter().enumerate() {
        for (way, answer) in answers(words).into_iter().enumerate() {
            let name = format!("{number}, {}, answered in way {way}", words.escape_debug());
            let id = format!("attempt-{n}-{way}");
            let named = format!(",\"jobName\":{}", json!(words));
            let said = scene.front.deliver(event_with(&id, "", &named)).await.said();
            assert_eq!(said, (200, "stored".to_owned()), "{name}");
            if let Some(answer) = answer {
                let answer = answer.header("content-type", "application/json");
                scene.mode.faults().on("POST", "/runs", 1, answer);
            }
            scene.end(words).await;
            assert_eq!(scene.mode.faults().left(), 0, "{name}");
            let (error, state) = scene.told().await;
            assert_eq!(state, "failed", "{name}: {error}");
            // What is no id is not repeated.
            let kept = if way == 1 { String::new() } else { clean(words) };
            assert!(!error.is_empty() && error.contains(&kept), "{name}: {error}");
        }
    }
    let attempts: i64 =
        sqlx::query_scalar("select count(*) from attempt_history where error <> ''")
            .fetch_one(&scene.front.pool)
            .await
            .unwrap();
    assert!(attempts >= 3 * HARMFUL.len() as i64, "{attempts}");
    kept::everything_is_readable(&scene.store, &scene.front.pool).await;
    scene.front.stop().await;
}
