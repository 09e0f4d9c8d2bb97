//! Collects the history of a run: what the senders remember, what the tools logged, and what stands
//! in the database, with every change of a refresh on the way there.

use std::collections::HashMap;

use afterrun_chaos::History;
use afterrun_chaos::history::{Bounds, Delivery, Fault, Process, RemoteRun, Route, Run, Try};
use afterrun_chaos::rows::note_changes;
use afterrun_simulators::Call;
use afterrun_simulators::dbt::RunStatus;
use anyhow::Context as _;
use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};

use crate::account::{Ended, Told};
use crate::estate::{self, ASKED, GIVE_UP_AFTER, SOURCE, Tool};
use crate::senders::{self, LIMIT};
use crate::settle::Has;
use crate::world::World;

/// What a worker says when its result came too late.
const TOO_LATE: &str = "is another worker's now; dropped our result";

/// Lets the database note every change of a refresh. The program knows nothing of this.
pub(crate) async fn audit(world: &World) -> anyhow::Result<()> {
    let mut connection = world.database.answers().await?;
    note_changes(&mut connection).await.context("letting the database note changes")
}

pub(crate) async fn gather(
    world: &World,
    before: &HashMap<String, Has>,
    after: &HashMap<String, Has>,
) -> anyhow::Result<History> {
    let mut history = History {
        bounds: Bounds { answer: LIMIT, give_up_after: GIVE_UP_AFTER, ..Bounds::default() },
        routes: routes(),
        deliveries: world
            .senders
            .deliveries()
            .into_iter()
            .map(delivery)
            .chain(told(world))
            .collect(),
        runs: world.account.ended().iter().map(run).collect(),
        remote_runs: remote_runs(world),
        faults: faults(world),
        processes: processes(before, after),
        refused_writes: refused_writes(world)?,
        ..History::default()
    };
    let mut connection = world.database.answers().await?;
    history.read_rows(&mut connection).await.context("reading the history")?;
    Ok(history)
}

fn routes() -> Vec<Route> {
    let route = |route: estate::Route| Route {
        name: route.name,
        on: route.on.to_owned(),
        job: route.job,
        targets: route.targets,
    };
    estate::routes().into_iter().map(route).collect()
}

fn delivery(delivery: senders::Delivery) -> Delivery {
    Delivery {
        source: SOURCE.to_owned(),
        event_id: delivery.event_id,
        sha256: hex::encode(delivery.sha256),
        forged: delivery.forged.map(|forgery| format!("{forgery:?}").to_lowercase()),
        job: delivery.job,
        ended: Some(word(delivery.status).to_owned()),
        run_finished_at: delivery.finished_at,
        tries: delivery.tries.into_iter().map(one_try).collect(),
    }
}

/// In the words of routes.
fn word(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Success => "success",
        RunStatus::Errored => "error",
        RunStatus::Cancelled => "cancelled",
        RunStatus::Running => "started",
    }
}

fn run(ended: &Ended) -> Run {
    Run {
        source: ASKED.to_owned(),
        id: ended.id.to_string(),
        job: ended.job.to_string(),
        ended: word(ended.end).to_owned(),
        finished_at: ended.at,
    }
}

/// What the account that can be asked posted by itself.
fn told(world: &World) -> impl Iterator<Item = Delivery> {
    let ended: HashMap<u64, Ended> =
        world.account.ended().into_iter().map(|ended| (ended.id, ended)).collect();
    world.account.told().into_iter().map(move |Told { run, door, sent }| {
        let ended = &ended[&run];
        let tries = sent.answers.iter().map(|answer| {
            let came = match &answer.outcome {
                Ok(reply) => Ok((reply.status, senders::said(&reply.body))),
                Err(why) => Err(why.clone()),
            };
            one_try(senders::Try { at: answer.at, took: answer.took, to: door, came })
        });
        Delivery {
            source: ASKED.to_owned(),
            event_id: sent.event_id.clone(),
            sha256: hex::encode(Sha256::digest(&sent.body)),
            forged: None,
            job: ended.job.to_string(),
            ended: Some(word(ended.end).to_owned()),
            run_finished_at: ended.at,
            tries: tries.collect(),
        }
    })
}

fn one_try(one: senders::Try) -> Try {
    let (status, word) = match one.came {
        Ok((status, word)) => (Some(status), word),
        Err(why) => (None, why),
    };
    // The sender's patience is the limit itself; what its own timer adds is nobody's fault.
    let took = if status.is_none() { one.took.min(LIMIT) } else { one.took };
    Try { at: one.at, took, to: format!("ingest {}", one.to + 1), status, word }
}

/// Every run of every target, created when the call was handled that made it: Mode itself tells
/// that time in whole milliseconds only.
fn remote_runs(world: &World) -> Vec<RemoteRun> {
    let mut calls: HashMap<String, DateTime<Utc>> = HashMap::new();
    let all = [world.tools.mode.calls(), world.tools.tableau.calls()];
    for Call { at, method, remote_id, .. } in all.into_iter().flatten() {
        if let Some(id) = remote_id.filter(|_| method == "POST") {
            calls.entry(id).or_insert(at);
        }
    }
    let created = |id: &str, told: DateTime<Utc>| calls.get(id).copied().unwrap_or(told);
    let jobs = world.tools.tableau.jobs();
    let mut runs = Vec::new();
    for target in estate::targets() {
        match target.tool {
            Tool::Mode => {
                runs.extend(world.tools.mode.runs(&target.item).into_iter().map(|run| RemoteRun {
                    target: target.name.clone(),
                    created_at: created(&run.token, run.created_at),
                    started_at: Some(run.created_at),
                    ended_at: run.completed_at,
                    succeeded: run.state == "succeeded",
                    id: run.token,
                    by_us: true,
                }))
            }
            Tool::Tableau => {
                let ours = jobs.iter().filter(|job| job.title == target.item);
                runs.extend(ours.map(|job| RemoteRun {
                    target: target.name.clone(),
                    created_at: created(&job.id, job.created_at),
                    started_at: job.started_at,
                    ended_at: job.completed_at,
                    succeeded: job.status == "Success",
                    id: job.id.clone(),
                    by_us: true,
                }));
            }
        }
    }
    runs
}

fn faults(world: &World) -> Vec<Fault> {
    let now = world.journal.now();
    let fault = |one: crate::journal::Happened| Fault {
        name: one.fault.to_owned(),
        whom: one.whom,
        from: one.from,
        until: one.until.unwrap_or(now),
    };
    world.journal.happened().into_iter().map(fault).collect()
}

fn processes(before: &HashMap<String, Has>, after: &HashMap<String, Has>) -> Vec<Process> {
    let both = before.iter().filter_map(|(name, before)| Some((name, before, after.get(name)?)));
    both.map(|(name, before, after)| Process {
        name: name.clone(),
        memory: (before.bytes, after.bytes),
        descriptors: (before.descriptors, after.descriptors),
    })
    .collect()
}

fn refused_writes(world: &World) -> anyhow::Result<u64> {
    let mut refused = 0;
    for worker in &world.workers {
        let log = std::fs::read(&worker.service.log)?;
        let log = String::from_utf8_lossy(&log);
        refused += log.matches(TOO_LATE).count() as u64;
    }
    Ok(refused)
}
