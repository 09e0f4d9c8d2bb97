//! The table of targets: what is configured, and how fresh it is.

use crate::config::{Config, Target};
use crate::{Doing as _, Store, StoreError};

impl Store {
    /// Notes which targets are configured today, so that each has a row in `target_freshness`.
    pub async fn register_targets(&self, config: &Config) -> Result<(), StoreError> {
        let (mut targets, mut connections, mut connectors) = (vec![], vec![], vec![]);
        for (name, target) in &config.targets {
            targets.push(name.clone());
            connections.push(target.connection.clone());
            connectors.push(config.kind_of(target).to_owned());
        }
        sqlx::query!(
            r#"
            with gone as (
                update target_state set configured = false
                where configured and target <> all ($1)
            )
            insert into target_state (target, connection, connector)
            select * from unnest($1::text[], $2::text[], $3::text[])
            order by 1
            on conflict (target) do update set
                connection = excluded.connection,
                connector = excluded.connector,
                configured = true
            "#,
            &targets,
            &connections,
            &connectors,
        )
        .execute(&self.pool)
        .await
        .doing("note the configured targets")?;
        Ok(())
    }
}

impl Config {
    /// The kind of connection through which a target is reached, which names its connector.
    pub fn kind_of(&self, target: &Target) -> &str {
        self.connections.get(&target.connection).map_or("", |connection| &connection.kind)
    }
}
