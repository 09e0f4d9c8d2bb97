//! From the names in the settings to the one item that they mean.
//!
//! Names are not unique in Tableau, so several matches are refused, never guessed at. What was
//! found is kept until the item is gone.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, MutexGuard, PoisonError};

use super::api::{Api, List};
use super::{TargetKeys, wire};
use crate::connector::{Answer, ConnectorError, Segment};

/// A filter cannot hold these; everything else can be escaped.
const SEPARATORS: [char; 2] = [',', '&'];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Workbook,
    Datasource,
}

impl Kind {
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Workbook => "workbooks",
            Self::Datasource => "datasources",
        }
    }

    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Workbook => "workbook",
            Self::Datasource => "datasource",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Workbook => "workbook",
            Self::Datasource => "data source",
        }
    }
}

/// What a target's settings ask for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Wanted {
    Id(Kind, Segment),
    Named { kind: Kind, name: String, project: Option<String> },
}

impl Wanted {
    pub(super) fn from_keys(keys: TargetKeys) -> Result<Self, String> {
        const ONE: &str = "name exactly one of `workbook`, `datasource`, `workbook_id`, \
                           `datasource_id`";
        let id = |kind, id: String| match id.parse() {
            Ok(id) => Ok(Self::Id(kind, id)),
            Err(why) => Err(format!("the id {why}")),
        };
        let TargetKeys { workbook, datasource, workbook_id, datasource_id, project } = keys;
        let by_id = workbook_id.is_some() || datasource_id.is_some();
        if by_id && project.is_some() {
            return Err("`project` narrows down a name; an id needs none".to_owned());
        }
        for (key, value) in [("workbook", &workbook), ("datasource", &datasource)] {
            if value.as_deref().is_some_and(|value| value.trim().is_empty()) {
                return Err(format!("`{key}` must not be empty"));
            }
        }
        match (workbook, datasource, workbook_id, datasource_id) {
            (Some(name), None, None, None) => {
                Ok(Self::Named { kind: Kind::Workbook, name, project })
            }
            (None, Some(name), None, None) => {
                Ok(Self::Named { kind: Kind::Datasource, name, project })
            }
            (None, None, Some(luid), None) => id(Kind::Workbook, luid),
            (None, None, None, Some(luid)) => id(Kind::Datasource, luid),
            _ => Err(ONE.to_owned()),
        }
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
        }
    }
}

/// A workbook or data source that is there.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) kind: Kind,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) project: Option<String>,
    /// Its page for humans, as Tableau gives it.
    pub(super) page: Option<String>,
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} \"{}\"", self.kind.word(), self.name)?;
        if let Some(project) = &self.project {
            write!(f, " in project \"{project}\"")?;
        }
        write!(f, " ({})", self.id)
    }
}

impl Api<'_> {
    /// The item, and whether it was only remembered.
    pub(super) async fn resolve(&self, wanted: &Wanted) -> Answer<(Arc<Item>, bool)> {
        let remembered = self.found().get(wanted).map(Arc::clone);
        match remembered {
            Some(item) => Ok((item, true)),
            None => Ok((self.look_up(wanted).await?, false)),
        }
    }

    /// The item as Tableau has it now; remembered from here on.
    pub(super) async fn look_up(&self, wanted: &Wanted) -> Answer<Arc<Item>> {
        self.found().remove(wanted);
        let item = Arc::new(match wanted {
            Wanted::Id(kind, id) => self.by_id(*kind, id).await?,
            Wanted::Named { kind, name, project } => {
                let rows = self.rows(*kind, name, project.as_deref()).await?;
                self.only_one(wanted, *kind, project.as_deref(), rows).await?
            }
        });
        self.found().insert(wanted.clone(), Arc::clone(&item));
        Ok(item)
    }

    fn found(&self) -> MutexGuard<'_, HashMap<Wanted, Arc<Item>>> {
        self.cx.session.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn by_id(&self, kind: Kind, id: &Segment) -> Answer<Item> {
        let reply = self.get(&[kind.path(), id.as_str()], None).await?;
        let row: wire::Item = wire::one(&reply, kind.key())?;
        Ok(item(kind, row))
    }

    /// Everything of that name.
    async fn rows(&self, kind: Kind, name: &str, project: Option<&str>) -> Answer<Vec<wire::Item>> {
        let mut filters = Vec::new();
        if !name.contains(SEPARATORS) {
            filters.push(format!("name:eq:{}", escape(name)));
        }
        // A path is no project's name, and is compared below.
        if let Some(project) = project.filter(|p| !p.contains(SEPARATORS) && !p.contains('/')) {
            filters.push(format!("projectName:eq:{}", escape(project)));
        }
        let query = match filters.is_empty() {
            true => String::new(),
            false => format!("filter={}", filters.join(",")),
        };
        let list = List {
            path: kind.path(),
            query,
            keys: [kind.path(), kind.key()],
            page_size: 100,
            most_pages: 200,
        };
        let found = self.list::<wire::Item>(list).await?;
        if !found.all {
            return Err(ConnectorError::NotAllowed(format!(
                "there are too many {} to look for \"{name}\" among: name its id (`{}_id:`)",
                kind.path(),
                kind.key()
            )));
        }
        Ok(found.rows.into_iter().filter(|row| row.name == name).collect())
    }

    async fn only_one(
        &self,
        wanted: &Wanted,
        kind: Kind,
        project: Option<&str>,
        mut rows: Vec<wire::Item>,
    ) -> Answer<Item> {
        let in_project = |row: &wire::Item| project.is_none_or(|name| row.project_is(name));
        let has_path = project.is_some_and(|project| project.contains('/'));
        if !has_path {
            rows.retain(in_project);
        }
        let mut paths = HashMap::new();
        if has_path || rows.len() > 1 {
            paths = self.project_paths(has_path).await?;
        }
        let path = |row: &wire::Item| row.project_id().and_then(|id| paths.get(id)).cloned();
        if has_path {
            // A slash in front says that it is a path: `/Finance` is the one at the top.
            let wanted = project.map(|project| project.trim_start_matches('/'));
            rows.retain(|row| in_project(row) || path(row).as_deref() == wanted);
        }
        match rows.len() {
            0 => Err(ConnectorError::NoSuch(format!(
                "there is no {wanted}, or this token may not see it"
            ))),
            1 => Ok(item(kind, rows.remove(0))),
            _ => Err(ConnectorError::Ambiguous {
                what: wanted.to_string(),
                found: rows
                    .into_iter()
                    .take(10)
                    .map(|row| {
                        let path = path(&row).or_else(|| row.project_name().map(str::to_owned));
                        format!("{} in {}", row.id, path.as_deref().unwrap_or("no project"))
                    })
                    .chain([format!("name its `project`, or its `{}_id`", kind.key())])
                    .collect(),
            }),
        }
    }

    /// Each project's path by its id. Needed to find, or else only wanted for words.
    async fn project_paths(&self, needed: bool) -> Answer<HashMap<String, String>> {
        let list = List {
            path: "projects",
            query: String::new(),
            keys: ["projects", "project"],
            page_size: 100,
            most_pages: 100,
        };
        let projects: Vec<wire::Project> = match self.list(list).await {
            Ok(found) => found.rows,
            Err(error) if needed => return Err(error),
            Err(_) => Vec::new(),
        };
        let by_id: HashMap<_, _> = projects.iter().map(|one| (one.id.as_str(), one)).collect();
        let path = |project: &wire::Project| {
            let mut names = vec![project.name.as_str()];
            let mut above = project.parent.as_deref();
            // No deeper than any real tree, in case one goes round.
            while let Some(parent) = above.and_then(|id| by_id.get(id)).filter(|_| names.len() < 50)
            {
                names.push(&parent.name);
                above = parent.parent.as_deref();
            }
            names.reverse();
            names.join("/")
        };
        Ok(projects.iter().map(|project| (project.id.clone(), path(project))).collect())
    }
}

fn item(kind: Kind, row: wire::Item) -> Item {
    let project = row.project_name().map(str::to_owned);
    Item { kind, id: row.id, name: row.name, project, page: row.page }
}

/// Escapes all but the plainest characters: a blank as `%20`, a plus as `%2B`.
fn escape(value: &str) -> String {
    value.bytes().fold(String::new(), |mut escaped, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
        escaped
    })
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_filter_value_is_escaped_to_the_last_byte() {
        assert_eq!(escape("Q1: Köln + x/y"), "Q1%3A%20K%C3%B6ln%20%2B%20x%2Fy");
    }
}
