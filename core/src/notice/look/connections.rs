//! Connections that are left alone.

use super::{Look, Wrong};
use crate::config::AlertKind;
use crate::connection::circuit::Hold;
use crate::store::column;

impl Look<'_> {
    pub(super) async fn left_alone(&mut self) -> Result<(), sqlx::Error> {
        const KIND: AlertKind = AlertKind::BreakerOpen;
        if !self.is_told_of(KIND) {
            return self.settle(KIND, &[], &[]).await;
        }
        let names: Vec<String> = self.config.connections.keys().cloned().collect();
        let rows = sqlx::query!(
            r#"
            select
                connection, hold as "hold!: Hold", held_since as "held_since!", hold_error,
                coalesce($2, now()) as "now!"
            from connection_state
            where connection = any ($1) and hold in ('outage', 'refused')
            "#,
            &names,
            self.now,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        let wrong: Vec<Wrong> = rows
            .into_iter()
            .map(|row| Wrong {
                title: match row.hold {
                    Hold::Refused => format!("Connection {} refuses to sign us in", row.connection),
                    Hold::Outage | Hold::SlowDown => {
                        format!("Connection {} does not answer", row.connection)
                    }
                },
                detail: format!(
                    "Nothing is started there until it does; what waits is refreshed then.\n{}",
                    row.hold_error.unwrap_or_default()
                ),
                subject: row.connection,
                url: None,
                since: row.held_since,
                at: row.held_since,
                occurrences: 1,
            })
            .collect();
        self.raise(KIND, false, &wrong).await?;
        let subjects = column(&wrong, |wrong| wrong.subject.clone());
        self.settle_but(KIND, &names, &subjects).await
    }
}
