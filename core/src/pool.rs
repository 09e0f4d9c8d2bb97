//! How the program connects: pools that start without a database and notice a dead connection.
//!
//! Invariant: no step on a pooled connection outlasts its limits, whatever the server or the
//! network does, a connection whose step was given up never goes back to the pool, and of those that
//! fell silent one is waited for, and the others of its time are not asked.

use std::ops::{Deref, DerefMut};
use std::str::FromStr as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::pool::{PoolConnection, PoolOptions};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions as _, PgConnection, PgPool, Postgres};
use tracing::{Level, Metadata, span};

/// How long a step waits for a connection, a new one included.
const ACQUIRE: Duration = Duration::from_secs(2);
/// A connection that rested longer than this is asked before use whether it still works.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
/// How long such a question may take; a network that drops everything gives no answer at all.
const ANSWERS_WITHIN: Duration = Duration::from_millis(500);

/// `DATABASE_URL` is not the address of a Postgres database.
#[derive(Debug, thiserror::Error)]
#[error("DATABASE_URL is not an address such as postgres://user@host/database")]
pub struct NotAnAddress(#[source] sqlx::Error);

/// Reads `DATABASE_URL`.
///
/// # Errors
/// If it is no address; its text, which may hold a password, is not repeated.
pub fn connect_options(url: &SecretString) -> Result<PgConnectOptions, NotAnAddress> {
    let read = || PgConnectOptions::from_str(url.expose_secret()).map_err(NotAnAddress);
    // The driver warns of a parameter that it does not know by its value, which may be all or a part
    // of a password.
    let heard = Heard::default();
    let options = tracing::subscriber::with_default(heard.clone(), read)?;
    if heard.0.load(Ordering::Relaxed) {
        tracing::warn!(
            "DATABASE_URL has a parameter that is not known and is left out; a `?`, `&` or `#` in \
             a password must be written as %3F, %26, %23"
        );
    }
    Ok(options)
}

/// Whether anything was warned of; what it was is not taken down.
#[derive(Clone, Default)]
struct Heard(Arc<AtomicBool>);

impl tracing::Subscriber for Heard {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// The pool of `ingest`: its statements are short, and its sender waits for ten seconds only.
pub fn ingest_pool(options: PgConnectOptions, connections: u32) -> PgPool {
    let options = settings(options, "afterrun ingest").options([("statement_timeout", "2000")]);
    resilient(connections).connect_lazy_with(options)
}

/// The pool of `worker`: planning and upkeep may take longer than storing an event.
pub fn worker_pool(options: PgConnectOptions, connections: u32) -> PgPool {
    let options = settings(options, "afterrun worker").options([
        ("statement_timeout", "7000"),
        // Planning the larger statements takes longer than doing them, and no value changes how.
        ("plan_cache_mode", "force_generic_plan"),
        // Such a plan counts weeks of the history that are left out when it runs; to compile for
        // them takes longer than any statement here.
        ("jit", "off"),
        // A plan that is kept was perhaps made when a table was small, and what is open is found by
        // an index all the same: other ways read what has ended, or is dead, over and over.
        ("enable_seqscan", "off"),
        ("enable_bitmapscan", "off"),
    ]);
    resilient(connections).connect_lazy_with(options)
}

/// The pool of the console: its pages read, and the changes made there are by hand.
pub fn console_pool(options: PgConnectOptions, connections: u32) -> PgPool {
    let options = settings(options, "afterrun console")
        .options([("statement_timeout", "5000"), ("afterrun.operator", "console")]);
    resilient(connections).connect_lazy_with(options)
}

/// A pool of one connection to the same database, for what keeps it: LISTEN.
pub(crate) fn one_beside(pool: &PgPool) -> PgPool {
    // Its last statement says little of what it is there for.
    let options = pool.connect_options().as_ref().clone().application_name("afterrun listener");
    resilient(1).idle_timeout(None).max_lifetime(None).connect_lazy_with(options)
}

/// The pool of a command by which an operator changes something, and waits for it. Who that is
/// stands in `operator_action` beside each change.
pub fn operator_pool(options: PgConnectOptions, operator: &str) -> PgPool {
    let options = settings(options, "afterrun")
        .options([("statement_timeout", "10000"), ("afterrun.operator", operator)]);
    resilient(2).connect_lazy_with(options)
}

/// The settings on which the promises rest, asked for on each connection: an answer of 2xx means
/// committed and flushed, and nothing waits for a lock longer than the sender waits for us.
fn settings(options: PgConnectOptions, name: &str) -> PgConnectOptions {
    options
        .application_name(name)
        .options([
            ("synchronous_commit", "on"),
            ("lock_timeout", "1800"),
            ("idle_in_transaction_session_timeout", "10000"),
        ])
        // A statement's text is the program's, but a slow one is news for the database's own log.
        .disable_statement_logging()
}

/// A pool that opens connections when they are needed and drops those that no longer serve.
fn resilient(connections: u32) -> PoolOptions<Postgres> {
    let silence = Silence::default();
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE)
        .idle_timeout(Duration::from_secs(60))
        .max_lifetime(Duration::from_secs(30 * 60))
        // The ping of every acquire would double the round trips of storing an event.
        .test_before_acquire(false)
        .before_acquire(move |connection, meta| {
            let silence = silence.clone();
            Box::pin(async move {
                if silence.befell(meta.age) {
                    return Ok(false);
                }
                if meta.idle_for < TRUSTED_FOR {
                    return Ok(true);
                }
                let answer = ask(connection).await;
                if matches!(answer, Answer::None) {
                    silence.note();
                }
                Ok(matches!(answer, Answer::Serves))
            })
        })
        .after_connect(|connection, _| {
            Box::pin(async move {
                if matches!(ask(connection).await, Answer::Serves) {
                    return Ok(());
                }
                // Retried by the pool until the acquire's limit.
                Err(sqlx::Error::Io(std::io::Error::other("the server is read-only or silent")))
            })
        })
}

/// When a connection was last found to be silent. Others of before are as dead, and a wait for each
/// would keep the pool from connecting anew for seconds.
#[derive(Clone, Default)]
struct Silence(Arc<Mutex<Option<Instant>>>);

impl Silence {
    fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether a connection of that age is one of before.
    fn befell(&self, age: Duration) -> bool {
        let noted = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.is_some_and(|noted| noted.elapsed() < age)
    }
}

/// What a server says when it is asked whether it can be worked with.
enum Answer {
    /// It takes writes.
    Serves,
    /// It does not, or is gone: after a failover the old primary may be a standby.
    Refuses,
    /// Nothing, which is how a dead connection looks that nobody closed.
    None,
}

async fn ask(connection: &mut PgConnection) -> Answer {
    let question =
        sqlx::query_scalar!(r#"select pg_is_in_recovery() as "standby!""#).fetch_one(connection);
    match tokio::time::timeout(ANSWERS_WITHIN, question).await {
        Ok(Ok(false)) => Answer::Serves,
        Ok(Ok(true) | Err(_)) => Answer::Refuses,
        Err(_elapsed) => Answer::None,
    }
}

/// A connection that goes back to the pool only if the step on it ended well.
///
/// A step that is dropped half-way leaves a connection of which nobody knows whether it still
/// answers; the pool would wait for that without a limit, and keep its place taken meanwhile.
#[derive(Debug)]
pub struct Lent(Option<PoolConnection<Postgres>>);

impl Lent {
    /// Takes a connection for one step.
    ///
    /// # Errors
    /// If there is none within the pool's limit.
    pub async fn from(pool: &PgPool) -> Result<Self, sqlx::Error> {
        pool.acquire().await.map(Some).map(Self)
    }

    /// The step ended well: the connection may be used again. One on which a step failed is
    /// rather replaced, since a server that turned read-only, say, refuses the next one too.
    pub fn give_back(mut self) {
        if let Some(mut connection) = self.0.take() {
            // The pool asks once more whether the connection works, without a limit of its own.
            let returning = tokio::time::timeout(ANSWERS_WITHIN, connection.return_to_pool());
            #[expect(clippy::disallowed_methods, reason = "sqlx returns connections so as well")]
            tokio::spawn(returning);
        }
    }
}

impl Deref for Lent {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        self.0.as_ref().expect("only giving it back takes it out")
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.0.as_mut().expect("only giving it back takes it out")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // Its place in the pool is free at once; a polite end could wait for the silent server.
        drop(self.0.take().map(PoolConnection::detach));
    }
}
