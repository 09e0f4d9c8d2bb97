//! The table of targets: what is configured, and how fresh it is.

use crate::config::{Config, Target};
use crate::pool::Lent;
use crate::store::{bounded, unless_moved};
use crate::{Doing as _, Store, StoreError};

const DOING: &str = "note the configured targets";

impl Store {
    /// Notes which targets are configured today, so that each has a row in `target_freshness`.
    pub async fn register_targets(&self, config: &Config) -> Result<(), StoreError> {
        unless_moved(|| bounded(DOING, self.register(config))).await?;
        bounded(DOING, self.let_gone_routes_go(config)).await
    }

    /// Events that a fan-in held are held no longer when it leaves the configuration.
    async fn let_gone_routes_go(&self, config: &Config) -> Result<(), StoreError> {
        let fan_ins = config.routes.iter().filter(|route| !route.after_all.is_empty());
        let pairs = fan_ins.flat_map(|route| {
            route.refresh.iter().map(|target| (route.name.clone(), target.clone()))
        });
        let (routes, targets): (Vec<String>, Vec<String>) = pairs.unzip();
        let mut lent = Lent::from(&self.pool).await.doing(DOING)?;
        sqlx::query!(
            r#"
            with gone as (
                delete from refresh_cause
                where refresh_id is null
                    and not exists (
                        select from unnest($1::text[], $2::text[]) as today (route, target)
                        where today.route = refresh_cause.route
                            and today.target = refresh_cause.target
                    )
                returning event_id, route
            )
            update event
            set reason = 'route ' || gone.route
                || ' was changed or removed before all of its jobs had succeeded'
            from gone
            where event.id = gone.event_id and event.reason is null
            "#,
            &routes,
            &targets,
        )
        .execute(&mut *lent)
        .await
        .doing(DOING)?;
        lent.give_back();
        Ok(())
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
            ),
            moved as (
                update refresh
                set connection = today.connection, connector = today.connector
                from unnest($1::text[], $2::text[], $3::text[]) as today (target, connection, connector)
                where refresh.target = today.target
                    and refresh.state in ('waiting', 'queued')
                    and (refresh.connection, refresh.connector) is distinct from
                        (today.connection, today.connector)
            ),
            -- What the settings held may be let go by new ones.
            looked_at as (
                update refresh
                set due_at = least(due_at, coalesce($4, now()))
                where state = 'waiting' and due_at > coalesce($4, now())
                    and (reason like 'quiet hours%' or reason like 'daily budget%')
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
            self.now(),
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
