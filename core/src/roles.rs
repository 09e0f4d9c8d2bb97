//! Database roles with the least rights: one that receives, one that works, one that reads.
//!
//! Invariant: a role may do what its program does and nothing else; whoever migrates owns the
//! schema. Rights are data definition, which no macro checks, so they stand in files of their own.

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::{Connection as _, PgConnection};

use crate::{Doing as _, StoreError};

/// Of `afterrun ingest`.
pub const INGEST: &str = "afterrun_ingest";
/// Of `afterrun worker`, and of the commands by which operators look and act.
pub const WORKER: &str = "afterrun_worker";

/// Makes the roles that are missing. Their rights come with the next [`grant`].
///
/// # Errors
/// If who is connected may not make roles.
pub async fn create(connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::raw_sql(include_str!("roles/create.sql"))
        .execute(connection)
        .await
        .doing("make the database roles")?;
    Ok(())
}

/// Lets a role log in by this password.
///
/// # Errors
/// If there is no such role, or who is connected may not change it.
pub async fn let_in(
    connection: &mut PgConnection,
    role: &str,
    password: &SecretString,
) -> Result<(), StoreError> {
    const DOING: &str = "set the password of a database role";
    let mut transaction = connection.begin().await.doing(DOING)?;
    // Two that change a role at once are refused by the server; here they take turns.
    sqlx::raw_sql("select pg_advisory_xact_lock(hashtext('afterrun roles'))")
        .execute(&mut *transaction)
        .await
        .doing(DOING)?;
    // `alter role` takes no parameters: both go by way of settings, and are quoted by the server.
    sqlx::query!(
        "select set_config('afterrun.role', $1, true) as role, set_config('afterrun.password', $2, true) as word",
        role,
        password.expose_secret(),
    )
    .fetch_one(&mut *transaction)
    .await
    .doing(DOING)?;
    let alter = "do $$ begin execute format('alter role %I login password %L', \
                 current_setting('afterrun.role'), current_setting('afterrun.password')); end $$";
    sqlx::raw_sql(alter).execute(&mut *transaction).await.doing(DOING)?;
    transaction.commit().await.doing(DOING)
}

/// Gives each role that exists its rights, and no others. To be called by the owner of the schema,
/// by one at a time.
///
/// # Errors
/// If who is connected does not own the tables.
pub async fn grant(connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::raw_sql(include_str!("roles/grants.sql"))
        .execute(connection)
        .await
        .doing("give the database roles their rights")?;
    Ok(())
}
