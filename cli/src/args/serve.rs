//! Options of the commands that serve: `ingest`, `worker`, `up`, `demo`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::FalseyValueParser;

use super::{DATA_DIR, duration};
use crate::local;

#[derive(Debug, clap::Args)]
pub(crate) struct Ingest {
    #[command(flatten)]
    pub(crate) public: Public,
    /// Where health is told, to machines that watch and never to the world
    #[arg(long, env = "AFTERRUN_ADMIN_LISTEN", hide_env_values = true, value_name = "ADDRESS")]
    #[arg(default_value = "127.0.0.1:8082", value_parser = private)]
    pub(crate) admin_listen: SocketAddr,
    /// Shares the address with other instances, so that one can be restarted while another takes
    /// what comes (Linux)
    #[arg(long, env = "AFTERRUN_SHARE_PORT", hide_env_values = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    pub(crate) share_port: bool,
    /// How long to serve on after SIGTERM, while /readyz says 503 already: as long as a load
    /// balancer needs to notice
    #[arg(long, env = "AFTERRUN_DRAIN", hide_env_values = true, value_name = "TIME")]
    #[arg(default_value = "0s", value_parser = duration)]
    pub(crate) drain: Duration,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Worker {
    #[command(flatten)]
    pub(crate) private: Private,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Up {
    #[command(flatten)]
    pub(crate) public: Public,
    #[command(flatten)]
    pub(crate) private: Private,
    /// Where the database is kept if DATABASE_URL is not set
    #[arg(long, value_name = "DIR", default_value = DATA_DIR)]
    pub(crate) data_dir: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Demo {
    /// Ends by itself after a full tour; exit 0 only if everything it shows really happened
    #[arg(long)]
    pub(crate) once: bool,
    /// Keeps the database and the configuration here, and leaves them there at the end
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
}

/// Where webhooks come in.
#[derive(Debug, clap::Args)]
pub(crate) struct Public {
    /// Where dbt's webhooks are taken
    #[arg(long, env = "AFTERRUN_LISTEN", hide_env_values = true, value_name = "ADDRESS")]
    #[arg(default_value = local::PUBLIC, value_parser = public)]
    pub(crate) listen: SocketAddr,
}

/// Where operators look.
#[derive(Debug, clap::Args)]
pub(crate) struct Private {
    /// The private listener; beyond loopback it needs AFTERRUN_ADMIN_TOKEN in the environment
    #[arg(long, env = "AFTERRUN_ADMIN_LISTEN", hide_env_values = true, value_name = "ADDRESS")]
    #[arg(default_value = local::PRIVATE, value_parser = private)]
    pub(crate) admin_listen: SocketAddr,
}

fn public(text: &str) -> Result<SocketAddr, String> {
    local::parse(text).map_err(|what| format!("{what} (--listen or AFTERRUN_LISTEN)"))
}

fn private(text: &str) -> Result<SocketAddr, String> {
    local::parse(text).map_err(|what| format!("{what} (--admin-listen or AFTERRUN_ADMIN_LISTEN)"))
}
