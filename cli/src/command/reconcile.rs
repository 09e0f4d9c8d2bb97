//! `afterrun reconcile`: asks dbt which runs ended, and takes in those whose event never came.

use std::path::Path;

use afterrun_core::config::Config;
use afterrun_core::reconcile::Window;
use afterrun_core::telemetry::Chain;
use afterrun_core::{Store, env};
use afterrun_worker::Targets;
use afterrun_worker::dbt::watch::watch;
use afterrun_worker::dbt::{Api, NotReconciled, Reconciled, Told, keep_away, reconcile};
use afterrun_worker::http::{Http, Limits};
use anyhow::Context as _;
use chrono::TimeDelta;
use serde::Serialize;

use super::with_api;
use crate::args::{self, Output};
use crate::database;
use crate::output::steps::Steps;
use crate::output::{clean, json, line, table};

/// What a look at one source came to.
#[derive(Debug, Default, Serialize)]
struct Looked {
    source: String,
    /// How many runs ended in that time.
    ended: usize,
    /// The events that were made of those whose event had not come, by their ids.
    taken_in: Vec<String>,
    error: Option<String>,
}

pub(crate) async fn run(path: &Path, args: args::Reconcile) -> anyhow::Result<()> {
    let http = Http::new(Limits::default()).context("could not set up the HTTP client")?;
    let targets = Targets::load(path, &env::var, &http)?;
    let names = with_api::sources(path, targets.config(), &args.sources)?;
    let store = database::writer(&args.database.data_dir).await?;
    let now = store.time().await?;
    let since = TimeDelta::from_std(args.since).context("that is too long ago")?;
    let window = Window { from: now - since, to: now };
    let mut looked = Vec::new();
    let each = window.slices().count();
    let steps = Steps::of(names.len() * each);
    for (name, before) in names.into_iter().zip((0..).step_by(each.max(1))) {
        looked.push(look(&store, &http, &targets, name, window, &steps).await?);
        // One that dbt has something against is done with too.
        steps.reach(before + each);
    }
    steps.end();
    match args.output {
        Output::Json => json(&looked)?,
        Output::Table => show(&looked)?,
    }
    let failed = looked.iter().filter(|looked| looked.error.is_some()).count();
    anyhow::ensure!(failed == 0, "dbt could not be asked about {failed} of {}", looked.len());
    Ok(())
}

/// Looks through the time, and says how far it is; what dbt has against it is part of the answer.
async fn look(
    store: &Store,
    http: &Http,
    targets: &Targets,
    name: &str,
    window: Window,
    steps: &Steps,
) -> anyhow::Result<Looked> {
    let mut looked = Looked { source: name.to_owned(), ..Looked::default() };
    if let Some(until) = store.paused_by_dbt(name).await? {
        looked.error = Some(format!(
            "dbt asked for a pause, which ends at {} UTC; try again then",
            until.format("%H:%M:%S")
        ));
        return Ok(looked);
    }
    let config = targets.config();
    let Some(api) = config.sources.get(name).and_then(|source| Api::of(http, source)) else {
        return Ok(looked);
    };
    match look_through(store, &api, config, (name, window), steps, &mut looked).await {
        Ok(()) => {}
        Err(NotReconciled::Store(error)) => return Err(error.into()),
        Err(NotReconciled::Api(error)) => {
            keep_away(store, targets, name, &error).await?;
            looked.error = Some(Chain(&error).to_string());
        }
    }
    Ok(looked)
}

async fn look_through(
    store: &Store,
    api: &Api,
    config: &Config,
    (name, window): (&str, Window),
    steps: &Steps,
    looked: &mut Looked,
) -> Result<(), NotReconciled> {
    let last_id = store.last_webhook_id(name).await?;
    let jobs = watch(api, config, name, last_id.as_deref()).await?.jobs;
    let told = Told { jobs: jobs.as_ref(), keys_kept: config.retention.keys };
    for slice in window.slices() {
        let until = slice.to.format("%Y-%m-%d %H:%M");
        steps.say(format!("asking dbt which runs of {name} ended until {until} UTC"));
        let Reconciled { ended, taken_in } = reconcile(store, api, name, slice, &told).await?;
        looked.ended += ended;
        looked.taken_in.extend(taken_in);
        steps.step();
    }
    Ok(())
}

fn show(looked: &[Looked]) -> anyhow::Result<()> {
    let mut table = table(&["SOURCE", "ENDED", "TAKEN IN", "EVENTS"]);
    for looked in looked {
        let events = match &looked.error {
            Some(error) => error.clone(),
            None => looked.taken_in.join(", "),
        };
        table.add_row([
            clean(&looked.source),
            looked.ended.to_string(),
            looked.taken_in.len().to_string(),
            clean(&events),
        ]);
    }
    Ok(line(table)?)
}
