//! The table of connections: what all workers know of a tool's health, and whether it is paused.
//!
//! Invariant: the rule is [`circuit`]'s; what is written is what it says of the row under its lock.
//! A connection without a row is well.

pub mod circuit;

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{Connection as _, PgConnection};

use self::circuit::{Circuit, Hold, Signal};
use crate::attempt::text;
use crate::event::interval;
use crate::pool::Lent;
use crate::store::bounded;
use crate::{Doing as _, Store, StoreError};

/// A probe that was begun and not reported is begun anew after this.
const PROBE_LEASE: Duration = Duration::from_secs(40);

/// A connection that nobody used is signed in to this often: some credentials die of disuse
/// (a personal access token of Tableau after 15 days).
const KEPT_ALIVE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// That a connection is in use is noted no more often than this.
pub(crate) const NOTED: Duration = Duration::from_secs(60 * 60);

impl Store {
    /// Notes what a call said of its connection. Gives why nothing should be started there now.
    pub async fn heard(
        &self,
        connection: &str,
        signal: Signal,
    ) -> Result<Option<Hold>, StoreError> {
        self.judge(connection, signal, Circuit::after_call, None).await
    }

    /// Notes what a probe came to, and why it did not sign us in. Gives why nothing should be started
    /// there still.
    pub async fn probed(
        &self,
        connection: &str,
        signal: Signal,
        found: Result<(), &str>,
    ) -> Result<Option<Hold>, StoreError> {
        self.judge(connection, signal, Circuit::after_probe, Some(found)).await
    }

    /// Takes the connections of these that should be probed now: each by one worker. Those that
    /// somebody wants to be tested are among them, and those that were not used for a week, to keep
    /// their credentials alive.
    pub async fn claim_probes(&self, connections: &[String]) -> Result<Vec<String>, StoreError> {
        const DOING: &str = "look for connections to probe";
        bounded(DOING, async {
            let mut lent = Lent::from(&self.pool).await.doing(DOING)?;
            let due = sqlx::query_scalar!(
                r#"
                update connection_state
                set
                    probe_after = coalesce($2, now()) + $3::interval,
                    -- By this the version before knows that one is under way.
                    held_until = case
                        when hold in ('outage', 'refused') then coalesce($2, now()) + $3::interval
                        else held_until
                    end
                where connection = any ($1)
                    and coalesce(probe_after <= coalesce($2, now()), true)
                    and (
                        test_asked_at is not null
                        or (hold in ('outage', 'refused') and held_until <= coalesce($2, now()))
                        or (
                            answered_at <= coalesce($2, now()) - $4::interval
                            and (
                                hold is null
                                or (hold = 'slow_down' and held_until <= coalesce($2, now()))
                            )
                        )
                    )
                returning connection
                "#,
                connections,
                self.now(),
                interval(PROBE_LEASE),
                interval(KEPT_ALIVE),
            )
            .fetch_all(&mut *lent)
            .await
            .doing(DOING)?;
            lent.give_back();
            Ok(due)
        })
        .await
    }

    /// Notes the connections of a configuration that has just been read. What its credentials were
    /// refused for may be mended, so such a connection is probed at once.
    pub async fn register_connections(&self, connections: &[String]) -> Result<(), StoreError> {
        const DOING: &str = "note the configured connections";
        bounded(DOING, async {
            let mut lent = Lent::from(&self.pool).await.doing(DOING)?;
            sqlx::query!(
                r#"
                insert into connection_state (connection, answered_at)
                select connection, coalesce($2, now())
                from unnest($1::text[]) as today (connection)
                order by connection collate "C"
                on conflict (connection) do update set held_until = excluded.answered_at
                where connection_state.hold = 'refused'
                "#,
                connections,
                self.now(),
            )
            .execute(&mut *lent)
            .await
            .doing(DOING)?;
            lent.give_back();
            Ok(())
        })
        .await
    }

    async fn judge(
        &self,
        connection: &str,
        signal: Signal,
        rule: impl Fn(Circuit, Signal, DateTime<Utc>) -> Circuit,
        probe: Option<Result<(), &str>>,
    ) -> Result<Option<Hold>, StoreError> {
        const DOING: &str = "note how a connection is doing";
        bounded(DOING, async {
            let mut lent = Lent::from(&self.pool).await.doing(DOING)?;
            let mut transaction = lent.begin().await.doing(DOING)?;
            let (before, now) = lock(&mut transaction, connection, self.now()).await?;
            let answered = signal == Signal::Answered;
            let after = rule(before.clone(), signal, now);
            if after != before || answered {
                write(&mut transaction, connection, &after, answered, now).await?;
            }
            if let Some(found) = probe {
                note_probe(&mut transaction, connection, found.err(), answered, now).await?;
            }
            transaction.commit().await.doing(DOING)?;
            lent.give_back();
            let held = after.holds(now);
            if held != before.holds(now) {
                log(connection, &after);
            }
            Ok(after.hold.map(|(hold, _)| hold).filter(|_| held))
        })
        .await
    }
}

async fn lock(
    transaction: &mut PgConnection,
    connection: &str,
    now: Option<DateTime<Utc>>,
) -> Result<(Circuit, DateTime<Utc>), StoreError> {
    const DOING: &str = "read how a connection is doing";
    let row = sqlx::query!(
        r#"
        insert into connection_state (connection) values ($1)
        on conflict (connection) do update set connection = excluded.connection
        returning
            failures, hold as "hold: Hold", held_until, probes, hold_error,
            coalesce($2, now()) as "now!"
        "#,
        connection,
        now,
    )
    .fetch_one(transaction)
    .await
    .doing(DOING)?;
    let circuit = Circuit {
        failures: u32::try_from(row.failures).unwrap_or_default(),
        hold: row.hold.zip(row.held_until),
        probes: u32::try_from(row.probes).unwrap_or_default(),
        error: row.hold_error,
    };
    Ok((circuit, row.now))
}

async fn write(
    transaction: &mut PgConnection,
    connection: &str,
    circuit: &Circuit,
    answered: bool,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        update connection_state
        set
            failures = $2,
            hold = $3::connection_hold,
            held_until = $4,
            held_since = case when $3::connection_hold is not null then coalesce(held_since, $7) end,
            probes = $5,
            hold_error = $6,
            answered_at = case when $8 then $7 else answered_at end
        where connection = $1
        "#,
        connection,
        i32::try_from(circuit.failures).unwrap_or(i32::MAX),
        circuit.hold.map(|(hold, _)| hold) as Option<Hold>,
        circuit.hold.map(|(_, until)| until),
        i32::try_from(circuit.probes).unwrap_or(i32::MAX),
        circuit.error.as_deref().map(text),
        now,
        answered,
    )
    .execute(transaction)
    .await
    .doing("note how a connection is doing")?;
    Ok(())
}

/// Lets the next probe have its time, and whoever asked for this one know what came of it.
async fn note_probe(
    transaction: &mut PgConnection,
    connection: &str,
    error: Option<&str>,
    answered: bool,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        update connection_state
        set
            -- What is held is probed by that time; what told nothing is not asked over and over.
            probe_after = case
                when not $3 and coalesce(hold = 'slow_down', true) then $4::timestamptz + $5::interval
            end,
            tested_at = case when test_asked_at is not null then $4 else tested_at end,
            test_error = case when test_asked_at is not null then $2 else test_error end,
            test_asked_at = null
        where connection = $1
        "#,
        connection,
        error.map(text),
        answered,
        now,
        interval(NOTED),
    )
    .execute(transaction)
    .await
    .doing("note what a probe came to")?;
    Ok(())
}

fn log(connection: &str, circuit: &Circuit) {
    let error = circuit.error.as_deref();
    match circuit.hold {
        Some((Hold::Outage, _)) => {
            tracing::error!(
                connection,
                error,
                "connection {connection} does not answer; it is probed until it does"
            );
        }
        Some((Hold::Refused, _)) => {
            tracing::error!(
                connection,
                error,
                "connection {connection} refuses to sign us in; put its credentials right"
            );
        }
        Some((Hold::SlowDown, until)) => {
            tracing::warn!(connection, %until, "connection {connection} asked us to slow down");
        }
        None => tracing::info!(connection, "connection {connection} answers again"),
    }
}
