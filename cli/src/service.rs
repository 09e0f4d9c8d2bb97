//! What the commands that serve are made of: listeners, the ingest side, the worker side.

mod both;
mod ingest;
mod migrated;
mod worker;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use afterrun_console::{Access, AccessError, Keys};
use afterrun_core::config::Config;
use afterrun_core::{Store, env};
use afterrun_worker::Targets;
use afterrun_worker::http::{Http, Limits};
use anyhow::Context as _;

pub(crate) use self::both::{Listeners, serve_both};
pub(crate) use self::ingest::IngestService;
pub(crate) use self::migrated::migrate_now;
use self::migrated::{migrate_when_reachable, wait_until_ready};
pub(crate) use self::worker::WorkerService;
use crate::exit::Wrong;

/// The program's, as its metrics tell it.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The configuration file, every mistake in it found at once, the connectors' parts included.
pub(crate) fn configuration(path: &Path) -> anyhow::Result<Config> {
    let http = Http::new(Limits::default()).context("could not set up the HTTP client")?;
    Ok(Targets::load(path, &env::var, &http)?.into_config())
}

/// Opens a listening socket, naming the setting that says where.
pub(crate) fn listen(address: SocketAddr, setting: &str) -> anyhow::Result<TcpListener> {
    usable(TcpListener::bind(address), address, setting)
}

/// The same for an address on which other instances may listen too.
pub(crate) fn listen_beside(address: SocketAddr, setting: &str) -> anyhow::Result<TcpListener> {
    usable(afterrun_ingest::share(address), address, setting)
}

fn usable(
    opened: io::Result<TcpListener>,
    address: SocketAddr,
    setting: &str,
) -> anyhow::Result<TcpListener> {
    opened.and_then(|listener| listener.set_nonblocking(true).map(|()| listener)).with_context(
        || format!("could not listen on {address}; {setting} can name another address"),
    )
}

/// Ends the connections in order. One that does not end must not hold the process up.
pub(crate) async fn close(store: &Store) {
    drop(tokio::time::timeout(Duration::from_secs(2), store.pool().close()).await);
}

/// The tokens of the private listener.
pub(crate) fn keys() -> anyhow::Result<Keys> {
    let (admin, read) = (env::secret("AFTERRUN_ADMIN_TOKEN")?, env::secret("AFTERRUN_READ_TOKEN")?);
    Ok(Keys::new(admin, read).map_err(|error| Wrong(error.to_string()))?)
}

/// The private listener of `worker` and `up` shows the history and takes orders: beyond loopback
/// it is not opened without a token.
pub(crate) fn guard_private(address: SocketAddr) -> anyhow::Result<Access> {
    let keys = keys()?;
    if !address.ip().is_loopback() && keys.are_none() {
        return Err(Wrong(format!(
            "the private listener would be open to the network on {address} without a token: set \
             AFTERRUN_ADMIN_TOKEN, or let AFTERRUN_ADMIN_LISTEN name a loopback address such as \
             127.0.0.1:8081"
        ))
        .into());
    }
    let url = env::parsed::<String>("AFTERRUN_CONSOLE_URL")?;
    let wrong = |error: AccessError| match error {
        AccessError::Address => Wrong(format!("AFTERRUN_CONSOLE_URL cannot be used: {error}")),
        AccessError::Open => Wrong(format!("{error}: set AFTERRUN_ADMIN_TOKEN as well")),
    };
    Ok(Access::new(keys, url.as_deref().map(str::trim)).map_err(wrong)?)
}
