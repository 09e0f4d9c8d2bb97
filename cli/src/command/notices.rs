//! `afterrun notices`: what people were told, what they are to be told, and what they could not be.

use afterrun_core::history::{
    ChannelRow, Delivery, NoticeAttemptRow, NoticeDetail, NoticeFilter, NoticeRow, NoticeState,
};
use afterrun_core::operator::{Again, OperatorError};
use afterrun_core::{Store, StoreError};
use comfy_table::{Cell, CellAlignment};
use serde::Serialize;

use super::history::{self, Listed, fact};
use super::wishes::Wishes;
use crate::args::{self, NoticeAction, NoticeList, Output};
use crate::database;
use crate::output::columns::{Column, Shown, text, whole};
use crate::output::{Paint, Tone, clean, json, line, milliseconds, short_time, time, time_or_dash};

pub(crate) async fn run(args: args::Notices) -> anyhow::Result<()> {
    let data_dir = &args.database.data_dir;
    match args.action.unwrap_or(NoticeAction::List(args.list)) {
        NoticeAction::List(list) => {
            let store = database::reader(data_dir).await?;
            let notices = Notices { store, filter: filter(&list) };
            history::list(&notices, &list.listing).await
        }
        NoticeAction::Show { notice_id, output } => {
            let store = database::reader(data_dir).await?;
            let Some(found) = store.notice(notice_id).await? else {
                anyhow::bail!("there is no notice {notice_id}");
            };
            match output {
                Output::Json => json(&found),
                Output::Table => {
                    let channel = channel(&store, &found.notice.channel).await?;
                    Ok(show(&found, channel.as_ref())?)
                }
            }
        }
        NoticeAction::Retry { notice_ids, output } => {
            retry(&database::writer(data_dir).await?, notice_ids, output).await
        }
    }
}

fn filter(list: &NoticeList) -> NoticeFilter {
    NoticeFilter {
        since: list.since,
        states: list.state.iter().map(|state| state.0).collect(),
        deliveries: list.delivery.iter().map(|told| told.0).collect(),
        channel: list.channel.clone(),
        kind: list.kind.clone(),
        subject: list.subject.clone(),
        ..NoticeFilter::default()
    }
}

async fn channel(store: &Store, name: &str) -> Result<Option<ChannelRow>, StoreError> {
    Ok(store.channels().await?.into_iter().find(|row| row.channel == name))
}

struct Notices {
    store: Store,
    filter: NoticeFilter,
}

impl Listed for Notices {
    type Row = NoticeRow;
    const COLUMNS: &'static [Column] = &[
        whole("ID"),
        whole("LAST (UTC)").spare(2),
        text("CHANNEL", 10),
        whole("KIND").spare(4),
        text("SUBJECT", 12).spare(5),
        whole("STATE"),
        whole("DELIVERY"),
        whole("TIMES").spare(3),
        text("WHAT", 14),
        text("NOTE", 11).spare(1),
    ];

    async fn rows(&self, limit: u32) -> Result<Vec<NoticeRow>, StoreError> {
        self.store.notices(&self.filter, limit).await
    }

    fn key(row: &NoticeRow) -> i64 {
        row.notice_id
    }

    fn cells(row: &NoticeRow) -> Vec<Shown> {
        vec![
            Shown::text(&row.notice_id.to_string()),
            Shown::text(&short_time(row.last_at)),
            Shown::text(&row.channel),
            Shown::text(&row.kind),
            Shown::text(&row.subject),
            Shown::text(row.notice_state.as_str()),
            Shown::toned(row.delivery.as_str(), tone(row.delivery)),
            Shown::text(&row.occurrences.to_string()),
            Shown::text(&row.title),
            Shown::text(&note(row)),
        ]
    }
}

fn tone(delivery: Delivery) -> Option<Tone> {
    match delivery {
        Delivery::Waiting => Some(Tone::Waiting),
        Delivery::Told => Some(Tone::Good),
        Delivery::Failed => Some(Tone::Bad),
        Delivery::NotTold => None,
    }
}

/// Why it is not told yet, or whom it did not reach.
fn note(row: &NoticeRow) -> String {
    match (&row.last_error, row.delivery) {
        (Some(error), Delivery::Waiting) => format!("try {}: {error}", row.attempts),
        (Some(error), _) => error.clone(),
        (None, Delivery::NotTold) => "over before it was told".into(),
        (None, _) => String::new(),
    }
}

fn show(detail: &NoticeDetail, channel: Option<&ChannelRow>) -> std::io::Result<()> {
    let row = &detail.notice;
    let paint = Paint::stdout();
    let delivery = row.delivery.as_str();
    let toned = tone(row.delivery).map_or(delivery.into(), |tone| paint.tone(tone, delivery));
    let title = format!("notice {} for {}", row.notice_id, clean(&row.channel));
    line(format!("{}  {toned}", paint.bold(title)))?;
    fact("title", &row.title)?;
    for text in row.detail.lines() {
        fact("detail", text)?;
    }
    fact("kind", &row.kind)?;
    fact("subject", &row.subject)?;
    fact("state", state(row))?;
    fact("opened", &time(row.opened_at))?;
    fact("last", &time(row.last_at))?;
    if let Some(at) = row.resolved_at {
        fact("over", &time(at))?;
    }
    fact("occurrences", &row.occurrences.to_string())?;
    if let Some(url) = &row.url {
        fact("page", url)?;
    }
    match &row.told {
        Some(saying) => {
            let times =
                if row.tellings == 1 { "once".into() } else { format!("{} times", row.tellings) };
            let at = time_or_dash(row.told_at);
            fact("told", &format!("{times}, last at {at}: {}", saying.as_str()))?;
        }
        None => fact("told", "nothing so far")?,
    }
    if let Some(at) = row.due_at {
        fact("due", &time(at))?;
        fact("attempts", &row.attempts.to_string())?;
    }
    if let Some(at) = row.gave_up_at {
        fact(
            "given up",
            &format!("{}; `afterrun notices retry {}` tries again", time(at), row.notice_id),
        )?;
    }
    if let Some(error) = &row.last_error {
        fact("last error", error)?;
    }
    if let Some(rests) = channel.and_then(rests) {
        fact("channel", &rests)?;
    }
    tries(&detail.attempt_history)
}

fn state(row: &NoticeRow) -> &'static str {
    match row.notice_state {
        NoticeState::Resolved if row.unwatched => "resolved: nobody watches it any more",
        state => state.as_str(),
    }
}

/// Why the channel is told nothing now, if it is not.
fn rests(channel: &ChannelRow) -> Option<String> {
    let until = channel.rests_until?;
    let why = channel.hold_error.as_ref().map_or(String::new(), |error| format!(": {error}"));
    Some(format!("is left alone until {}{why}", time(until)))
}

fn tries(attempts: &[NoticeAttemptRow]) -> std::io::Result<()> {
    if attempts.is_empty() {
        return fact("tries", "none yet");
    }
    let titles = ["SENT (UTC)", "TRY", "SAID", "TOOK", "OUTCOME", "HTTP", "WITH", "ERROR"];
    let mut table = history::indented(&titles);
    for attempt in attempts {
        let took = (attempt.finished_at - attempt.started_at).num_milliseconds();
        let others = i64::from(attempt.together) - 1;
        table.add_row([
            Cell::new(attempt.started_at.format("%m-%d %H:%M:%S%.3f")),
            Cell::new(attempt.attempt).set_alignment(CellAlignment::Right),
            Cell::new(attempt.saying.as_str()),
            Cell::new(milliseconds(took)).set_alignment(CellAlignment::Right),
            history::toned(&attempt.outcome, Tone::of_outcome(&attempt.outcome)),
            Cell::new(attempt.http_status.map_or("-".into(), |status| status.to_string())),
            Cell::new(if others > 0 { format!("{others} more") } else { "-".into() }),
            Cell::new(problem(attempt)),
        ]);
    }
    line(table)
}

fn problem(attempt: &NoticeAttemptRow) -> String {
    let error = attempt.error.as_deref().map(clean).unwrap_or_default();
    match (attempt.possible_duplicate, error.is_empty()) {
        (false, _) => error,
        (true, true) => "an earlier try may have arrived".into(),
        (true, false) => format!("{error} (an earlier try may have arrived)"),
    }
}

/// What was to be told again, and to whom.
#[derive(Debug, Serialize)]
struct Wished {
    notice_id: i64,
    channel: Option<String>,
}

async fn retry(store: &Store, ids: Vec<i64>, output: Output) -> anyhow::Result<()> {
    let mut wishes = Wishes::new(output);
    for notice_id in ids {
        let again = match store.retry_notice(notice_id).await {
            Ok(again) => again,
            Err(OperatorError::Store(error)) => return Err(wishes.break_off(error)),
            Err(refusal) => {
                wishes.refused(Wished { notice_id, channel: None }, refusal.to_string());
                continue;
            }
        };
        let (name, rests) = match held(store, notice_id).await {
            Ok(held) => held,
            Err(error) => return Err(wishes.break_off(error)),
        };
        let when = rests
            .map_or("now".to_owned(), |why| format!("as soon as its channel may be: {name} {why}"));
        let said = match again {
            Again::Now => format!("{name} is told notice {notice_id} {when}"),
            Again::Anew => {
                format!("notice {notice_id} was given up; {name} is told it again {when}")
            }
        };
        wishes.granted(Wished { notice_id, channel: Some(name) }, said)?;
    }
    wishes.end()
}

/// Whom it is told, and what holds it even so: the channel's own wish for a rest.
async fn held(store: &Store, notice_id: i64) -> Result<(String, Option<String>), StoreError> {
    let Some(found) = store.notice(notice_id).await? else {
        return Ok(("its channel".into(), None));
    };
    let name = found.notice.channel;
    let rests = channel(store, &name).await?.as_ref().and_then(rests);
    Ok((name, rests))
}
