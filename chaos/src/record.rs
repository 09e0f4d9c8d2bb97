//! Collects the history of a run: what the senders remember, what the tools logged, and what stands
//! in the database, with every change of a refresh on the way there.

use std::collections::HashMap;

use afterrun_chaos::History;
use afterrun_chaos::history::{
    Attempt, Bounds, Cause, Change, Delivery, Event, Fault, Owned, Process, Refresh, RemoteRun,
    Route, Try,
};
use afterrun_simulators::Call;
use afterrun_simulators::dbt::RunStatus;
use anyhow::Context as _;
use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{Executor as _, PgConnection, Row as _};

use crate::estate::{self, GIVE_UP_AFTER, SOURCE, Tool};
use crate::senders::{self, LIMIT};
use crate::settle::Has;
use crate::world::World;

/// The database itself notes who had a refresh and how far it was, in the transaction that changes
/// it. The program knows nothing of this.
const AUDIT: &str = "
    create table chaos_change (
        id bigint generated always as identity primary key,
        at timestamptz not null,
        refresh_id bigint not null,
        before_state text, before_fence bigint, before_worker text,
        before_lease_until timestamptz, before_remote_id text,
        after_state text not null, after_fence bigint not null, after_worker text,
        after_lease_until timestamptz, after_remote_id text
    );
    create function chaos_note() returns trigger language plpgsql as $$
    begin
        if tg_op = 'UPDATE' and (old.state, old.fence, old.worker, old.lease_until, old.remote_id)
            is not distinct from (new.state, new.fence, new.worker, new.lease_until, new.remote_id)
        then
            return null;
        end if;
        insert into chaos_change (
            at, refresh_id,
            before_state, before_fence, before_worker, before_lease_until, before_remote_id,
            after_state, after_fence, after_worker, after_lease_until, after_remote_id
        ) values (
            clock_timestamp(), new.id,
            old.state, old.fence, old.worker, old.lease_until, old.remote_id,
            new.state, new.fence, new.worker, new.lease_until, new.remote_id
        );
        return null;
    end $$;
    create trigger chaos_note after insert or update on refresh
        for each row execute function chaos_note();
";

/// What a worker says when its result came too late.
const TOO_LATE: &str = "is another worker's now; dropped our result";

pub(crate) async fn audit(world: &World) -> anyhow::Result<()> {
    let mut connection = world.database.answers().await?;
    connection.execute(AUDIT).await.context("letting the database note changes")?;
    Ok(())
}

pub(crate) async fn gather(
    world: &World,
    before: &HashMap<String, Has>,
    after: &HashMap<String, Has>,
) -> anyhow::Result<History> {
    let mut connection = world.database.answers().await?;
    let from = &mut connection;
    Ok(History {
        bounds: Bounds { answer: LIMIT, give_up_after: GIVE_UP_AFTER, ..Bounds::default() },
        routes: routes(),
        deliveries: world.senders.deliveries().into_iter().map(delivery).collect(),
        remote_runs: remote_runs(world),
        events: events(from).await?,
        refreshes: refreshes(from).await?,
        causes: causes(from).await?,
        attempts: attempts(from).await?,
        changes: changes(from).await?,
        faults: faults(world),
        processes: processes(before, after),
        leaks: Vec::new(),
        refused_writes: refused_writes(world)?,
        read_at: sqlx::query_scalar("select clock_timestamp()").fetch_one(from).await?,
    })
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
    let ended = match delivery.status {
        RunStatus::Success => "success",
        RunStatus::Errored => "error",
        RunStatus::Cancelled => "cancelled",
        RunStatus::Running => "started",
    };
    Delivery {
        source: SOURCE.to_owned(),
        event_id: delivery.event_id,
        sha256: hex::encode(delivery.sha256),
        forged: delivery.forged.map(|forgery| format!("{forgery:?}").to_lowercase()),
        job: delivery.job,
        ended: Some(ended.to_owned()),
        run_finished_at: delivery.finished_at,
        tries: delivery.tries.into_iter().map(one_try).collect(),
    }
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

async fn rows<T>(
    from: &mut PgConnection,
    question: &'static str,
    read: impl Fn(&PgRow) -> sqlx::Result<T>,
) -> anyhow::Result<Vec<T>> {
    let rows = sqlx::query(question).fetch_all(from).await.context("reading the history")?;
    Ok(rows.iter().map(read).collect::<sqlx::Result<_>>()?)
}

async fn events(from: &mut PgConnection) -> anyhow::Result<Vec<Event>> {
    let question = "select id, source, event_key, encode(sha256(body), 'hex') as sha256,
        state::text as state, reason, received_at from event order by id";
    rows(from, question, |row| {
        Ok(Event {
            id: row.try_get("id")?,
            source: row.try_get("source")?,
            event_key: row.try_get("event_key")?,
            sha256: row.try_get("sha256")?,
            state: row.try_get("state")?,
            reason: row.try_get("reason")?,
            received_at: row.try_get("received_at")?,
        })
    })
    .await
}

async fn refreshes(from: &mut PgConnection) -> anyhow::Result<Vec<Refresh>> {
    let question = "select id, target, state::text as state, reason, fence, lease_until, remote_id,
        created_at from refresh order by id";
    rows(from, question, |row| {
        Ok(Refresh {
            id: row.try_get("id")?,
            target: row.try_get("target")?,
            state: row.try_get("state")?,
            reason: row.try_get("reason")?,
            fence: row.try_get("fence")?,
            lease_until: row.try_get("lease_until")?,
            remote_id: row.try_get("remote_id")?,
            created_at: row.try_get("created_at")?,
        })
    })
    .await
}

async fn causes(from: &mut PgConnection) -> anyhow::Result<Vec<Cause>> {
    let question = "select refresh_id, event_id, route, target from refresh_cause";
    rows(from, question, |row| {
        Ok(Cause {
            refresh_id: row.try_get("refresh_id")?,
            event_id: row.try_get("event_id")?,
            route: row.try_get("route")?,
            target: row.try_get("target")?,
        })
    })
    .await
}

async fn attempts(from: &mut PgConnection) -> anyhow::Result<Vec<Attempt>> {
    let question = "select refresh_id, call, kind::text as kind, outcome::text as outcome,
        started_at, finished_at, worker from attempt";
    rows(from, question, |row| {
        Ok(Attempt {
            refresh_id: row.try_get("refresh_id")?,
            call: row.try_get("call")?,
            kind: row.try_get("kind")?,
            outcome: row.try_get("outcome")?,
            started_at: row.try_get("started_at")?,
            finished_at: row.try_get("finished_at")?,
            worker: row.try_get("worker")?,
        })
    })
    .await
}

async fn changes(from: &mut PgConnection) -> anyhow::Result<Vec<Change>> {
    rows(from, "select * from chaos_change order by id", |row| {
        let before: Option<String> = row.try_get("before_state")?;
        let before = before.map(|state| {
            Ok::<_, sqlx::Error>(Owned {
                state,
                fence: row.try_get("before_fence")?,
                worker: row.try_get("before_worker")?,
                lease_until: row.try_get("before_lease_until")?,
                remote_id: row.try_get("before_remote_id")?,
            })
        });
        Ok(Change {
            at: row.try_get("at")?,
            refresh_id: row.try_get("refresh_id")?,
            before: before.transpose()?,
            after: Owned {
                state: row.try_get("after_state")?,
                fence: row.try_get("after_fence")?,
                worker: row.try_get("after_worker")?,
                lease_until: row.try_get("after_lease_until")?,
                remote_id: row.try_get("after_remote_id")?,
            },
        })
    })
    .await
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
