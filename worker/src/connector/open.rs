//! The erased side: connections and targets of any kind, as the worker holds them.

use std::marker::PhantomData;
use std::sync::Arc;

use afterrun_core::config::{Config, Mistake};
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use schemars::{Schema, SchemaGenerator};

use super::{
    Answer, Cancelled, Connector, Context, Looked, Polled, Refresh, Secret, Texts, Triggered,
};
use crate::http::{Caller, Http};

/// A connector as the list of all of them has it.
pub trait Kind: Send + Sync {
    /// `kind` in afterrun.yml.
    fn name(&self) -> &'static str;

    /// What `afterrun schema` says of this kind's keys.
    fn schemas(&self, generator: &mut SchemaGenerator) -> Schemas;

    /// Parses the settings of the connection of that name. Calls nobody.
    fn open(
        &self,
        http: &Http,
        config: &Config,
        name: &str,
    ) -> Result<Arc<dyn OpenConnection>, Vec<Mistake>>;
}

/// The keys of a connection and of a target, without those that every kind has.
pub struct Schemas {
    pub connection: Schema,
    pub target: Schema,
}

/// A connection with its login, shared by its targets. Reading the configuration anew makes
/// new ones.
pub trait OpenConnection: Send + Sync {
    /// Parses the settings of the target of that name. Calls nobody.
    fn target(&self, config: &Config, name: &str) -> Result<Arc<dyn OpenTarget>, Vec<Mistake>>;

    /// Whom the tool counts its calls for, if not for the connection alone.
    fn account(&self) -> Option<String>;

    /// Signs in and says what it found. Also keeps alive what dies of disuse.
    fn check(&self) -> BoxFuture<'_, Called<String>>;
}

/// One target, ready to be called. Each operation ends within `Limits::operation`.
pub trait OpenTarget: Send + Sync {
    fn kind(&self) -> &'static str;
    fn trigger<'a>(&'a self, refresh: Refresh<'a>) -> BoxFuture<'a, Called<Triggered>>;
    fn poll<'a>(&'a self, remote_id: &'a str) -> BoxFuture<'a, Called<Polled>>;
    fn find<'a>(
        &'a self,
        refresh: Refresh<'a>,
        since: DateTime<Utc>,
    ) -> BoxFuture<'a, Called<Looked>>;
    fn cancel<'a>(&'a self, remote_id: &'a str) -> BoxFuture<'a, Called<Cancelled>>;
    fn check(&self) -> BoxFuture<'_, Called<String>>;
}

/// An answer, and the last HTTP status on the way to it, for the record of the attempt.
#[derive(Debug)]
pub struct Called<T> {
    pub answer: Answer<T>,
    pub http_status: Option<u16>,
}

/// Makes a `Kind` of a connector.
pub struct Registered<C>(PhantomData<fn() -> C>);

impl<C: Connector> Registered<C> {
    #[expect(clippy::new_without_default, reason = "only the list of connectors makes one")]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<C: Connector> Kind for Registered<C> {
    fn name(&self) -> &'static str {
        C::KIND
    }

    fn schemas(&self, generator: &mut SchemaGenerator) -> Schemas {
        Schemas {
            connection: generator.subschema_for::<C::Connection>(),
            target: generator.subschema_for::<C::Target>(),
        }
    }

    fn open(
        &self,
        http: &Http,
        config: &Config,
        name: &str,
    ) -> Result<Arc<dyn OpenConnection>, Vec<Mistake>> {
        let path = ["connections", name];
        let settings = config.parse::<C::Connection>(&path)?;
        Ok(Arc::new(Opened::<C>::new(http, settings)))
    }
}

/// A connection of a known kind.
pub(crate) struct Opened<C: Connector>(Arc<Shared<C>>);

struct Shared<C: Connector> {
    http: Http,
    settings: C::Connection,
    session: C::Session,
}

/// A target of a known kind.
struct OpenedTarget<C: Connector> {
    connection: Arc<Shared<C>>,
    settings: C::Target,
}

impl<C: Connector> Opened<C> {
    pub(crate) fn new(http: &Http, settings: C::Connection) -> Self {
        let http = http.hiding(C::secrets(&settings).into_iter().map(Secret::expose));
        Self(Arc::new(Shared { http, settings, session: C::Session::default() }))
    }

    pub(crate) fn with_target(&self, settings: C::Target) -> Arc<dyn OpenTarget> {
        Arc::new(OpenedTarget::<C> { connection: Arc::clone(&self.0), settings })
    }
}

impl<C: Connector> Shared<C> {
    fn context<'a>(&'a self, http: &'a Caller) -> Context<'a, C> {
        Context { http, connection: &self.settings, session: &self.session }
    }
}

impl<C: Connector> OpenConnection for Opened<C> {
    fn target(&self, config: &Config, name: &str) -> Result<Arc<dyn OpenTarget>, Vec<Mistake>> {
        let path = ["targets", name];
        Ok(self.with_target(config.parse::<C::Target>(&path)?))
    }

    fn account(&self) -> Option<String> {
        C::account(&self.0.settings)
    }

    fn check(&self) -> BoxFuture<'_, Called<String>> {
        Box::pin(async {
            let http = self.0.http.caller();
            let answer = C::check_connection(self.0.context(&http)).await;
            called(&http, answer)
        })
    }
}

impl<C: Connector> OpenTarget for OpenedTarget<C> {
    fn kind(&self) -> &'static str {
        C::KIND
    }

    fn trigger<'a>(&'a self, refresh: Refresh<'a>) -> BoxFuture<'a, Called<Triggered>> {
        Box::pin(async move {
            let http = self.connection.http.caller();
            let answer = C::trigger(self.connection.context(&http), &self.settings, refresh).await;
            called(&http, answer)
        })
    }

    fn poll<'a>(&'a self, remote_id: &'a str) -> BoxFuture<'a, Called<Polled>> {
        Box::pin(async move {
            let http = self.connection.http.caller();
            let answer = C::poll(self.connection.context(&http), &self.settings, remote_id).await;
            called(&http, answer)
        })
    }

    fn find<'a>(
        &'a self,
        refresh: Refresh<'a>,
        since: DateTime<Utc>,
    ) -> BoxFuture<'a, Called<Looked>> {
        Box::pin(async move {
            let http = self.connection.http.caller();
            let cx = self.connection.context(&http);
            let answer = C::find(cx, &self.settings, refresh, since).await;
            called(&http, answer)
        })
    }

    fn cancel<'a>(&'a self, remote_id: &'a str) -> BoxFuture<'a, Called<Cancelled>> {
        Box::pin(async move {
            let http = self.connection.http.caller();
            let answer = C::cancel(self.connection.context(&http), &self.settings, remote_id).await;
            called(&http, answer)
        })
    }

    fn check(&self) -> BoxFuture<'_, Called<String>> {
        Box::pin(async {
            let http = self.connection.http.caller();
            let answer = C::check_target(self.connection.context(&http), &self.settings).await;
            called(&http, answer)
        })
    }
}

/// The one way out for every answer. An error knows its own status best: a later call may have been
/// answered better.
fn called<T: Texts>(http: &Caller, answer: Answer<T>) -> Called<T> {
    let answer = answer.map(|said| http.shown(said)).map_err(|error| http.shown(error));
    let http_status = match &answer {
        Ok(_) => http.last_status(),
        Err(error) => error.http_status(),
    };
    Called { answer, http_status }
}
