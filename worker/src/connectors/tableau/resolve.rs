//! From the names in the settings to the one item that they mean.
//!
//! Names are not unique in Tableau, so several matches are refused, never guessed at. What was
//! found is kept until the item is gone.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, MutexGuard, PoisonError};

use super::api::{Api, List};
use super::settings::{Kind, Wanted};
use super::wire;
use crate::connector::{Answer, ConnectorError};

/// A filter cannot hold these; everything else can be escaped.
const SEPARATORS: [char; 2] = [',', '&'];

/// A workbook, a data source or a flow that is there.
#[derive(Debug)]
pub(super) struct Item {
    /// Where it is refreshed by running a task.
    pub(super) task: Option<Task>,
    pub(super) kind: Kind,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) project: Option<String>,
    /// Its page for humans, as Tableau gives it.
    pub(super) page: Option<String>,
}

/// An extract refresh task.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) id: String,
    /// The name of its schedule.
    pub(super) schedule: Option<String>,
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Task { id, schedule }) = &self.task {
            write!(f, "extract refresh task {id}")?;
            if let Some(schedule) = schedule {
                write!(f, " of schedule \"{schedule}\"")?;
            }
            write!(f, " for ")?;
        }
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
            Wanted::Id(kind, id) => self.by_id(*kind, id.as_str()).await?,
            Wanted::Task(id) => self.task(id.as_str()).await?,
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

    async fn by_id(&self, kind: Kind, id: &str) -> Answer<Item> {
        let reply = self.get(&[kind.path(), id], None).await?;
        let row: wire::Item = wire::one(&reply, kind.key())?;
        Ok(item(kind, row))
    }

    /// The task of that id and what it refreshes.
    async fn task(&self, id: &str) -> Answer<Item> {
        let list = List {
            path: &["tasks", "extractRefreshes"],
            query: String::new(),
            keys: ["tasks", "task"],
            page_size: 100,
            most_pages: 100,
        };
        let found = self.list::<wire::ListedTask>(list).await?;
        let mut tasks = found.rows.into_iter().map(|listed| listed.task);
        let Some(task) = tasks.find(|task| task.id.eq_ignore_ascii_case(id)) else {
            return Err(ConnectorError::NoSuch(format!(
                "there is no extract refresh task {id}, or this token may not see it"
            )));
        };
        let Some((kind, of)) = task.item() else {
            return Err(ConnectorError::NotAllowed(format!(
                "extract refresh task {id} refreshes neither a workbook nor a data source"
            )));
        };
        let mut item = self.by_id(kind, of).await?;
        item.task = Some(Task { schedule: task.schedule(), id: task.id });
        Ok(item)
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
            path: &[kind.path()],
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
            path: &["projects"],
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
    Item { task: None, kind, id: row.id, name: row.name, project, page: row.page }
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
