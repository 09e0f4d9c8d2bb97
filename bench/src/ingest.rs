//! How many events `afterrun ingest` takes, beside pgbench inserting the same row.

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};

use crate::body::{SOURCE, Template};
use crate::figures::Side;
use crate::goal::Goal;
use crate::ground::{Configuration, Ground};
use crate::load;
use crate::machine::Outside;
use crate::pgbench::Script;
use crate::process::{self, Split};
use crate::report::Series;
use crate::stored::{self, Checked};
use crate::turns::{self, Whose};

/// What was found out.
pub(crate) struct Ingest {
    pub(crate) series: Vec<Series>,
    pub(crate) checked: Checked,
    /// The most memory that ingest took in any round.
    pub(crate) peak_mib: f64,
    /// Over all rounds.
    pub(crate) split: Split,
}

/// One round of ours.
pub(crate) struct Taken {
    pub(crate) side: Side,
    pub(crate) outside: f64,
    pub(crate) checked: Checked,
    peak_mib: f64,
    split: Split,
}

pub(crate) async fn measure(ground: Ground<'_>) -> anyhow::Result<Ingest> {
    let args = ground.args;
    let template = Template::new(ground.database.now().await?);
    let row = variables(template)?;
    let insert = Script { text: include_str!("../sql/insert.sql"), variables: &row, pieces: 1 };
    let mut series: Vec<Series> = args
        .connections()
        .map(|clients| {
            Series::new("ingest: events", clients, "pgbench, one row each").goal(goal(clients))
        })
        .collect();
    let (mut checked, mut split, mut peak_mib) = (Checked::default(), Split::default(), 0.0_f64);
    turns::take(args.rounds(), &mut series, async |whose, clients| {
        if whose == Whose::Theirs {
            ground.database.reset().await?;
            let watch = Outside::watch();
            let side = ground.pgbench.run(&insert, clients, args.length()).await?;
            return Ok((side, watch.share()));
        }
        let taken = take(ground, clients).await?;
        checked += taken.checked;
        split += taken.split;
        peak_mib = peak_mib.max(taken.peak_mib);
        Ok((taken.side, taken.outside))
    })
    .await?;
    Ok(Ingest { series, checked, peak_mib, split })
}

/// What each number of connections is to reach, beside as many clients of pgbench.
fn goal(connections: usize) -> Option<Goal> {
    match connections {
        1 => Some(Goal::AtLeast(0.55)),
        16 => Some(Goal::AtLeast(1.1)),
        64 => Some(Goal::AtLeast(1.7)),
        _ => None,
    }
}

/// Lets ingest take what so many senders send, each after the answer to the one before.
pub(crate) async fn take(ground: Ground<'_>, connections: usize) -> anyhow::Result<Taken> {
    let since = ground.database.reset().await?;
    let template = Template::new(ground.database.now().await?);
    let configuration = Configuration::sources()?;
    let ingest = ground.ingest(&configuration).await?;
    let watch = Outside::watch();
    let before = Split::now(ingest.pid)?;
    let length = ground.args.length();
    let sending = load::send(ingest.address, template.clone(), connections, length).await?;
    let split = Split::now(ingest.pid)?.since(before);
    let outside = watch.share();
    let peak_mib = process::memory(ingest.pid)?.peak_mib;
    ingest.stop().await?;
    let checked = stored::check(ground.database, since, &template, &sending.sent).await?;
    let side = Side::new(sending.per_second(), &sending.latencies_ms());
    Ok(Taken { side, outside, checked, peak_mib, split })
}

/// The values that ingest finds in the body, for pgbench.
fn variables(mut template: Template) -> anyhow::Result<Vec<(&'static str, String)>> {
    template.renew(0);
    let body = template.body();
    let fields = afterrun_core::dbt::read(body).context("reading the body that is to be sent")?;
    let time = |time: Option<DateTime<Utc>>| time.map(|time| time.to_rfc3339()).unwrap_or_default();
    let text = Option::unwrap_or_default;
    Ok(vec![
        ("source", SOURCE.to_owned()),
        ("body", format!("\\x{}", hex::encode(body))),
        ("sha256", format!("\\x{}", hex::encode(Sha256::digest(body)))),
        ("event_type", text(fields.event_type)),
        ("account_id", text(fields.account_id)),
        ("occurred_at", time(fields.occurred_at)),
        ("project_id", text(fields.project_id)),
        ("project_name", text(fields.project_name)),
        ("environment_id", text(fields.environment_id)),
        ("environment_name", text(fields.environment_name)),
        ("job_id", text(fields.job_id)),
        ("job_name", text(fields.job_name)),
        ("run_id", text(fields.run_id)),
        ("run_status", text(fields.run_status)),
        ("run_status_code", fields.run_status_code.unwrap_or_default().to_string()),
        ("run_reason", text(fields.run_reason)),
        ("run_started_at", time(fields.run_started_at)),
        ("run_finished_at", time(fields.run_finished_at)),
    ])
}
