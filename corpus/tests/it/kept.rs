//! What was written can be read: by every view, by every list, and by whoever reads the log.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use afterrun_core::Store;
use afterrun_core::dbt;
use afterrun_core::history::{EventFilter, EventState, RefreshFilter};
use afterrun_corpus::targets::readers;
use serde_json::{Map, Value};
use sqlx::PgPool;

/// The sender's own words, which are data and kept as they came; whoever shows them makes them fit.
/// All other text is ours, or a tool's, and is fit for a terminal as it stands.
const SENT: [&str; 13] = [
    "event_type",
    "account_id",
    "project_id",
    "project_name",
    "environment_id",
    "environment_name",
    "job_id",
    "job_name",
    "run_id",
    "run_status",
    "run_reason",
    "subject",
    "subject_name",
];

/// Puts every query of the product over all that is there.
pub(crate) async fn everything_is_readable(store: &Store, pool: &PgPool) {
    for view in [
        "select to_jsonb(it)::text from delivery_history it",
        "select to_jsonb(it)::text from attempt_history it",
        "select to_jsonb(it)::text from target_freshness it",
        "select to_jsonb(it)::text from (select event_key, reason, plan_error from event) it",
    ] {
        let rows: Vec<String> = sqlx::query_scalar(view)
            .fetch_all(pool)
            .await
            .unwrap_or_else(|error| panic!("{view}: {error}"));
        for row in rows {
            let row: Map<String, Value> = serde_json::from_str(&row).unwrap();
            for (column, value) in row.iter().filter(|(column, _)| !SENT.contains(&&***column)) {
                let text = value.as_str().unwrap_or_default();
                assert!(!text.chars().any(char::is_control), "{view}: {column}: {text:?}");
            }
        }
    }

    let mut filter = EventFilter::default();
    let mut events = Vec::new();
    loop {
        let page = store.events(&filter, 50).await.unwrap();
        let Some(last) = page.last() else { break };
        filter.after = Some(last.cursor());
        events.extend(page);
    }
    let stored: i64 =
        sqlx::query_scalar("select count(*) from event").fetch_one(pool).await.unwrap();
    assert_eq!(events.len(), usize::try_from(stored).unwrap());
    for event in &events {
        let id = &event.event_id;
        assert!(!store.event(id).await.unwrap().is_empty(), "{id:?}");
        assert!(!store.event_rows(id).await.unwrap().is_empty(), "{id:?}");
        assert!(!store.deliveries(id).await.unwrap().is_empty(), "{id:?}");
        serde_json::to_string(event).unwrap();
        // A filter is data as well: by its own name an event is found.
        if let Some(name) = event.job_name.clone().filter(|name| !name.is_empty()) {
            let by_name = EventFilter { job: Some(name.clone()), ..EventFilter::default() };
            let found = store.events(&by_name, 1000).await.unwrap();
            assert!(found.iter().any(|one| one.event_id == *id), "{id:?} by {name:?}");
            let of_it = RefreshFilter { job: Some(name), ..RefreshFilter::default() };
            store.refreshes(&of_it, 1000).await.unwrap();
        }
    }
    for state in [EventState::Stored, EventState::Planned, EventState::Quarantined] {
        let filter = EventFilter {
            states: vec![state],
            since: Some(Duration::from_secs(60)),
            target: Some("sales".to_owned()),
            ..EventFilter::default()
        };
        store.events(&filter, 1000).await.unwrap();
    }
    for refresh in store.refreshes(&RefreshFilter::default(), 1000).await.unwrap() {
        serde_json::to_string(&refresh).unwrap();
        store.attempts(refresh.refresh_id).await.unwrap();
        store.refresh_row(refresh.refresh_id).await.unwrap().unwrap();
        let detail = store.refresh(refresh.refresh_id).await.unwrap().unwrap();
        serde_json::to_string(&detail).unwrap();
    }
    the_readers_of_a_body_agree(pool).await;
}

/// Ours decides. Where Postgres reads the same bytes too, it must see the same event; where only
/// one of the three readers takes them, that is flagged, and is why nobody else reads a body.
async fn the_readers_of_a_body_agree(pool: &PgPool) {
    let bodies: Vec<Vec<u8>> =
        sqlx::query_scalar("select body from event where sender = 'dbt' and body is not null")
            .fetch_all(pool)
            .await
            .unwrap();
    let mut flagged = [0; 3];
    for body in bodies {
        let seen = sqlx::query_scalar::<_, Option<String>>(
            "select case when jsonb_typeof(body) = 'object' then body ->> 'eventId' end
             from (select convert_from($1, 'UTF8')::jsonb as body) as it",
        )
        .bind(&body)
        .fetch_one(pool)
        .await;
        let readers = readers(&body);
        if let (Ok(fields), Ok(Some(seen))) = (dbt::read(&body), &seen) {
            assert_eq!(fields.event_id, *seen);
        }
        flagged[0] += usize::from(readers.strict && seen.is_err());
        flagged[1] += usize::from(readers.strict && !readers.value);
        flagged[2] += usize::from(!readers.strict && matches!(seen, Ok(Some(_))));
    }
    let [no_jsonb, no_value, jsonb_only] = flagged;
    println!(
        "understood and refused by jsonb: {no_jsonb}, by serde_json::Value: {no_value}; \
         quarantined and taken by jsonb: {jsonb_only}"
    );
}

/// Everything that anybody logs in this process, as `AFTERRUN_LOG=json` writes it.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn install() -> Self {
        let log = Self::default();
        let writer = log.clone();
        tracing_subscriber::fmt()
            .json()
            .with_max_level(tracing::Level::DEBUG)
            .with_writer(move || writer.clone())
            .init();
        log
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        String::from_utf8(bytes).unwrap().split_terminator('\n').map(str::to_owned).collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
