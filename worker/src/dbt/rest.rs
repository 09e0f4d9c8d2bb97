//! Leaving an account of dbt alone: its limit counts everything that is asked of the account.
//!
//! Invariant: after a 429, whoever met it, no look at the account is begun and no job of it newly
//! started until the pause is over.

use std::time::Duration;

use afterrun_core::config::Source;
use afterrun_core::connection::circuit::{LONGEST_PUT_OFF, Signal};
use afterrun_core::reconcile::COOLDOWN;
use afterrun_core::{Store, StoreError};

use super::Account;
use crate::connector::ConnectorError;
use crate::targets::Targets;

/// After a rate limit at a source's API, nobody asks anything of its account for a while.
///
/// # Errors
/// The database's.
pub async fn keep_away(
    store: &Store,
    targets: &Targets,
    source: &str,
    error: &ConnectorError,
) -> Result<(), StoreError> {
    let account = targets.config().sources.get(source).and_then(account);
    match (error, account) {
        (ConnectorError::RateLimited { retry_after, .. }, Some(account)) => {
            rest(store, targets, &account, *retry_after).await
        }
        _ => Ok(()),
    }
}

/// The same after what a connection heard.
///
/// # Errors
/// The database's.
pub(crate) async fn heard(
    store: &Store,
    targets: &Targets,
    connection: &str,
    signal: &Signal,
) -> Result<(), StoreError> {
    let account = targets.connection(connection).and_then(|connection| connection.account());
    match (signal, account) {
        (Signal::SlowDown { after }, Some(account)) => rest(store, targets, &account, *after).await,
        _ => Ok(()),
    }
}

/// `after`: how long dbt asked for, if that is longer than what it documents.
async fn rest(
    store: &Store,
    targets: &Targets,
    wanted: &str,
    after: Option<Duration>,
) -> Result<(), StoreError> {
    let after = after.unwrap_or_default().clamp(COOLDOWN, LONGEST_PUT_OFF);
    let sources = targets.config().sources.iter();
    let sources = sources.filter(|(_, source)| account(source).as_deref() == Some(wanted));
    let names: Vec<_> = sources.map(|(name, _)| name.clone()).collect();
    store.pause_account(&names, after).await?;
    for (name, connection) in targets.connections() {
        if connection.account().as_deref() == Some(wanted) {
            store.heard(name, Signal::SlowDown { after: Some(after) }).await?;
        }
    }
    Ok(())
}

fn account(source: &Source) -> Option<String> {
    let (api, id) = (source.api.as_ref()?, source.account_id.as_ref()?);
    Some(Account::name(&api.base, id))
}
