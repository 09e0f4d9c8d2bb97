//! The same event on many connections to several ingest processes at the same moment.

use std::collections::HashMap;
use std::sync::Arc;

use afterrun_simulators::SimClock;
use afterrun_simulators::dbt::{self, Event, Run, RunStatus};
use anyhow::Context as _;
use bench::answer::Connection;
use bench::program::Program;
use serde_json::Value;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::args::Common;
use crate::estate;
use crate::run::{folder, remove};
use crate::senders::request;
use crate::world::{Size, World};

/// To each of the processes.
const CONNECTIONS: usize = 16;

/// What one connection was told: how often it was answered 200, and which events were called new.
#[derive(Default)]
struct Told {
    taken: u64,
    refused: Vec<u16>,
    new: Vec<String>,
}

pub(crate) async fn measure(events: u16, common: &Common) -> anyhow::Result<bool> {
    let program = Program::ready(common.program.as_deref()).await?;
    let folder = folder(common, common.seed())?;
    let size = Size { ingests: 2, workers: 1, disk_mib: 512 };
    let (world, supervisors) = World::start(&folder, program.path(), size).await?;
    let clock = SimClock::real();
    let requests: Vec<(String, Vec<u8>)> = (0..events)
        .map(|number| {
            let now = clock.now();
            let run = Run::of(
                estate::job(0),
                7_000_000 + u64::from(number),
                RunStatus::Success,
                now,
                now,
            );
            let event = Event::of(run, now);
            let body = dbt::completed(&event);
            let signature = dbt::sign(&world.secrets.signing(), &body);
            (event.event_id, request(&body, &[&signature]))
        })
        .collect();
    let requests: Arc<[(String, Vec<u8>)]> = requests.into();
    let barrier = Arc::new(Barrier::new(CONNECTIONS * world.ingests.len()));
    let mut all = JoinSet::new();
    for ingest in &world.ingests {
        for _ in 0..CONNECTIONS {
            let connection = Connection::open(ingest.service.listen).await?;
            all.spawn(send(connection, Arc::clone(&requests), Arc::clone(&barrier)));
        }
    }
    let (mut taken, mut refused, mut new) = (0, Vec::new(), HashMap::new());
    while let Some(ended) = all.join_next().await {
        let told = ended??;
        taken += told.taken;
        refused.extend(told.refused);
        for id in told.new {
            *new.entry(id).or_insert(0) += 1;
        }
    }
    let mut connection = world.database.answers().await?;
    let (rows, deliveries): (i64, i64) =
        sqlx::query_as("select count(*), coalesce(sum(deliveries), 0)::bigint from event")
            .fetch_one(&mut connection)
            .await?;
    supervisors.stop().await?;
    let findings = world.journal.findings();
    let wanted = u64::from(events);
    let each = (CONNECTIONS * world.ingests.len()) as u64;
    let once = new.len() as u64 == wanted && new.values().all(|times| *times == 1);
    println!(
        "{CONNECTIONS} connections x {} ingest processes x {events} events: {rows} rows, {taken} answers \
         200, {} others; each event was called new once: {once}; {deliveries} deliveries counted",
        world.ingests.len(),
        refused.len(),
    );
    let clean = rows.cast_unsigned() == wanted
        && taken == wanted * each
        && deliveries.cast_unsigned() == wanted * each
        && once
        && findings.is_empty();
    if clean && !common.keep {
        remove(world);
    }
    println!("{}", if clean { "clean" } else { "NOT CLEAN" });
    Ok(clean)
}

async fn send(
    mut connection: Connection,
    requests: Arc<[(String, Vec<u8>)]>,
    barrier: Arc<Barrier>,
) -> anyhow::Result<Told> {
    let mut told = Told::default();
    for (id, request) in requests.iter() {
        barrier.wait().await;
        let answer = connection.exchange(request).await.context("sending an event")?;
        if answer.status != 200 {
            told.refused.push(answer.status);
            continue;
        }
        told.taken += 1;
        let said: Value = serde_json::from_slice(&answer.body)?;
        if said["status"] == "stored" {
            told.new.push(id.clone());
        }
    }
    Ok(told)
}
