//! Who is signed in to the console: kept in the database, so that a worker may be restarted and any of
//! several may be asked.
//!
//! Invariants: what is kept signs nobody in; a session ends [`IDLE`] after somebody last used it and
//! [`ABSOLUTE`] after it began, whatever is done; what a page asks by itself is no use of it; there are
//! no more than `MOST` of a role, and those of one end none of another.

use std::time::Duration;

use serde_json::json;
use sqlx::{Connection as _, PgConnection};

use crate::event::interval;
use crate::operator::Action;
use crate::pool::Lent;
use crate::store::bounded;
use crate::{Doing as _, Store, StoreError};

/// A session that nobody used for so long has ended.
pub const IDLE: Duration = Duration::from_secs(2 * 60 * 60);

/// No session lasts longer.
pub const ABSOLUTE: Duration = Duration::from_secs(12 * 60 * 60);

/// Older ones of a role end when it has more.
const MOST: i64 = 200;

/// What the database knows a browser's cookie by.
pub type CookieMac = [u8; 32];

/// Who asks by a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Somebody who sits there.
    Person,
    /// An open page by itself, which goes on for as long as the browser runs.
    Page,
}

/// A session that has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    pub id: i64,
    /// Which of those that were asked for it is of.
    pub cookie_mac: CookieMac,
}

impl Store {
    /// Begins a session, and forgets those that have ended. Gives its number.
    pub async fn sign_in(&self, cookie_mac: &CookieMac, role: &str) -> Result<i64, StoreError> {
        const DOING: &str = "sign somebody in";
        bounded(DOING, async {
            let mut lent = Lent::from(&self.pool).await.doing(DOING)?;
            let mut transaction = lent.begin().await.doing(DOING)?;
            self.forget_sessions(&mut transaction, role).await?;
            let id = sqlx::query_scalar!(
                r#"
                insert into console_session (cookie_mac, signed_in_at, seen_at, role)
                values ($1, coalesce($2, now()), coalesce($2, now()), $3)
                returning id
                "#,
                cookie_mac.as_slice(),
                self.now(),
                role,
            )
            .fetch_one(&mut *transaction)
            .await
            .doing(DOING)?;
            let (number, result) = (id.to_string(), format!("signed in as {role}"));
            let action = of_session("sign_in", &number);
            action.note(self, &mut transaction, Ok(&result)).await?;
            transaction.commit().await.doing(DOING)?;
            lent.give_back();
            Ok(id)
        })
        .await
    }

    async fn forget_sessions(
        &self,
        transaction: &mut PgConnection,
        role: &str,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            r#"
            delete from console_session
            where seen_at <= coalesce($1, now()) - $2::interval
                or signed_in_at <= coalesce($1, now()) - $3::interval
                -- The one that begins is one of the most.
                or role = $5 and id <= (
                    select id from console_session where role = $5 order by id desc offset $4 limit 1
                )
            "#,
            self.now(),
            interval(IDLE),
            interval(ABSOLUTE),
            MOST - 1,
            role,
        )
        .execute(transaction)
        .await
        .doing("forget sessions that have ended")?;
        Ok(())
    }

    /// The session that one of these is of, and which has not ended.
    pub async fn session(
        &self,
        macs: &[CookieMac],
        by: Use,
    ) -> Result<Option<Session>, StoreError> {
        let macs: Vec<&[u8]> = macs.iter().map(<[u8; 32]>::as_slice).collect();
        let found = self
            .step("look who is signed in", async |connection| {
                let found = sqlx::query!(
                    r#"
                    select
                        id,
                        cookie_mac,
                        seen_at < coalesce($2, now()) - interval '1 minute' as "is_due!"
                    from console_session
                    where cookie_mac = any ($1)
                        and seen_at > coalesce($2, now()) - $3::interval
                        and signed_in_at > coalesce($2, now()) - $4::interval
                    limit 1
                    "#,
                    &macs as _,
                    self.now(),
                    interval(IDLE),
                    interval(ABSOLUTE),
                )
                .fetch_optional(&mut *connection)
                .await?;
                let used = found.as_ref().filter(|found| found.is_due && by == Use::Person);
                if let Some(found) = used {
                    sqlx::query!(
                        r#"update console_session set seen_at = coalesce($2, now()) where id = $1"#,
                        found.id,
                        self.now(),
                    )
                    .execute(connection)
                    .await?;
                }
                Ok(found)
            })
            .await?;
        Ok(found.and_then(|found| {
            Some(Session { id: found.id, cookie_mac: found.cookie_mac.try_into().ok()? })
        }))
    }

    /// The numbers of those that have not ended.
    pub async fn sessions(&self) -> Result<Vec<i64>, StoreError> {
        self.step("look who is signed in still", async |connection| {
            sqlx::query_scalar!(
                r#"
                select id
                from console_session
                where seen_at > coalesce($1, now()) - $2::interval
                    and signed_in_at > coalesce($1, now()) - $3::interval
                "#,
                self.now(),
                interval(IDLE),
                interval(ABSOLUTE),
            )
            .fetch_all(connection)
            .await
        })
        .await
    }

    /// Ends a session. That it has ended already is as well.
    pub async fn sign_out(&self, id: i64) -> Result<(), StoreError> {
        const DOING: &str = "sign somebody out";
        bounded(DOING, async {
            let mut lent = Lent::from(&self.pool).await.doing(DOING)?;
            let mut transaction = lent.begin().await.doing(DOING)?;
            sqlx::query!("delete from console_session where id = $1", id)
                .execute(&mut *transaction)
                .await
                .doing(DOING)?;
            let number = id.to_string();
            of_session("sign_out", &number).note(self, &mut transaction, Ok("signed out")).await?;
            transaction.commit().await.doing(DOING)?;
            lent.give_back();
            Ok(())
        })
        .await
    }

    /// Notes that somebody showed a wrong token, and how many more did of whom nothing was noted.
    pub async fn note_refused_sign_in(&self, more: u64) -> Result<(), StoreError> {
        const DOING: &str = "note a refused sign-in";
        let result = match more {
            0 => "wrong token".to_owned(),
            more => format!("wrong token; {more} more since the line before are not noted"),
        };
        self.step(DOING, async |connection| {
            let noted = of_session("sign_in", "none").note(self, connection, Err(&result)).await;
            noted.map_err(|error| error.source)
        })
        .await
    }
}

fn of_session<'a>(action: &'static str, subject: &'a str) -> Action<'a> {
    Action { action, kind: "session", subject, arguments: json!({}) }
}
