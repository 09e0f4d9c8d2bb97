//! `afterrun pause` and `afterrun resume`: targets and connections, by their names.
//!
//! Invariant: a name that is none, or two things at once, leaves everything as it was.

use afterrun_core::config::choices;
use afterrun_core::operator::{Named, Pausable};
use serde::Serialize;

use super::wishes::Wishes;
use crate::args;
use crate::database;
use crate::exit::Wrong;
use crate::output::clean;

/// What was paused or resumed.
#[derive(Debug, Serialize)]
struct Held {
    kind: &'static str,
    name: String,
    paused: bool,
    changed: bool,
}

pub(crate) async fn run(args: args::Pause, pause: bool) -> anyhow::Result<()> {
    let store = database::writer(&args.database.data_dir).await?;
    let known = store.pausable().await?;
    let meant = args.names.iter().map(|name| meant(&known, name, args.what()));
    let meant = meant.collect::<Result<Vec<_>, _>>()?;
    let mut wishes = Wishes::new(args.output);
    for (what, name) in meant {
        let changed = match store.set_paused(what, name, pause).await {
            Ok(changed) => changed,
            Err(error) => return Err(wishes.break_off(error)),
        };
        let kind = match what {
            Pausable::Target => "target",
            Pausable::Connection => "connection",
        };
        let said = said(&known, what, name, pause, changed);
        wishes.granted(Held { kind, name: name.to_owned(), paused: pause, changed }, said)?;
    }
    wishes.end()
}

/// Which of the two a name is.
fn meant<'a>(
    known: &Named,
    name: &'a str,
    said: Option<Pausable>,
) -> Result<(Pausable, &'a str), Wrong> {
    let targets: Vec<&str> = known.targets.iter().map(|target| target.name.as_str()).collect();
    let connections: Vec<&str> = known.connections.iter().map(|(name, _)| name.as_str()).collect();
    let is_target = said != Some(Pausable::Connection) && targets.contains(&name);
    let is_connection = said != Some(Pausable::Target) && connections.contains(&name);
    let what = match said {
        Some(Pausable::Target) => "target",
        Some(Pausable::Connection) => "connection",
        None => "target or connection",
    };
    let all = match said {
        Some(Pausable::Target) => targets,
        Some(Pausable::Connection) => connections,
        None => [targets, connections].concat(),
    };
    match (is_target, is_connection) {
        (true, false) => Ok((Pausable::Target, name)),
        (false, true) => Ok((Pausable::Connection, name)),
        (true, true) => Err(Wrong(format!(
            "{name} is the name of a target and of a connection: add --target or --connection"
        ))),
        (false, false) if all.is_empty() => Err(Wrong(format!(
            "there is no {what} {}: a worker notes those of its configuration when it starts, and \
             none has yet",
            clean(name)
        ))),
        (false, false) => Err(Wrong(format!(
            "there is no {what} {}{}",
            clean(name),
            choices(name, &all, "there are")
        ))),
    }
}

fn said(known: &Named, what: Pausable, name: &str, pause: bool, changed: bool) -> String {
    match (pause, changed) {
        (true, false) => return format!("{name} is paused already"),
        (true, true) => {
            return match what {
                Pausable::Target => {
                    format!("{name} is paused: what arrives is kept, what is under way goes on")
                }
                Pausable::Connection => format!(
                    "connection {name} is paused with all of its targets: what arrives is kept, \
                     what is under way goes on"
                ),
            };
        }
        (false, _) => {}
    }
    let stands = match (what, changed) {
        (_, false) => format!("{name} is not paused"),
        (Pausable::Target, true) => format!("{name} is resumed"),
        (Pausable::Connection, true) => format!("connection {name} is resumed"),
    };
    // Of a target, its connection may hold it still; of a connection, some of its targets.
    let still = match what {
        Pausable::Target => {
            let target = known.targets.iter().find(|target| target.name == name);
            let held = known.connections.iter().find(|(connection, paused)| {
                *paused && target.is_some_and(|target| target.connection == *connection)
            });
            held.map(|(connection, _)| format!("its connection {connection} is paused still"))
        }
        Pausable::Connection => {
            let held = known.targets.iter().filter(|it| it.paused && it.connection == name);
            let held: Vec<_> = held.map(|target| target.name.as_str()).collect();
            let are = if held.len() == 1 { "is" } else { "are" };
            (!held.is_empty()).then(|| format!("{} {are} paused still", held.join(", ")))
        }
    };
    match still {
        Some(still) => format!("{stands}, but {still}"),
        None if changed => format!("{stands}: what was kept goes on"),
        None => stands,
    }
}
