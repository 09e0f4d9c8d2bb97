//! The erased side: channels of any kind, as the worker holds them.

use std::collections::BTreeSet;
use std::marker::PhantomData;
use std::sync::Arc;

use afterrun_core::config::{AlertKind, Config, Mistake, Outcome};
use futures_util::future::BoxFuture;
use schemars::{Schema, SchemaGenerator};

use super::template::Template;
use super::{Answer, Message, Notifier, NotifyError, Saying, Taken};
use crate::connector::Texts;
use crate::http::{Caller, Http};

/// A notifier as the list of all of them has it.
pub trait Kind: Send + Sync {
    /// `kind` in afterrun.yml.
    fn name(&self) -> &'static str;

    /// What `afterrun schema` says of this kind's keys.
    fn schema(&self, generator: &mut SchemaGenerator) -> Schema;

    /// Parses the settings of the channel of that name. Calls nobody.
    fn open(
        &self,
        http: &Http,
        config: &Config,
        name: &str,
    ) -> Result<Arc<dyn OpenChannel>, Vec<Mistake>>;
}

/// A channel, ready to be told. Each operation ends within `Limits::operation`.
pub trait OpenChannel: Send + Sync {
    fn kind(&self) -> &'static str;

    /// How many things one message tells of at most.
    fn most(&self) -> usize;

    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Sent<Taken>>;

    /// What can be found out without a message.
    fn check(&self) -> BoxFuture<'_, Sent<String>>;
}

/// What came of it, and the last HTTP status on the way to it.
#[derive(Debug)]
pub struct Sent<T> {
    pub answer: Answer<T>,
    pub http_status: Option<u16>,
}

/// Makes a `Kind` of a notifier.
pub struct Registered<N>(PhantomData<fn() -> N>);

impl<N: Notifier> Registered<N> {
    #[expect(clippy::new_without_default, reason = "only the list of notifiers makes one")]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<N: Notifier> Kind for Registered<N> {
    fn name(&self) -> &'static str {
        N::KIND
    }

    fn schema(&self, generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<N::Settings>()
    }

    fn open(
        &self,
        http: &Http,
        config: &Config,
        name: &str,
    ) -> Result<Arc<dyn OpenChannel>, Vec<Mistake>> {
        let source = config.channels.get(name).and_then(|channel| channel.template.as_deref());
        let template = Template::parse(source, &told(config, name))
            .map_err(|what| vec![config.mistake(&["channels", name, "template"], &what)]);
        let settings = config.parse::<N::Settings>(&["channels", name]);
        let (settings, template) = match (settings, template) {
            (Ok(settings), Ok(template)) => (settings, template),
            (settings, template) => {
                let mistakes = settings.err().into_iter().chain(template.err());
                return Err(mistakes.flatten().collect());
            }
        };
        let secrets = N::secrets(&settings);
        let http = http.hiding(secrets.iter().map(String::as_str));
        Ok(Arc::new(Opened::<N> { http, settings, template }))
    }
}

/// What a channel is told of by today's alerts and routes; if by none, what any may be told of.
fn told(config: &Config, name: &str) -> Vec<(&'static str, Saying)> {
    let names = |notify: &[String]| notify.iter().any(|channel| channel == name);
    let alerts = config.alerts.iter().filter(|alert| names(&alert.notify));
    let kinds: BTreeSet<&str> =
        alerts.flat_map(|alert| &alert.on).map(|kind| kind.as_str()).collect();
    let routes = config.routes.iter().filter(|route| names(&route.notify));
    let outcomes = routes.flat_map(|route| &route.on);
    let runs = outcomes.flat_map(|outcome| match outcome {
        Outcome::Error | Outcome::Cancelled => &[Saying::Open, Saying::Resolved][..],
        Outcome::Success | Outcome::Started => &[Saying::Once][..],
    });
    let runs = runs.map(|saying| ("run", *saying));
    let both = |kind| [(kind, Saying::Open), (kind, Saying::Resolved)];
    let told: Vec<_> = kinds.into_iter().flat_map(both).chain(runs).collect();
    if told.is_empty() { both(AlertKind::RefreshFailed.as_str()).to_vec() } else { told }
}

/// A channel of a known kind.
struct Opened<N: Notifier> {
    http: Http,
    settings: N::Settings,
    template: Template,
}

impl<N: Notifier> OpenChannel for Opened<N> {
    fn kind(&self) -> &'static str {
        N::KIND
    }

    fn most(&self) -> usize {
        N::MOST
    }

    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Sent<Taken>> {
        Box::pin(async move {
            let http = self.http.caller();
            let worded = message.notes.iter().map(|note| self.template.worded(note));
            let message = Message { notes: worded.collect() };
            let answer = N::send(&http, &self.settings, &message).await;
            sent(&http, answer)
        })
    }

    fn check(&self) -> BoxFuture<'_, Sent<String>> {
        Box::pin(async {
            let http = self.http.caller();
            let answer = N::check(&http, &self.settings).await;
            sent(&http, answer)
        })
    }
}

/// The one way out for every answer.
fn sent<T: Texts>(http: &Caller, answer: Answer<T>) -> Sent<T> {
    let answer = match answer {
        Ok(said) => Ok(http.shown(said)),
        Err(error) => Err(http.shown(error)),
    };
    let http_status = match &answer {
        Ok(_) => http.last_status(),
        Err(error) => error.http_status(),
    };
    Sent { answer, http_status }
}

impl Texts for Taken {
    fn each_text(&mut self, change: &dyn Fn(&mut String)) {
        self.but.each_text(change);
    }
}

impl Texts for NotifyError {
    fn each_text(&mut self, change: &dyn Fn(&mut String)) {
        match self {
            Self::Http(error) => error.each_text(change),
            Self::Mail { text, .. } | Self::Unfit(text) => change(text),
        }
    }
}
