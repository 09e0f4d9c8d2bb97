//! The table of targets: what is configured, and how fresh it is.

use crate::config::{Config, Target};
use crate::pool::Lent;
use crate::store::bounded;
use crate::{Doing as _, Store, StoreError};

const DOING: &str = "note the configured targets";

impl Store {
    /// Notes which targets are configured today, so that each has a row in `target_freshness`.
    pub async fn register_targets(&self, config: &Config) -> Result<(), StoreError> {
        bounded(DOING, self.register(config)).await
    }

    async fn register(&self, config: &Config) -> Result<(), StoreError> {
        let (mut targets, mut connections, mut connectors) = (vec![], vec![], vec![]);
        for (name, target) in &config.targets {
            targets.push(name.clone());
            connections.push(target.connection.clone());
            connectors.push(config.kind_of(target).to_owned());
        }
        let mut lent = Lent::from(&self.pool).await.doing(DOING)?;
        sqlx::query!(
            r#"
            with gone as (
                update target_state set configured = false
                where target in (
                    select target from target_state
                    where configured and target <> all ($1)
                    order by target collate "C"
                    for update
                )
            )
            insert into target_state (target, connection, connector)
            select *
            from unnest($1::text[], $2::text[], $3::text[]) as today (target, connection, connector)
            order by today.target collate "C"
            on conflict (target) do update set
                connection = excluded.connection,
                connector = excluded.connector,
                configured = true
            "#,
            &targets,
            &connections,
            &connectors,
        )
        .execute(&mut *lent)
        .await
        .doing(DOING)?;
        lent.give_back();
        Ok(())
    }
}

impl Config {
    /// The kind of connection through which a target is reached, which names its connector.
    pub fn kind_of(&self, target: &Target) -> &str {
        self.connections.get(&target.connection).map_or("", |connection| &connection.kind)
    }
}
