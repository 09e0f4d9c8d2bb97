//! Mode and Tableau, played in this process, strict, and remembering every call.

use std::net::SocketAddr;
use std::time::Duration;

use afterrun_simulators::mode::Report;
use afterrun_simulators::tableau::Item;
use afterrun_simulators::{Faults, Mode, ModeOptions, Pace, Tableau, TableauOptions};
use anyhow::Context as _;

use crate::estate::{self, Tool, canary};

/// Long enough to be polled more than once now and then, short enough for thousands of them.
const PACE: Pace = Pace::millis(5, 250);

pub(crate) struct Tools {
    pub(crate) mode: Mode,
    pub(crate) tableau: Tableau,
    addresses: [SocketAddr; 2],
    app: App,
    secrets: Vec<String>,
}

/// A connected app: workers beside each other sign in with it without ending each other's session.
struct App {
    client_id: String,
    secret_id: String,
    username: String,
}

impl Tools {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let (token, mode_secret, tableau_secret) =
            (canary("mode-token"), canary("mode-secret"), canary("tableau-secret"));
        let options = ModeOptions {
            pace: PACE,
            token: token.clone(),
            secret: mode_secret.clone(),
            ..ModeOptions::default()
        };
        let mode = Mode::start(options).await.context("starting the played Mode")?;
        let options = TableauOptions {
            pace: PACE,
            secret_value: tableau_secret.clone(),
            session_lasts: Duration::from_secs(60),
            ..TableauOptions::default()
        };
        let app = App {
            client_id: options.client_id.clone(),
            secret_id: options.secret_id.clone(),
            username: options.username.clone(),
        };
        let tableau = Tableau::start(options).await.context("starting the played Tableau")?;
        for target in estate::targets() {
            match target.tool {
                Tool::Mode => mode.add_report(Report::new(target.item, target.name)),
                Tool::Tableau => {
                    tableau.add_workbook(Item::new(target.item, "Finance"));
                }
            }
        }
        let addresses = [address(&mode.url())?, address(&tableau.url())?];
        let secrets = vec![token, mode_secret, tableau_secret];
        Ok(Self { mode, tableau, addresses, app, secrets })
    }

    pub(crate) fn mode_address(&self) -> SocketAddr {
        self.addresses[0]
    }

    pub(crate) fn tableau_address(&self) -> SocketAddr {
        self.addresses[1]
    }

    /// The part of a configuration that says how to reach them by these roads.
    pub(crate) fn connections(&self, mode: SocketAddr, tableau: SocketAddr) -> String {
        let (workspace, token, secret) =
            (self.mode.workspace(), self.mode.token(), self.mode.secret());
        let App { client_id, secret_id, username } = &self.app;
        let secret_value = &self.secrets[2];
        let site = self.tableau.site();
        format!(
            "connections:\n  mode:\n    kind: mode\n    workspace: {workspace}\n    token: {token}\n    \
             secret: {secret}\n    base_url: http://{mode}\n    max_concurrent: 12\n  tableau:\n    \
             kind: tableau\n    server: http://{tableau}\n    site: {site}\n    \
             client_id: {client_id}\n    secret_id: {secret_id}\n    secret_value: {secret_value}\n    \
             username: {username}\n    max_concurrent: 8\n"
        )
    }

    pub(crate) fn secrets(&self) -> &[String] {
        &self.secrets
    }

    pub(crate) fn faults(&self, tool: Tool) -> &Faults {
        match tool {
            Tool::Mode => self.mode.faults(),
            Tool::Tableau => self.tableau.faults(),
        }
    }
}

fn address(url: &str) -> anyhow::Result<SocketAddr> {
    url.trim_start_matches("http://").parse().context("a played tool's address")
}
