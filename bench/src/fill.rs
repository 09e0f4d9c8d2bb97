//! A database with a past: so many finished refreshes, as long ago as retention lets them stay.

use anyhow::Context as _;
use sqlx::{Connection as _, Executor as _};

use crate::body::{Template, chance_run_and_job, text};
use crate::database::Database;
use crate::report::whole;

/// In one statement; a few hundred megabytes.
const AT_ONCE: u64 = 100_000;

/// Fills an empty database, and leaves it as vacuum would have left it long ago.
pub(crate) async fn fill(database: &Database, rows: u64) -> anyhow::Result<()> {
    let mut template = Template::new(database.now().await?);
    let id = template.renew(0);
    let body = std::str::from_utf8(template.body())?.to_owned();
    let own = chance_run_and_job(text(&id)).map(str::to_owned);
    let mut connection = database.pool.acquire().await?;
    connection.execute(include_str!("../sql/weeks.sql")).await.context("making the weeks")?;
    for first in (1..=rows).step_by(usize::try_from(AT_ONCE)?) {
        let last = rows.min(first + AT_ONCE - 1);
        let mut transaction = connection.begin().await?;
        // What is made here refers to what is made here.
        transaction.execute("set local session_replication_role = replica").await?;
        let mut made = sqlx::query(include_str!("../sql/history.sql"))
            .bind(i64::try_from(first)?)
            .bind(i64::try_from(last)?)
            .bind(rows as f64)
            .bind(&body);
        for own in &own {
            made = made.bind(own);
        }
        made.execute(&mut *transaction).await.context("filling the history")?;
        transaction.commit().await?;
        eprintln!("{} of {} rows of history", whole(last as f64), whole(rows as f64));
    }
    for sequence in [
        "select setval(pg_get_serial_sequence('event', 'id'), (select max(id) from event))",
        "select setval(pg_get_serial_sequence('refresh', 'id'), (select max(id) from refresh))",
    ] {
        connection.execute(sequence).await?;
    }
    for table in ["event", "refresh", "refresh_cause", "attempt"] {
        let vacuum = sqlx::AssertSqlSafe(format!("vacuum (analyze) {table}"));
        connection.execute(vacuum).await.with_context(|| format!("vacuuming {table}"))?;
    }
    database.settle().await
}
