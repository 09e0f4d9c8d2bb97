//! Who did what by hand: one row for each wish, granted or refused.
//!
//! Invariant: a row is written in the transaction of its effect, so there is neither one without
//! the other.

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::{Doing as _, Store, StoreError};

/// Who acts, where it is not the one that the connection is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    /// As people know them: `admin session 12`.
    pub operator: String,
    pub address: Option<IpAddr>,
}

impl Store {
    /// The same database, where what is done now is done by them.
    #[must_use]
    pub fn acting(&self, by: By) -> Self {
        Self { by: Some(Arc::new(by)), ..self.clone() }
    }
}

/// A wish, as the audit has it.
#[derive(Debug)]
pub(crate) struct Action<'a> {
    pub(crate) action: &'static str,
    /// What the subject names: `event`, `refresh`, `target`, `connection`, `session`, `notice`.
    pub(crate) kind: &'static str,
    pub(crate) subject: &'a str,
    /// What else was asked for; an object.
    pub(crate) arguments: Value,
}

impl<'a> Action<'a> {
    pub(crate) fn of_refresh(action: &'static str, id: &'a str) -> Self {
        Self { action, kind: "refresh", subject: id, arguments: json!({}) }
    }

    /// Notes what came of it, in words, or why it was refused.
    pub(crate) async fn note(
        &self,
        store: &Store,
        transaction: &mut PgConnection,
        result: Result<&str, &str>,
    ) -> Result<(), StoreError> {
        let (Ok(words) | Err(words)) = result;
        let by = store.by.as_deref();
        sqlx::query!(
            r#"
            insert into operator_action (
                at, action, kind, subject, arguments, granted, result, operator, address
            )
            values (
                coalesce($1, clock_timestamp()), $2, $3, $4, $5, $6, $7,
                coalesce($8, nullif(current_setting('afterrun.operator', true), ''), 'unknown'),
                $9::text::inet
            )
            "#,
            store.now(),
            self.action,
            self.kind,
            self.subject,
            self.arguments,
            result.is_ok(),
            words,
            by.map(|by| by.operator.as_str()),
            by.and_then(|by| by.address).map(|address| address.to_string()),
        )
        .execute(transaction)
        .await
        .doing("note who did what")?;
        Ok(())
    }
}
