//! Whether the one connection of a migration still lives, which it cannot be asked while it works.
//!
//! Invariant: a network that falls silent, or a server that is frozen, ends the work within half a
//! minute; a migration that takes hours ends nothing.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection};
use tokio::time::{Instant, sleep, timeout};

use crate::store::{silent, within};
use crate::{Doing as _, StoreError};

const BETWEEN_LOOKS: Duration = Duration::from_secs(4);

/// A server under a heavy load is slow to let somebody in, and not gone.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// So long no answer is silence.
const SILENT_AFTER: Duration = Duration::from_secs(10);

/// Looks after a connection from another one.
#[derive(Debug)]
pub struct Watch {
    options: PgConnectOptions,
    pid: i32,
}

impl Watch {
    /// Over this connection, which was opened by those options and rests.
    ///
    /// # Errors
    /// If the server is away or silent.
    pub async fn of(
        connection: &mut PgConnection,
        options: &PgConnectOptions,
    ) -> Result<Self, StoreError> {
        let asked = sqlx::query_scalar!(r#"select pg_backend_pid() as "pid!""#);
        let asked = within(ANSWERS_WITHIN, asked.fetch_one(connection));
        let pid = asked.await.doing("begin a migration")?;
        Ok(Self { options: options.clone().application_name("afterrun watch"), pid })
    }

    /// Does this on the connection, and gives up if the server does not answer any more, or waits
    /// for us while we wait for it.
    ///
    /// # Errors
    /// If the work fails, or the connection is dead.
    pub async fn over<T, E: From<StoreError>>(
        self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        tokio::select! {
            ended = work => ended,
            () = self.until_dead() => {
                Err(silent()).doing("migrate, and it fell silent").map_err(E::from)
            }
        }
    }

    async fn until_dead(&self) {
        let (mut heard, mut before) = (Instant::now(), Seen::AtWork);
        loop {
            sleep(BETWEEN_LOOKS).await;
            match timeout(ANSWERS_WITHIN, self.look()).await {
                // Ours never rests for so long.
                Ok(Ok(seen)) if seen == before && seen != Seen::AtWork => return,
                Ok(Ok(seen)) => (heard, before) = (Instant::now(), seen),
                // It speaks, if only to say that it takes no more connections.
                Ok(Err(_refused)) => heard = Instant::now(),
                Err(_elapsed) if heard.elapsed() >= SILENT_AFTER => return,
                Err(_elapsed) => {}
            }
        }
    }

    async fn look(&self) -> Result<Seen, sqlx::Error> {
        let mut beside = PgConnection::connect_with(&self.options).await?;
        let found = sqlx::query!(
            r#"
            select state = 'active' as "active!", state_change as "since!"
            from pg_stat_activity where pid = $1
            "#,
            self.pid,
        )
        .fetch_optional(&mut beside)
        .await?;
        beside.close().await?;
        Ok(match found {
            Some(found) if found.active => Seen::AtWork,
            Some(found) => Seen::Waits(found.since),
            None => Seen::Gone,
        })
    }
}

/// What the server does on the connection.
#[derive(PartialEq)]
enum Seen {
    AtWork,
    /// It has waited for the next statement since then.
    Waits(DateTime<Utc>),
    Gone,
}
