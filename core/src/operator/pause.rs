//! Pausing targets and connections: nothing is started there until they are resumed, and what
//! arrives meanwhile is kept.

use serde_json::json;
use sqlx::{Connection as _, PgConnection};

use super::Action;
use crate::pool::Lent;
use crate::store::{bounded, unless_moved};
use crate::{Doing as _, Store, StoreError};

/// What can be paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pausable {
    Target,
    Connection,
}

/// The targets and connections that are known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    pub targets: Vec<NamedTarget>,
    /// By name, and whether each is paused.
    pub connections: Vec<(String, bool)>,
}

/// A target that can be paused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedTarget {
    pub name: String,
    /// Paused itself, whatever its connection is.
    pub paused: bool,
    pub connection: String,
}

impl Store {
    /// What is configured and can be paused, ordered by name.
    pub async fn pausable(&self) -> Result<Named, StoreError> {
        const DOING: &str = "read which targets and connections there are";
        let targets = sqlx::query_as!(
            NamedTarget,
            "select target as name, paused, connection from target_state where configured order by target"
        )
        .fetch_all(&self.pool)
        .await
        .doing(DOING)?;
        let connections = sqlx::query!(
            r#"
            select
                connection as "connection!",
                coalesce(
                    (select paused from connection_state where connection_state.connection = named.connection),
                    false
                ) as "paused!"
            from (select distinct connection from target_state where configured) as named
            order by connection
            "#
        )
        .fetch_all(&self.pool)
        .await
        .doing(DOING)?;
        Ok(Named {
            targets,
            connections: connections.into_iter().map(|row| (row.connection, row.paused)).collect(),
        })
    }

    /// Pauses or resumes. Whether that changed anything.
    pub async fn set_paused(
        &self,
        what: Pausable,
        name: &str,
        paused: bool,
    ) -> Result<bool, StoreError> {
        let changed = unless_moved(|| self.pause_or_resume(what, name, paused)).await?;
        self.wake_after_commit().await;
        Ok(changed)
    }

    async fn pause_or_resume(
        &self,
        what: Pausable,
        name: &str,
        paused: bool,
    ) -> Result<bool, StoreError> {
        const DOING: &str = "pause or resume";
        bounded(DOING, async {
            let mut lent = Lent::from(&self.pool).await.doing(DOING)?;
            let mut transaction = lent.begin().await.doing(DOING)?;
            let changed = match what {
                Pausable::Target => {
                    sqlx::query!(
                        r#"
                        update target_state set paused = $2
                        where target = $1 and paused <> $2
                        "#,
                        name,
                        paused,
                    )
                    .execute(&mut *transaction)
                    .await
                }
                Pausable::Connection => {
                    sqlx::query!(
                        r#"
                        insert into connection_state (connection, paused) values ($1, $2)
                        on conflict (connection) do update set paused = excluded.paused
                        where connection_state.paused <> excluded.paused
                        "#,
                        name,
                        paused,
                    )
                    .execute(&mut *transaction)
                    .await
                }
            };
            let changed = changed.doing(DOING)?.rows_affected() == 1;
            self.say_why(&mut transaction, what, name, paused).await?;
            let (action, stands) = if paused { ("pause", "paused") } else { ("resume", "resumed") };
            let kind = match what {
                Pausable::Target => "target",
                Pausable::Connection => "connection",
            };
            let action = Action { action, kind, subject: name, arguments: json!({}) };
            let result = if changed { stands } else { "nothing to change" };
            action.note(self, &mut transaction, Ok(result)).await?;
            transaction.commit().await.doing(DOING)?;
            lent.give_back();
            Ok(changed)
        })
        .await
    }

    /// What is due says at once that it is paused, or is looked at anew: workers look once a second,
    /// and none may be running. What has its time still to come waits for that, and goes on saying so.
    async fn say_why(
        &self,
        transaction: &mut PgConnection,
        what: Pausable,
        name: &str,
        paused: bool,
    ) -> Result<(), StoreError> {
        let (target, connection) = match what {
            Pausable::Target => (Some(name), None),
            Pausable::Connection => (None, Some(name)),
        };
        sqlx::query!(
            r#"
            update refresh
            set
                state = 'waiting',
                reason = case
                    when not $3 then 'resumed; about to be looked at'
                    when $1::text is not null then 'paused'
                    else 'paused: connection ' || $2
                end
            where finished_at is null and id in (
                select id from refresh
                where state in ('waiting', 'queued')
                    and due_at <= coalesce($4, now())
                    and (target = $1 or connection = $2)
                    and ($3 or reason like 'paused%')
                    and not exists (
                        select from refresh as ahead
                        where ahead.target = refresh.target
                            and ahead.state in ('running', 'confirming')
                    )
                order by id
                for update
            )
            "#,
            target,
            connection,
            paused,
            self.now(),
        )
        .execute(transaction)
        .await
        .doing("say that what waits is paused")?;
        Ok(())
    }
}
