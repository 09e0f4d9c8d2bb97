//! A console on a port of its own, asked over plain sockets, so that every byte of a request is ours.
#![allow(dead_code, clippy::allow_attributes, reason = "each test file uses a part of it")]

mod queue;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use afterrun_console::{Access, Console, Health, Keys, Scrape, serve_console};
use afterrun_core::config::Config;
use afterrun_core::event::Delivery;
use afterrun_core::metrics::Metrics;
use afterrun_core::{Clock, Store};
use sqlx::PgPool;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) const ADMIN: &str = "the-token-of-admins";
pub(crate) const READ: &str = "the-read-only-token";

pub(crate) const CONFIG: &str = "
sources: { prod: { kind: dbt, secrets: [some-secret] } }
connections: { mode: { kind: mode } }
targets:
  sales: { connection: mode }
  churn: { connection: mode }
  orders: { connection: mode }
routes:
  - { name: nightly, on: success, jobs: [1], refresh: [sales] }
  - { name: of-orders, on: success, jobs: [2], refresh: [orders] }
  - { name: tell, on: error, jobs: [7], notify: [chat] }
channels:
  chat: { kind: slack, url: 'https://hooks.slack.example/services/T0/B0/hush' }
  pager: { kind: pagerduty, routing_key: hush }
";

/// A console that serves until this is dropped.
pub(crate) struct Scene {
    pub(crate) address: SocketAddr,
    pub(crate) store: Store,
    pub(crate) config: Arc<Config>,
    _served: JoinSet<std::io::Result<()>>,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// The value of a header that is there.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    /// `name=value` of the cookie that is set.
    pub(crate) fn cookie(&self) -> &str {
        self.header("set-cookie").unwrap().split(';').next().unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Scene {
    /// With both tokens.
    pub(crate) fn guarded(pool: &PgPool) -> Self {
        let keys = Keys::new(Some(ADMIN.into()), Some(READ.into())).unwrap();
        Self::of(pool, Access::new(keys, None).unwrap())
    }

    /// Without any.
    pub(crate) fn open(pool: &PgPool) -> Self {
        Self::of(pool, Access::default())
    }

    pub(crate) fn of(pool: &PgPool, access: Access) -> Self {
        let now = "2026-11-20T06:00:00Z".parse().unwrap();
        Self::on(Store::new(pool.clone(), Clock::fixed_at(now)), access)
    }

    pub(crate) fn on(store: Store, access: Access) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let health = Health::new(store.clone(), CancellationToken::new());
        let scrape = Scrape::new(Metrics::of("0", &[], None), access.keys().clone());
        let config = Config::from_text(Path::new("afterrun.yml"), CONFIG, &|_| None);
        let config = Arc::new(config.unwrap());
        let in_force = Arc::clone(&config);
        let console = Console::new(store.clone(), move || Arc::clone(&in_force));
        let serving = serve_console(listener, health, scrape, console, access).unwrap();
        let address = serving.address();
        let mut served = JoinSet::new();
        served.spawn(serving.run(CancellationToken::new()));
        Self { address, store, config, _served: served }
    }

    /// Takes an event in, of a run of job 1 that ended well, and plans it.
    pub(crate) async fn event(&self, source: &str, id: &str) {
        let body = format!(
            r#"{{"eventId": "{id}", "eventType": "job.run.completed",
                "data": {{"jobId": 1, "jobName": "Nightly", "runId": "{id}", "runStatus": "Success"}}}}"#
        );
        let keys_kept = std::time::Duration::from_secs(24 * 60 * 60);
        let delivery = Delivery { source, body: body.as_bytes(), keys_kept };
        self.store.store(&delivery).await.unwrap();
        self.store.plan_next(&self.config).await.unwrap().unwrap();
    }

    pub(crate) async fn get(&self, path: &str, headers: &str) -> Answer {
        self.ask("GET", path, headers, "").await
    }

    /// Headers end with `\r\n` each; `Host` is this one's unless it is among them.
    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let mut client = TcpStream::connect(self.address).await.unwrap();
        let host = match headers.to_lowercase().contains("host: ") {
            true => String::new(),
            false => format!("Host: {}\r\n", self.address),
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\n{host}{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        client.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// `Origin` of a page of this console.
    pub(crate) fn origin(&self) -> String {
        format!("Origin: http://{}\r\n", self.address)
    }

    /// Shows a token as a browser's form does.
    pub(crate) async fn sign_in(&self, token: &str) -> Answer {
        let headers = format!("{}{HTML}{FORM}", self.origin());
        self.ask("POST", "/sign-in", &headers, &format!("token={token}&next=%2Fevents")).await
    }

    /// The header by which a browser is signed in.
    pub(crate) async fn session(&self, token: &str) -> String {
        let answer = self.sign_in(token).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        format!("Cookie: other=1; {}\r\n", answer.cookie())
    }
}

pub(crate) const HTML: &str = "Accept: text/html,application/xhtml+xml\r\n";
pub(crate) const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

pub(crate) fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}
