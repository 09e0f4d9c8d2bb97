//! After the faults: everything comes to its end by itself, and nothing was left behind.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use sqlx::Row as _;
use tokio::process::Command;

use crate::estate::ASKED;
use crate::world::World;

/// I12: by then everything has ended, or waits for a reason that it gives.
const WITHIN: Duration = Duration::from_secs(60);

/// What is not let go of by then counts as left behind.
const LETS_GO: Duration = Duration::from_secs(10);

/// A worker that was killed while it asked dbt has the turn for as long.
const ASKS: Duration = Duration::from_secs(5 * 60);

/// What is still to be done.
pub(crate) struct Open {
    events: i64,
    refreshes: i64,
    /// Runs that dbt has and we do not know of.
    unknown_runs: i64,
    /// Somebody has the turn to ask dbt, and may have been killed.
    is_asking: bool,
    /// dbt tells of no run.
    is_off: bool,
}

impl Open {
    fn is_nothing(&self) -> bool {
        matches!(self, Self { events: 0, refreshes: 0, unknown_runs: 0, is_off: false, .. })
    }

    /// Whether all that is left is what asking dbt brings.
    fn waits_for_asking(&self) -> bool {
        self.is_asking && matches!(self, Self { events: 0, refreshes: 0, .. })
    }
}

impl fmt::Display for Open {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { events, refreshes, unknown_runs, .. } = self;
        write!(
            to,
            "{events} events to plan, {refreshes} refreshes open, {unknown_runs} runs unknown"
        )?;
        if self.is_off { to.write_str(", dbt's webhook off") } else { Ok(()) }
    }
}

pub(crate) async fn open(world: &World) -> anyhow::Result<Open> {
    let mut connection = world.database.connect().await?;
    let runs: Vec<String> =
        world.account.ended().iter().map(|ended| ended.id.to_string()).collect();
    let question = sqlx::query(
        "select
            (select count(*) from event where state = 'stored') as events,
            (select count(*) from refresh where finished_at is null) as refreshes,
            (select count(*) from unnest($2::text[]) as ended (run) where not exists (
                select from event where source = $1 and run_id = ended.run
            )) as unknown_runs,
            exists (select from dbt_source where lease_until > now()) as is_asking",
    );
    let row = question.bind(ASKED).bind(runs).fetch_one(&mut connection).await?;
    Ok(Open {
        events: row.try_get("events")?,
        refreshes: row.try_get("refreshes")?,
        unknown_runs: row.try_get("unknown_runs")?,
        is_asking: row.try_get("is_asking")?,
        is_off: !world.account.is_on(),
    })
}

/// Waits until nothing is open. What still is after a minute is found wrong, unless it waits.
pub(crate) async fn wait(world: &World) -> anyhow::Result<()> {
    let begun = Instant::now();
    let (mut told, mut until) = (begun, begun + WITHIN);
    loop {
        let rest = open(world).await;
        if rest.as_ref().is_ok_and(Open::is_nothing) {
            eprintln!(
                "everything has ended, {:.1} s after the senders",
                begun.elapsed().as_secs_f64()
            );
            return Ok(());
        }
        if rest.as_ref().is_ok_and(Open::waits_for_asking) {
            until = (Instant::now() + WITHIN).min(begun + ASKS + WITHIN);
        }
        if Instant::now() > until {
            break;
        }
        if told.elapsed() > Duration::from_secs(10) {
            told = Instant::now();
            if let Ok(rest) = &rest {
                eprintln!("waiting: {rest}");
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    if !world.account.is_on() {
        world.journal.find("a minute after the last fault, dbt's webhook is off".to_owned());
    }
    let mut connection = world.database.answers().await?;
    let left = sqlx::query_scalar::<_, String>(
        "select format('event %s is not planned: %s', event_key, plan_error) from event
            where state = 'stored'
        union all
        select format('refresh %s of %s is %s, due %s, lease until %s: %s; %s',
            id, target, state, due_at, lease_until, reason, last_error) from refresh
            where finished_at is null and state <> 'waiting'",
    );
    for what in left.fetch_all(&mut connection).await? {
        world.journal.find(format!("a minute after the last fault, {what}"));
    }
    Ok(())
}

/// The senders let go of their connections, and waits until every ingest has done so too.
pub(crate) async fn hang_up(world: &World) {
    world.senders.hang_up();
    let begun = Instant::now();
    while begun.elapsed() < LETS_GO && !world.ingests.iter().all(|it| it.front.is_quiet()) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What a process has of the machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Has {
    pub(crate) bytes: u64,
    pub(crate) descriptors: u64,
}

/// What each service has now. The senders let go of it first.
pub(crate) fn measure(world: &World) -> HashMap<String, Has> {
    world.senders.hang_up();
    let mut all = HashMap::new();
    for service in world.services() {
        let Some(pid) = service.pid() else { continue };
        let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).map(Iterator::count);
        let memory = bench::process::memory(pid.cast_unsigned());
        if let (Ok(memory), Ok(descriptors)) = (memory, descriptors) {
            let bytes = (memory.now_mib * 1024.0 * 1024.0) as u64;
            all.insert(service.name.clone(), Has { bytes, descriptors: descriptors as u64 });
        }
    }
    all
}

/// No secret stands on a page that a service shows.
pub(crate) async fn check_pages(world: &World) {
    let canaries = world.canaries();
    for service in world.services() {
        for path in ["/metrics", "/readyz", "/", "/api/v1/refreshes", "/api/v1/targets"] {
            let Ok(answer) = service.page(path).await else { continue };
            if let Some(canary) = found(&answer.body, &canaries) {
                let name = &service.name;
                world.journal.leak(format!("{path} of {name}: {canary}"));
            }
        }
    }
}

/// The database is whole, and holds no secret.
pub(crate) async fn check_database(world: &World) -> anyhow::Result<()> {
    let programs = world.database.programs()?;
    let amcheck = programs.join("pg_amcheck");
    if amcheck.exists() {
        let checked = Command::new(amcheck)
            .args(["--heapallindexed", "--install-missing", "afterrun"])
            .stdin(Stdio::null())
            .env("PGPASSWORD", world.database.password())
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", world.database.address.port().to_string())
            .env("PGUSER", "afterrun")
            .output()
            .await
            .context("running pg_amcheck")?;
        if !checked.status.success() {
            let said = [checked.stdout, checked.stderr].concat();
            world.journal.find(format!("pg_amcheck: {}", String::from_utf8_lossy(&said).trim()));
        }
    } else {
        world.journal.skip("pg_amcheck", "it is not beside this Postgres");
    }
    let dump = programs.join("pg_dump");
    if dump.exists() {
        let dumped = Command::new(dump)
            .arg(world.database.url())
            .stdin(Stdio::null())
            .output()
            .await
            .context("running pg_dump")?;
        if !dumped.status.success() {
            world.journal.find(format!("pg_dump: {}", String::from_utf8_lossy(&dumped.stderr)));
        }
        if let Some(canary) = found(&dumped.stdout, &world.canaries()) {
            world.journal.leak(format!("the database: {canary}"));
        }
    } else {
        world.journal.skip("pg_dump", "it is not beside this Postgres");
    }
    Ok(())
}

/// No log tells of a panic, or a secret.
pub(crate) fn check_outputs(world: &World) -> anyhow::Result<()> {
    let canaries = world.canaries();
    for entry in std::fs::read_dir(world.folder.join("logs"))? {
        let path = entry?.path();
        let log = std::fs::read(&path)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(canary) = found(&log, &canaries) {
            world.journal.leak(format!("{name}: {canary}"));
        }
        let text = String::from_utf8_lossy(&log);
        for line in text.lines().filter(|line| line.contains("panic")) {
            world.journal.find(format!("{name}: {line}"));
        }
    }
    check_server_log(world, &world.database.data_dir);
    Ok(())
}

/// The server tells of what it was asked; no secret may be among that.
fn check_server_log(world: &World, data_dir: &Path) {
    for name in ["server.log", "server.log.before"] {
        // Gone with its disk is as good as clean; it was read at the end of the run.
        let Ok(log) = std::fs::read(data_dir.join(name)) else { continue };
        if let Some(canary) = found(&log, &world.canaries()) {
            world.journal.leak(format!("the database's own log: {canary}"));
        }
        // Kept for whoever looks into a run that failed.
        let _ = std::fs::write(world.folder.join("logs").join(format!("postgres-{name}")), log);
    }
}

fn found<'c>(bytes: &[u8], canaries: &'c [String]) -> Option<&'c str> {
    let text = String::from_utf8_lossy(bytes);
    canaries.iter().map(String::as_str).find(|canary| text.contains(canary))
}
