//! How many events `afterrun ingest` takes, beside pgbench inserting the same row.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};

use crate::answer::Connection;
use crate::args::Args;
use crate::body::{SECRET, SOURCE, Template};
use crate::database::Database;
use crate::figures::{self, Series, Side};
use crate::load;
use crate::machine::{self, Outside};
use crate::pgbench::{Pgbench, Script};
use crate::process::{self, Memory, Split};
use crate::program::{Program, Service};
use crate::stored::{self, Checked};
use crate::turns::{self, Whose};

/// What was found out.
pub(crate) struct Ingest {
    pub(crate) series: Vec<Series>,
    pub(crate) checked: Checked,
    /// From the start of the process to the first event stored, on a migrated database.
    pub(crate) start_ms: f64,
    pub(crate) idle: Memory,
    pub(crate) idle_percent: f64,
    pub(crate) loaded: Memory,
    /// Over all rounds.
    pub(crate) split: Split,
}

pub(crate) async fn measure(
    args: &Args,
    database: &Database,
    pgbench: &Pgbench,
    program: &Program,
) -> anyhow::Result<Ingest> {
    let template = Template::new("282191", database.now().await?);
    let folder = tempfile::tempdir()?;
    let configuration = folder.path().join("afterrun.yml");
    std::fs::write(&configuration, sources())?;

    let (service, start_ms) = start(args, database, program, &configuration, &template).await?;
    eprintln!("Watching ingest do nothing");
    let idle_percent = machine::idle_percent(service.pid, args.length()).await?;
    let idle = process::memory(service.pid)?;

    let row = variables(&template)?;
    let insert = Script { text: include_str!("../sql/insert.sql"), variables: &row };
    let mut series: Vec<Series> =
        args.connections().map(|clients| Series::new("ingest: events", clients)).collect();
    let (mut checked, mut split) = (Checked::default(), Split::default());
    turns::take(args.rounds(), &mut series, async |whose, clients| {
        database.reset().await?;
        let watch = Outside::watch();
        if whose == Whose::Theirs {
            return Ok((pgbench.run(&insert, clients, args.length()).await?, watch.share()));
        }
        let (to, template) = (service.address, template.clone());
        let before = Split::now(service.pid)?;
        let sending = load::send(to, template.clone(), clients, args.length()).await?;
        split.add(before, Split::now(service.pid)?);
        let outside = watch.share();
        checked += stored::check(&database.pool, &template, &sending.sent).await?;
        Ok((Side::new(sending.per_second(), &sending.latencies_ms()), outside))
    })
    .await?;
    let loaded = process::memory(service.pid)?;
    service.stop().await?;
    Ok(Ingest { series, checked, start_ms, idle, idle_percent, loaded, split })
}

/// Starts it as often as there are rounds, for the time that takes; the last one goes on.
async fn start(
    args: &Args,
    database: &Database,
    program: &Program,
    configuration: &Path,
    template: &Template,
) -> anyhow::Result<(Service, f64)> {
    let mut took = Vec::new();
    loop {
        let mut service = program.start("ingest", database.url(), configuration)?;
        let first = first_success(&mut service, template.clone()).await?;
        took.push(first.as_secs_f64() * 1e3);
        if took.len() >= args.rounds() {
            return Ok((service, figures::median(&took)));
        }
        service.stop().await?;
    }
}

/// Sends events until one is stored; gives how long that took since the start.
async fn first_success(service: &mut Service, mut template: Template) -> anyhow::Result<Duration> {
    loop {
        service.must_run()?;
        if let Ok(mut connection) = Connection::open(service.address).await {
            template.renew();
            let answer = connection.exchange(template.request()).await?;
            if answer.status == 200 {
                return Ok(service.started.elapsed());
            }
        }
        if service.started.elapsed() > Duration::from_secs(30) {
            bail!("no success within 30 s of the start: {}", service.last_words());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// All that ingest reads of a configuration.
pub(crate) fn sources() -> String {
    format!("sources:\n  {SOURCE}:\n    kind: dbt\n    secrets: [\"{SECRET}\"]\n")
}

/// The values that ingest finds in the body, for pgbench.
fn variables(template: &Template) -> anyhow::Result<Vec<(&'static str, String)>> {
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
