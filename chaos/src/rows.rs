//! What the database tells: its rows at the end, and every change of a refresh on the way.

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};

use crate::History;
use crate::history::{Attempt, Cause, Change, Event, Owned, Refresh};

/// Gets the database to note every change of a refresh from now on.
///
/// # Errors
/// If it is not migrated, or does not let us.
pub async fn note_changes(database: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::raw_sql(include_str!("audit.sql")).execute(database).await.map(drop)
}

impl History {
    /// Reads everything that the database tells, as of now.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn read_rows(&mut self, database: &mut PgConnection) -> sqlx::Result<()> {
        // One moment for all tables.
        sqlx::query("begin isolation level repeatable read read only")
            .execute(&mut *database)
            .await?;
        self.read_at = sqlx::query_scalar("select now()").fetch_one(&mut *database).await?;
        self.events = all(
            database,
            "select id, source, event_key, encode(coalesce(sha256(body), body_sha256), 'hex') as sha256,
                state::text as state, reason, received_at, run_id, arrived_by = 'reconcile' as found
             from event where sender = 'dbt' order by id",
            event,
        )
        .await?;
        self.refreshes = all(
            database,
            "select id, target, state::text as state, reason, fence, lease_until, remote_id, created_at
             from refresh order by id",
            refresh,
        )
        .await?;
        self.causes = all(
            database,
            "select refresh_id, event_id, route, target from refresh_cause order by event_id",
            cause,
        )
        .await?;
        self.attempts = all(
            database,
            "select refresh_id, call, kind::text as kind, outcome::text as outcome,
                started_at, finished_at, worker
             from attempt order by refresh_id, call",
            attempt,
        )
        .await?;
        self.changes = all(database, "select * from chaos_change order by number", change).await?;
        sqlx::query("commit").execute(database).await?;
        Ok(())
    }
}

async fn all<T>(
    database: &mut PgConnection,
    query: &'static str,
    row: impl Fn(&PgRow) -> sqlx::Result<T>,
) -> sqlx::Result<Vec<T>> {
    sqlx::query(query).fetch_all(database).await?.iter().map(row).collect()
}

fn event(row: &PgRow) -> sqlx::Result<Event> {
    Ok(Event {
        id: row.try_get("id")?,
        source: row.try_get("source")?,
        event_key: row.try_get("event_key")?,
        sha256: row.try_get("sha256")?,
        state: row.try_get("state")?,
        reason: row.try_get("reason")?,
        received_at: row.try_get("received_at")?,
        run_id: row.try_get("run_id")?,
        found: row.try_get("found")?,
    })
}

fn refresh(row: &PgRow) -> sqlx::Result<Refresh> {
    Ok(Refresh {
        id: row.try_get("id")?,
        target: row.try_get("target")?,
        state: row.try_get("state")?,
        reason: row.try_get("reason")?,
        fence: row.try_get("fence")?,
        lease_until: row.try_get("lease_until")?,
        remote_id: row.try_get("remote_id")?,
        created_at: row.try_get("created_at")?,
    })
}

fn cause(row: &PgRow) -> sqlx::Result<Cause> {
    Ok(Cause {
        refresh_id: row.try_get("refresh_id")?,
        event_id: row.try_get("event_id")?,
        route: row.try_get("route")?,
        target: row.try_get("target")?,
    })
}

fn attempt(row: &PgRow) -> sqlx::Result<Attempt> {
    Ok(Attempt {
        refresh_id: row.try_get("refresh_id")?,
        call: row.try_get("call")?,
        kind: row.try_get("kind")?,
        outcome: row.try_get("outcome")?,
        started_at: row.try_get("started_at")?,
        finished_at: row.try_get("finished_at")?,
        worker: row.try_get("worker")?,
    })
}

fn change(row: &PgRow) -> sqlx::Result<Change> {
    let before = match row.try_get("before_state")? {
        Some(state) => Some(Owned {
            state,
            fence: row.try_get("before_fence")?,
            worker: row.try_get("before_worker")?,
            lease_until: row.try_get("before_lease_until")?,
            remote_id: row.try_get("before_remote_id")?,
        }),
        None => None,
    };
    Ok(Change {
        at: row.try_get("at")?,
        refresh_id: row.try_get("refresh_id")?,
        before,
        after: Owned {
            state: row.try_get("state")?,
            fence: row.try_get("fence")?,
            worker: row.try_get("worker")?,
            lease_until: row.try_get("lease_until")?,
            remote_id: row.try_get("remote_id")?,
        },
    })
}
