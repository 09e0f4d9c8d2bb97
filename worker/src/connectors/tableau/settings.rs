//! What afterrun.yml says of a connection and of a target: one way to sign in, one thing to
//! refresh. Whatever else the keys could spell is refused when they are read.

use std::fmt;

use schemars::JsonSchema;
use serde::de::{Deserialize, Deserializer, Error};

use super::version::{ApiVersion, CONNECTED_APPS};
use crate::connector::{Address, Secret, Segment};

/// A site of Tableau Cloud or Tableau Server, and either a personal access token for it
/// (`token_name`, `token_secret`) or a connected app (`client_id`, `secret_id`, `secret_value`,
/// `username`).
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ConnectionKeys {
    /// Such as `https://10ax.online.tableau.com`, without what follows the host.
    server: Address,
    /// The site's name as it stands in its address after `/#/site/`; "" is the default site.
    site: String,
    /// The name that the personal access token was given.
    token_name: Option<Secret>,
    /// The personal access token itself, which Tableau shows once.
    token_secret: Option<Secret>,
    /// The connected app's own id, which Tableau calls client ID.
    client_id: Option<Segment>,
    /// The id of the connected app's secret.
    secret_id: Option<Segment>,
    /// The connected app's secret itself.
    secret_value: Option<Secret>,
    /// The Tableau user for whom the connected app signs in.
    username: Option<String>,
    /// The newest version of Tableau's REST API to use, such as "3.19"; else the server's own.
    api_version: Option<ApiVersion>,
}

#[derive(JsonSchema)]
#[schemars(with = "ConnectionKeys")]
pub(in crate::connectors) struct Connection {
    pub(super) server: Address,
    pub(super) site: String,
    pub(super) credential: Credential,
    pub(super) api_version: Option<ApiVersion>,
}

/// How to sign in.
pub(super) enum Credential {
    /// A personal access token, which has one session: signing in anew ends the former.
    Token { name: Secret, secret: Secret },
    /// A connected app, as many sessions of which stand side by side as are opened.
    App(ConnectedApp),
}

pub(super) struct ConnectedApp {
    pub(super) client_id: Segment,
    pub(super) secret_id: Segment,
    pub(super) secret_value: Secret,
    pub(super) username: String,
}

impl<'de> Deserialize<'de> for Connection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let keys = ConnectionKeys::deserialize(deserializer)?;
        let missing = D::Error::missing_field;
        let token = keys.token_name.is_some() || keys.token_secret.is_some();
        let app = keys.client_id.is_some()
            || keys.secret_id.is_some()
            || keys.secret_value.is_some()
            || keys.username.is_some();
        let credential = match (token, app) {
            (true, false) => Credential::Token {
                name: keys.token_name.ok_or_else(|| missing("token_name"))?,
                secret: keys.token_secret.ok_or_else(|| missing("token_secret"))?,
            },
            (false, true) => Credential::App(ConnectedApp {
                client_id: keys.client_id.ok_or_else(|| missing("client_id"))?,
                secret_id: keys.secret_id.ok_or_else(|| missing("secret_id"))?,
                secret_value: keys.secret_value.ok_or_else(|| missing("secret_value"))?,
                username: keys.username.ok_or_else(|| missing("username"))?,
            }),
            (true, true) => {
                return Err(D::Error::custom(
                    "has two ways to sign in: keep `token_name` and `token_secret`, or \
                     `client_id`, `secret_id`, `secret_value` and `username`",
                ));
            }
            (false, false) => {
                return Err(D::Error::custom(
                    "has no way to sign in: set `token_name` and `token_secret`, or `client_id`, \
                     `secret_id`, `secret_value` and `username`",
                ));
            }
        };
        if let Credential::App(app) = &credential {
            if app.username.trim().is_empty() {
                return Err(D::Error::custom("`username` must not be empty"));
            }
            if keys.api_version.is_some_and(|most| most < CONNECTED_APPS) {
                return Err(D::Error::custom(format!(
                    "`api_version` must be {CONNECTED_APPS} or newer: older ones know no \
                     connected app"
                )));
            }
        }
        let ConnectionKeys { server, site, api_version, .. } = keys;
        Ok(Self { server, site, credential, api_version })
    }
}

/// A workbook, a published data source or a flow, by its name or by its LUID, or an extract refresh
/// task by its LUID: exactly one of the seven.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TargetKeys {
    /// A workbook's name.
    workbook: Option<String>,
    /// A published data source's name.
    datasource: Option<String>,
    /// A flow's name.
    flow: Option<String>,
    /// A workbook's LUID.
    workbook_id: Option<Segment>,
    /// A published data source's LUID.
    datasource_id: Option<Segment>,
    /// A flow's LUID.
    flow_id: Option<Segment>,
    /// The LUID of an extract refresh task, which is then run as its schedule would run it.
    task_id: Option<Segment>,
    /// The name of the project it is in, or the project's path: `Finance/EMEA`, or `/Finance` for
    /// the one at the top where others are called the same.
    project: Option<String>,
    /// Only for a workbook or a data source: add the new rows instead of loading all anew.
    #[serde(default)]
    incremental: bool,
}

#[derive(serde::Deserialize, JsonSchema)]
#[serde(try_from = "TargetKeys")]
#[schemars(with = "TargetKeys")]
pub(in crate::connectors) struct Target {
    pub(super) wanted: Wanted,
    pub(super) incremental: bool,
}

/// What Tableau has lists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Workbook,
    Datasource,
    Flow,
}

impl Kind {
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Workbook => "workbooks",
            Self::Datasource => "datasources",
            Self::Flow => "flows",
        }
    }

    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Workbook => "workbook",
            Self::Datasource => "datasource",
            Self::Flow => "flow",
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Workbook => "workbook",
            Self::Datasource => "data source",
            Self::Flow => "flow",
        }
    }
}

/// What a target's settings ask for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Wanted {
    Id(Kind, Segment),
    Named {
        kind: Kind,
        name: String,
        project: Option<String>,
    },
    /// The extract refresh task with this LUID.
    Task(Segment),
}

impl Wanted {
    pub(super) fn is_flow(&self) -> bool {
        match self {
            Self::Id(kind, _) | Self::Named { kind, .. } => *kind == Kind::Flow,
            Self::Task(_) => false,
        }
    }
}

impl TryFrom<TargetKeys> for Target {
    type Error = String;

    fn try_from(keys: TargetKeys) -> Result<Self, String> {
        let names = [
            (Kind::Workbook, keys.workbook),
            (Kind::Datasource, keys.datasource),
            (Kind::Flow, keys.flow),
        ];
        let ids = [
            (Kind::Workbook, keys.workbook_id),
            (Kind::Datasource, keys.datasource_id),
            (Kind::Flow, keys.flow_id),
        ];
        let by_id = keys.task_id.is_some() || ids.iter().any(|(_, id)| id.is_some());
        if by_id && keys.project.is_some() {
            return Err("`project` narrows down a name; an id needs none".to_owned());
        }
        let mut wanted = Vec::new();
        for (kind, name) in names {
            let Some(name) = name else { continue };
            if name.trim().is_empty() {
                return Err(format!("`{}` must not be empty", kind.key()));
            }
            wanted.push(Wanted::Named { kind, name, project: keys.project.clone() });
        }
        wanted.extend(ids.into_iter().filter_map(|(kind, id)| Some(Wanted::Id(kind, id?))));
        wanted.extend(keys.task_id.map(Wanted::Task));
        let Some(only) = wanted.pop().filter(|_| wanted.is_empty()) else {
            return Err("name exactly one of `workbook`, `datasource`, `flow`, `workbook_id`, \
                        `datasource_id`, `flow_id`, `task_id`"
                .to_owned());
        };
        if keys.incremental && matches!(only, Wanted::Task(_)) {
            return Err("`incremental` is for a workbook or a data source: whether a task is \
                        incremental is set in Tableau"
                .to_owned());
        }
        if keys.incremental && only.is_flow() {
            return Err("`incremental` is for a workbook or a data source, not for a flow".into());
        }
        Ok(Self { wanted: only, incremental: keys.incremental })
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(kind, id) => write!(f, "{} {}", kind.word(), id.as_str()),
            Self::Named { kind, name, project: None } => write!(f, "{} \"{name}\"", kind.word()),
            Self::Named { kind, name, project: Some(project) } => {
                write!(f, "{} \"{name}\" in project \"{project}\"", kind.word())
            }
            Self::Task(id) => write!(f, "extract refresh task {}", id.as_str()),
        }
    }
}
