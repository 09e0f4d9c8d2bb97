//! `afterrun channels`: how each is doing, and whether a message arrives there.

use std::path::Path;
use std::time::{Duration, Instant};

use afterrun_core::config::{Config, choices};
use afterrun_core::connection::circuit::Hold;
use afterrun_core::history::{ChannelRow, Delivery, NoticeDetail};
use afterrun_core::{Store, StoreError, env};
use serde::Serialize;

use super::wishes::Wishes;
use crate::args::{self, ChannelAction, Output};
use crate::database;
use crate::exit::Wrong;
use crate::output::columns::{Column, Shown, listed, text, whole};
use crate::output::{Paint, Tone, clean, json, line, milliseconds, progress, short_time, time};

/// A worker looks every second, and a call ends within 20 s.
const PATIENCE: Duration = Duration::from_secs(60);
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);

/// Stands in for what is not set here: only the names of the file are of interest.
const NOT_SET: &str = "https://not-set.invalid";

const COLUMNS: &[Column] = &[
    text("CHANNEL", 12),
    whole("STATE"),
    whole("WAITING"),
    whole("FAILED"),
    whole("LAST TOLD (UTC)").spare(1),
    text("NOTE", 12).spare(2),
];

pub(crate) async fn run(config: &Path, args: args::Channels) -> anyhow::Result<()> {
    match args.action.unwrap_or(ChannelAction::List(args.list)) {
        ChannelAction::List(list) => {
            let store = database::reader(&args.database.data_dir).await?;
            let rows = store.channels().await?;
            match list.output {
                Output::Json => json(&rows),
                Output::Table => {
                    let rows: Vec<_> = rows.iter().map(cells).collect();
                    Ok(line(listed(COLUMNS, &rows, Paint::stdout()))?)
                }
            }
        }
        ChannelAction::Test { names, output } => {
            are_configured(config, &names)?;
            test(&database::writer(&args.database.data_dir).await?, names, output).await
        }
    }
}

fn cells(row: &ChannelRow) -> Vec<Shown> {
    let (state, tone) = match (row.hold, row.rests_until) {
        (Some(Hold::Outage), _) => ("no answer", Some(Tone::Bad)),
        (Some(Hold::Refused), _) => ("refuses", Some(Tone::Bad)),
        (Some(Hold::SlowDown), _) | (None, Some(_)) => ("rests", Some(Tone::Waiting)),
        (None, None) if row.told_at.is_some() => ("in use", Some(Tone::Good)),
        (None, None) => ("untold", None),
    };
    let until = row.rests_until.map(|until| format!("until {}", time(until)));
    let note: Vec<_> = until.into_iter().chain(row.hold_error.clone()).collect();
    vec![
        Shown::text(&row.channel),
        Shown::toned(state, tone),
        Shown::text(&row.waiting.to_string()),
        Shown::text(&row.failed.to_string()),
        Shown::text(&row.told_at.map_or("-".into(), short_time)),
        Shown::text(&note.join(": ")),
    ]
}

/// No worker would send anything to another channel. What is unset or wrong elsewhere is no matter.
fn are_configured(path: &Path, names: &[String]) -> anyhow::Result<()> {
    let or_not_set = |name: &str| {
        Some(env::var(name).filter(|value| !value.is_empty()).unwrap_or_else(|| NOT_SET.into()))
    };
    let config = Config::load(path, &or_not_set)?;
    let known: Vec<_> = config.channels.keys().map(String::as_str).collect();
    match names.iter().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let (path, choices) = (path.display(), choices(name, &known, "channels"));
            Err(Wrong(format!("{path} has no channel {}{choices}", clean(name))).into())
        }
    }
}

/// What came of a test.
#[derive(Debug, Serialize)]
struct Tested {
    channel: String,
    /// With which it stands.
    notice_id: i64,
    delivery: Option<Delivery>,
    http_status: Option<i32>,
    took_ms: Option<i64>,
}

async fn test(store: &Store, names: Vec<String>, output: Output) -> anyhow::Result<()> {
    let mut wishes = Wishes::new(output);
    let mut asked = Vec::new();
    // Every wish is made before the first of them is waited for.
    for name in names {
        match store.test_channel(&name).await {
            Ok(id) => asked.push((name, id)),
            Err(error) => return Err(wishes.break_off(error)),
        }
    }
    for (channel, notice_id) in asked {
        let (found, rests) = match answered(store, &channel, notice_id).await {
            Ok(found) => found,
            Err(error) => return Err(wishes.break_off(error)),
        };
        let last = found.as_ref().and_then(|found| found.attempt_history.last());
        let tested = Tested {
            delivery: found.as_ref().map(|found| found.notice.delivery),
            http_status: last.and_then(|last| last.http_status),
            took_ms: last.map(|last| (last.finished_at - last.started_at).num_milliseconds()),
            channel,
            notice_id,
        };
        match said(&tested, found.as_ref(), rests.as_ref()) {
            Ok(said) => wishes.granted(tested, said)?,
            Err(why) => wishes.refused(tested, why),
        }
    }
    wishes.end()
}

/// The notice once a worker has tried to tell it, or as it stands when patience has ended.
async fn answered(
    store: &Store,
    channel: &str,
    notice_id: i64,
) -> Result<(Option<NoticeDetail>, Option<ChannelRow>), StoreError> {
    let begun = Instant::now();
    let seconds = PATIENCE.as_secs();
    let waiting =
        progress(format!("waiting up to {seconds} s for a worker to tell {}", clean(channel)));
    loop {
        let found = store.notice(notice_id).await?;
        let is_tried = found.as_ref().is_none_or(|found| !found.attempt_history.is_empty());
        if is_tried || begun.elapsed() >= PATIENCE {
            waiting.finish_and_clear();
            let channels = store.channels().await?;
            return Ok((found, channels.into_iter().find(|row| row.channel == channel)));
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

/// What came back, or why nothing has.
fn said(
    tested: &Tested,
    found: Option<&NoticeDetail>,
    channel: Option<&ChannelRow>,
) -> Result<String, String> {
    let Tested { channel: name, notice_id, .. } = tested;
    let Some(found) = found else {
        return Err(format!("notice {notice_id} is not there any more"));
    };
    let notice = &found.notice;
    let error = notice.last_error.as_deref().unwrap_or("no reason was noted");
    let took = tested.took_ms.map_or(String::new(), |ms| format!(" after {}", milliseconds(ms)));
    let status = tested.http_status.map_or(String::new(), |status| format!(" with {status}"));
    match (notice.delivery, found.attempt_history.is_empty()) {
        (Delivery::Told, _) => match &notice.last_error {
            None => Ok(format!("{name} took the test message{status}{took}; see that it is there")),
            Some(but) => {
                Err(format!("{name} took the test message{status}, but not for all: {but}"))
            }
        },
        (Delivery::Waiting, true) => {
            let why = match channel.and_then(|row| row.rests_until) {
                Some(until) => format!("the channel is told nothing before {}", time(until)),
                None => "is one running, with this channel in its configuration?".into(),
            };
            Err(format!(
                "no worker has sent {name} the test message: {why} It stands as notice {notice_id}"
            ))
        }
        (Delivery::Waiting, false) => Err(format!(
            "{name} did not take the test message{took}: {error}. It is tried again a few times; see \
             `afterrun notices show {notice_id}`"
        )),
        (Delivery::Failed | Delivery::NotTold, _) => {
            Err(format!("{name} does not take the test message: {error}"))
        }
    }
}
