//! What has happened before somebody looks: events that were planned, refreshes that ended.

use std::time::Duration;

use afterrun_core::attempt::Call;
use afterrun_core::event::Delivery;
use afterrun_core::notice::{Came, Room};
use afterrun_core::refresh::{Bounds, Claimed, Ended, Gate, Gates, Reach, RefreshId};
use afterrun_core::transition::Next;

use super::{Answer, FORM, HTML, Scene};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Scene {
    /// Open to all, with its targets known.
    pub(crate) async fn with_targets(pool: &sqlx::PgPool) -> Self {
        let scene = Self::open(pool);
        scene.store.register_targets(&scene.config).await.unwrap();
        scene
    }

    /// What a browser is shown.
    pub(crate) async fn page(&self, path: &str) -> Answer {
        self.get(path, HTML).await
    }

    /// What a form leads to.
    pub(crate) async fn post(&self, path: &str, form: &str) -> Answer {
        let headers = format!("{HTML}{FORM}{}", self.origin());
        self.ask("POST", path, &headers, form).await
    }

    /// An event of a run of this job that ended well, planned.
    pub(crate) async fn told(&self, event: &str, job: u32, job_name: &str) {
        let body = serde_json::json!({
            "eventId": event, "eventType": "job.run.completed",
            "data": {
                "jobId": job, "jobName": job_name, "runId": format!("9{job}"),
                "runStatus": "Success", "runStatusCode": 10,
            },
        });
        self.delivered(&body.to_string()).await;
        while self.store.plan_next(&self.config).await.unwrap().is_some() {}
    }

    /// A run of a job that failed, of which `chat` is to be told.
    pub(crate) async fn ran_into(&self, event: &str, job_name: &str) {
        let body = serde_json::json!({
            "eventId": event, "eventType": "job.run.errored",
            "data": {
                "jobId": 7, "jobName": job_name, "runId": event,
                "runStatus": "Errored", "runStatusCode": 20, "runReason": "by analyst@acme.example",
            },
        });
        self.delivered(&body.to_string()).await;
        while self.store.plan_next(&self.config).await.unwrap().is_some() {}
    }

    /// What came of telling `chat` what it is to be told.
    pub(crate) async fn answered(&self, came: Came, status: Option<u16>) {
        let room = Room { channel: "chat".into(), most: 10 };
        let telling = self.store.claim_notices("worker", &[room]).await.unwrap().pop().unwrap();
        self.store.record_notices(&telling, &came, status).await.unwrap();
    }

    /// Something that somebody signed.
    pub(crate) async fn delivered(&self, body: &str) {
        let delivery = Delivery { source: "prod", body: body.as_bytes(), keys_kept: 400 * DAY };
        self.store.store(&delivery).await.unwrap();
    }

    /// The refresh that waits, under way.
    pub(crate) async fn claimed(&self) -> Claimed {
        let targets = self.config.targets.keys();
        let gate = |target: &String| Gate {
            target: target.clone(),
            per_day: None,
            closed: None,
            give_up_after: DAY,
        };
        let gates = Gates::new(targets.map(gate));
        let judged = self.store.settle(&gates, Reach::default()).await.unwrap();
        let mut claims = self.store.claim("worker", 10, &[], &gates, &judged).await.unwrap();
        assert_eq!(claims.len(), 1);
        claims.pop().unwrap()
    }

    async fn ended(&self, next: Next, status: u16) -> RefreshId {
        let claimed = self.claimed().await;
        let id = claimed.id;
        let call = Call { http_status: Some(status), ..Call::default() };
        let bounds = Bounds { give_up_after: DAY, deadline: DAY };
        let records = self.store.record(&[Ended { claimed, next, call, bounds }]).await;
        assert!(records.failed.is_empty(), "{:?}", records.failed);
        id
    }

    /// An event whose refresh of this target ended well.
    pub(crate) async fn succeeded(&self, event: &str, target: &str) -> RefreshId {
        self.told(event, job_of(target), "Nightly build").await;
        self.ended(Next::Succeed { started_at: None }, 200).await
    }

    /// An event whose refresh of this target failed for good.
    pub(crate) async fn failed(&self, event: &str, target: &str, error: &str) -> RefreshId {
        self.told(event, job_of(target), "Nightly build").await;
        let next = Next::Fail {
            reason: "it failed in the tool, and another try is pointless".into(),
            error: Some(error.to_owned()),
            late_events: None,
            unsure: false,
        };
        self.ended(next, 404).await
    }
}

fn job_of(target: &str) -> u32 {
    match target {
        "sales" => 1,
        "orders" => 2,
        _ => 3,
    }
}
