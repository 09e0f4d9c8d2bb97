//! One account of dbt's Admin API: where it is, by which token, and what its answers mean.
//!
//! Wire facts: docs.getdbt.com/dbt-cloud/api-v2 and dbt-labs/dbt-cloud-openapi-spec.

use std::time::Duration;

use afterrun_core::config::Source;
use afterrun_core::reconcile::COOLDOWN;
use reqwest::{Method, RequestBuilder, Url, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::connector::{Answer, ConnectorError, join};
use crate::http::{Caller, Http, Reply};

/// An account and a token of it, asked by a sender of its own.
#[derive(Clone)]
pub struct Api {
    http: Http,
    account: Account,
}

/// What every call about an account carries, whoever sends it: where it goes, and by which token.
#[derive(Clone)]
pub(crate) struct Account {
    base: Url,
    id: String,
    token: SecretString,
}

/// What an answer holds beside its status.
#[derive(Deserialize)]
pub(crate) struct Envelope<T> {
    /// Null on errors, and in some lists in place of an empty one.
    pub(crate) data: Option<T>,
    pub(crate) extra: Option<Extra>,
}

#[derive(Deserialize)]
pub(crate) struct Extra {
    pub(crate) pagination: Option<Pagination>,
}

#[derive(Deserialize)]
pub(crate) struct Pagination {
    pub(crate) total_count: Option<u64>,
}

impl Api {
    /// Of a source with `api`.
    pub fn of(http: &Http, source: &Source) -> Option<Self> {
        let api = source.api.as_ref()?;
        let account = source.account_id.clone()?;
        Some(Self::new(http, api.base.clone(), account, api.token.clone()))
    }

    /// Of an account whose id is a number.
    pub fn new(http: &Http, base: Url, account: String, token: SecretString) -> Self {
        let http = http.hiding([token.expose_secret()]);
        Self { http, account: Account::new(base, account, token) }
    }

    /// The account's id.
    pub fn account(&self) -> &str {
        &self.account.id
    }

    /// Asks for something of the account: `["runs"]` is `…/accounts/4711/runs/`.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        version: Version,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Answer<Envelope<T>> {
        let caller = self.caller();
        let request = self.request(&caller, Method::GET, version, path).query(query);
        self.send(&caller, request).await
    }

    /// The sender for one call, whose time starts now.
    pub(super) fn caller(&self) -> Caller {
        self.http.caller()
    }

    /// Sends it, and reads what dbt says.
    pub(super) async fn send<T: DeserializeOwned>(
        &self,
        caller: &Caller,
        request: RequestBuilder,
    ) -> Answer<Envelope<T>> {
        let answer = accepted(caller, request).await.and_then(|reply| reply.json());
        answer.map_err(|error| caller.shown(error))
    }

    /// The same for one that takes longer, or is answered with more.
    pub(super) fn caller_for(&self, operation: Duration, most_bytes: usize) -> Caller {
        self.http.caller_for(operation, most_bytes)
    }

    pub(super) fn request(
        &self,
        caller: &Caller,
        method: Method,
        version: Version,
        path: &[&str],
    ) -> RequestBuilder {
        self.account.request(caller, method, version, path)
    }
}

impl Account {
    /// Of an account whose id is a number.
    pub(crate) fn new(base: Url, id: String, token: SecretString) -> Self {
        Self { base, id, token }
    }

    /// What an account's calls are counted by: its number, and where that means this account.
    pub(crate) fn name(base: &Url, id: &str) -> String {
        format!("{base} {id}")
    }

    /// The paths of v2 end in a slash, those of its files and of webhooks do not.
    pub(crate) fn request(
        &self,
        caller: &Caller,
        method: Method,
        version: Version,
        path: &[&str],
    ) -> RequestBuilder {
        let (name, end) = match version {
            Version::V2 => ("v2", Some("")),
            Version::V2File => ("v2", None),
            Version::V3 => ("v3", None),
        };
        let start = ["api", name, "accounts", &self.id];
        let url = join(&self.base, start.into_iter().chain(path.iter().copied()).chain(end));
        let mut token =
            match header::HeaderValue::try_from(format!("Token {}", self.token.expose_secret())) {
                Ok(token) => token,
                // No header can carry it: dbt refuses the call that comes without one.
                Err(_) => return caller.request(method, url),
            };
        token.set_sensitive(true);
        caller.request(method, url).header(header::AUTHORIZATION, token)
    }
}

/// Sends it, and takes nothing but a success.
pub(crate) async fn accepted(caller: &Caller, request: RequestBuilder) -> Answer<Reply> {
    match caller.send(request).await? {
        reply if reply.is_success() => Ok(reply),
        reply => Err(refusal(&reply)),
    }
}

/// Runs and jobs are in the one, webhooks and projects in the other.
#[derive(Clone, Copy)]
pub(crate) enum Version {
    V2,
    V2File,
    V3,
}

/// What a status means here, with dbt's own words.
pub(super) fn refusal(reply: &Reply) -> ConnectorError {
    #[derive(Default, Deserialize)]
    struct Refused {
        #[serde(default)]
        status: Status,
    }
    #[derive(Default, Deserialize)]
    struct Status {
        user_message: Option<Value>,
        developer_message: Option<Value>,
    }
    let Status { user_message, developer_message } =
        serde_json::from_slice::<Refused>(&reply.body).unwrap_or_default().status;
    let words = |text: Option<Value>| match text {
        Some(Value::String(text)) if !text.trim().is_empty() => Some(text),
        _ => None,
    };
    let message = words(user_message).or_else(|| words(developer_message)).unwrap_or_default();
    match reply.refusal(None, &message) {
        // There is no Retry-After on these paths: the pause is dbt's documented one, or longer.
        ConnectorError::RateLimited { said, retry_after } => {
            let retry_after = Some(retry_after.unwrap_or(Duration::ZERO).max(COOLDOWN));
            ConnectorError::RateLimited { said, retry_after }
        }
        error => error,
    }
}
