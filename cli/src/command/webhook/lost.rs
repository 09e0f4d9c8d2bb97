//! What became of a change of dbt's webhooks whose answer did not come.
//!
//! Invariant: nothing is made or changed here. What is said was read from dbt after the change, or
//! it is said that dbt could not be asked.

use afterrun_worker::connector::ConnectorError;
use afterrun_worker::dbt::Api;
use afterrun_worker::dbt::webhooks::{NewSubscription, Subscription};

use crate::output::{Paint, clean};

/// The error of a webhook that was to be made: whether there is one now, and what to do about it.
/// Its secret is lost in any case, so it is of no use.
pub(super) async fn made(
    api: &Api,
    new: &NewSubscription,
    before: &[Subscription],
    error: ConnectorError,
) -> anyhow::Error {
    if !error.may_have_worked() {
        return error.into();
    }
    let name = clean(&new.name);
    let said = match api.subscriptions().await {
        Err(_) => format!(
            "whether dbt made the webhook is not known, and its secret is lost; look for a new one \
             by the name {name} with `afterrun webhook list`, delete it in dbt, and create it again"
        ),
        Ok(now) => {
            let is_new = |one: &&Subscription| {
                one.name == new.name
                    && one.client_url == new.client_url
                    && before.iter().all(|before| before.id != one.id)
            };
            let ids: Vec<_> = now.iter().filter(is_new).map(|one| clean(&one.id)).collect();
            match ids.as_slice() {
                [] => format!(
                    "dbt lists no new webhook by the name {name}; if `afterrun webhook list` in a \
                     minute shows none either, create it again"
                ),
                ids => format!(
                    "dbt lists a new webhook {}, whose secret is lost, since dbt tells it once: \
                     delete it in dbt (Account settings, Webhooks), and create it again",
                    ids.join(" and ")
                ),
            }
        }
    };
    anyhow::Error::new(error).context(said)
}

/// The webhook as it is now, if the change was made; else the error, and what to do about it.
pub(super) async fn changed(
    api: &Api,
    wanted: &Subscription,
    error: ConnectorError,
) -> anyhow::Result<Subscription> {
    if !error.may_have_worked() {
        return Err(error.into());
    }
    let id = clean(&wanted.id);
    let Ok(all) = api.subscriptions().await else {
        let said = format!(
            "whether dbt changed webhook {id} is not known; `afterrun webhook list` shows how it \
             is, and to repair it again does no harm"
        );
        return Err(anyhow::Error::new(error).context(said));
    };
    match all.into_iter().find(|one| one.id == wanted.id) {
        Some(now) if is_as_wanted(&now, wanted) => {
            let warning = Paint::stderr().yellow("warning:");
            eprintln!(
                "{warning} dbt's answer was lost; how webhook {id} is was read from its list"
            );
            Ok(now)
        }
        Some(_) => {
            let said = format!("dbt did not change webhook {id}; repair it again");
            Err(anyhow::Error::new(error).context(said))
        }
        None => Err(anyhow::Error::new(error).context(format!("dbt has no webhook {id} any more"))),
    }
}

fn is_as_wanted(now: &Subscription, wanted: &Subscription) -> bool {
    now.active
        && now.client_url == wanted.client_url
        && wanted.event_types.iter().all(|event| now.event_types.contains(event))
}
