//! dbt's webhook subscriptions: listed, made, and switched on again.
//!
//! Invariant: a change sends the whole object, `active` and `job_ids` included, since dbt takes what
//! is left out for something else (docs.getdbt.com/docs/deploy/webhooks, and the v3 description).

use reqwest::Method;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::api::{Api, Envelope, Version, accepted};
use super::wire::Id;
use crate::connector::Answer;

/// dbt gives 100 at most.
const PAGE: usize = 100;

/// A subscription as dbt has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    pub id: String,
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    pub description: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub client_url: String,
    #[serde(default, deserialize_with = "or_default")]
    pub event_types: Vec<String>,
    /// None means all jobs.
    #[serde(default, deserialize_with = "ids")]
    pub job_ids: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub active: bool,
    pub deactivate_reason: Option<String>,
    /// What the last delivery was answered with; `None` before the first.
    #[serde(default, rename = "http_status_code", deserialize_with = "status")]
    pub last_status: Option<String>,
}

/// What a subscription is made of.
#[derive(Clone, Debug)]
pub struct NewSubscription {
    pub name: String,
    pub client_url: String,
    pub event_types: Vec<String>,
    /// None means all jobs.
    pub job_ids: Vec<String>,
}

impl Api {
    /// All subscriptions that the token sees.
    pub async fn subscriptions(&self) -> Answer<Vec<Subscription>> {
        let mut all: Vec<Subscription> = Vec::new();
        for page in 0.. {
            let query = [("limit", PAGE.to_string()), ("offset", (page * PAGE).to_string())];
            let path = ["webhooks", "subscriptions"];
            let envelope = self.get::<Vec<Subscription>>(Version::V3, &path, &query).await?;
            let listed = envelope.data.unwrap_or_default();
            let count = listed.len();
            all.extend(listed);
            if count < PAGE {
                break;
            }
        }
        Ok(all)
    }

    /// Makes one, and gives it with its secret, which dbt never tells again.
    pub async fn subscribe(&self, new: &NewSubscription) -> Answer<(Subscription, SecretString)> {
        #[derive(Deserialize)]
        struct Made {
            #[serde(flatten)]
            subscription: Subscription,
            hmac_secret: String,
        }
        let body = json!({
            "name": new.name,
            "client_url": new.client_url,
            "event_types": new.event_types,
            "job_ids": numbers(&new.job_ids),
            "active": true,
        });
        let made: Made = self.change(Method::POST, &["webhooks", "subscriptions"], &body).await?;
        Ok((made.subscription, made.hmac_secret.into()))
    }

    /// Lets one be as it stands here.
    pub async fn update(&self, subscription: &Subscription) -> Answer<Subscription> {
        let body = json!({
            "name": subscription.name,
            "description": subscription.description,
            "client_url": subscription.client_url,
            "event_types": subscription.event_types,
            "job_ids": numbers(&subscription.job_ids),
            "active": subscription.active,
        });
        self.change(Method::PUT, &["webhooks", "subscription", &subscription.id], &body).await
    }

    /// Removes one.
    pub async fn unsubscribe(&self, id: &str) -> Answer<()> {
        let caller = self.caller();
        let path = ["webhooks", "subscription", id];
        let request = self.request(&caller, Method::DELETE, Version::V3, &path);
        self.send::<Value>(&caller, request).await.map(drop)
    }

    /// An error of which `may_have_worked` is true leaves open whether dbt made the change.
    async fn change<T: serde::de::DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        body: &Value,
    ) -> Answer<T> {
        let caller = self.caller();
        let request = self.request(&caller, method, Version::V3, path).json(body);
        let answer = accepted(&caller, request).await.and_then(|reply| {
            let envelope: Envelope<T> = reply.json()?;
            envelope.data.ok_or_else(|| reply.not_understood("there is nothing in it"))
        });
        answer.map_err(|error| caller.shown(error))
    }
}

/// Ids as dbt's description has them; one that is no number goes as it is.
fn numbers(ids: &[String]) -> Vec<Value> {
    let number = |id: &String| id.parse::<u64>().map_or_else(|_| json!(id), |number| json!(number));
    ids.iter().map(number).collect()
}

/// Null where dbt has nothing to say.
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn ids<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let ids = Option::<Vec<Id>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(ids.into_iter().map(|id| id.0).collect())
}

/// `"0"` means that nothing was sent yet.
fn status<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let status = Option::<Id>::deserialize(deserializer)?.map(|id| id.0);
    Ok(status.filter(|status| !status.is_empty() && status != "0"))
}
