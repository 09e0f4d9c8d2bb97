//! Watches one event in the history until its refresh has ended, telling each call as it is made.

use std::time::{Duration, Instant};

use afterrun_core::history::{AttemptRow, DeliveryRow, EventFilter};
use afterrun_core::refresh::RefreshId;

use super::{Job, or_dash};
use crate::command::demo::stage::Stage;
use crate::command::demo::story::{Scene, Who};
use crate::output::{clean, milliseconds};

/// Longer than any scene takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(30);
const EVERY: Duration = Duration::from_millis(50);

/// How it ended: the event's rows, and the calls made for its refresh.
pub(super) struct Watched {
    pub(super) rows: Vec<DeliveryRow>,
    pub(super) attempts: Vec<AttemptRow>,
}

/// Until the refresh of the job's target has ended that the event led to, or patience has.
pub(super) async fn to_the_end(
    stage: &Stage,
    scene: &Scene,
    job: &Job,
    event_id: &str,
) -> anyhow::Result<Watched> {
    let began = Instant::now();
    let mut told = 0;
    let mut planned = false;
    loop {
        let rows = stage.store.deliveries(event_id).await?;
        let own = |row: &&DeliveryRow| row.target.as_deref() == Some(job.target);
        let row = rows.iter().filter(own).find(|row| row.refresh_id.is_some());
        let Some((row, id)) = row.and_then(|row| Some((row, RefreshId(row.refresh_id?)))) else {
            if began.elapsed() > PATIENCE {
                return Ok(Watched { rows, attempts: Vec::new() });
            }
            tokio::time::sleep(EVERY).await;
            continue;
        };
        if !planned {
            planned = true;
            let (target, route) = (or_dash(&row.target), or_dash(&row.route));
            scene.tell(Who::Worker, format!("plans refresh {id} of {target}, by route {route}"))?;
        }
        let attempts = stage.store.attempts(id).await?;
        if attempts.len() > told {
            // What a call led to is in the event's rows as soon as the call is, and not before.
            let rows = stage.store.deliveries(event_id).await?;
            let remote = rows.iter().find_map(|row| row.remote_id.as_deref()).unwrap_or_default();
            for (place, attempt) in attempts.iter().enumerate().skip(told) {
                let lost = place > 0 && attempts[place - 1].outcome == "lost";
                tell(scene, job, remote, attempt, lost)?;
            }
        }
        told = attempts.len();
        let ended = row.refresh_finished_at.is_some();
        if ended {
            // The refresh and its last call are written together, and read one after the other.
            let rows = stage.store.deliveries(event_id).await?;
            if let Some(latency) = row.latency_ms {
                let latency = scene.good(milliseconds(latency));
                scene.tell(Who::Worker, format!("{} after {latency}", scene.good("confirmed")))?;
            }
            return Ok(Watched { rows, attempts });
        }
        if began.elapsed() > PATIENCE {
            return Ok(Watched { rows, attempts });
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Until the event's refresh is in one of these states, or patience has ended. Its newest row.
pub(super) async fn until(
    stage: &Stage,
    event_id: &str,
    states: &[&str],
) -> anyhow::Result<Option<DeliveryRow>> {
    let began = Instant::now();
    loop {
        let row = stage.store.deliveries(event_id).await?.pop();
        let state = row.as_ref().and_then(|row| row.refresh_state.as_deref());
        if state.is_some_and(|state| states.contains(&state)) || began.elapsed() > PATIENCE {
            return Ok(row);
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Until an event of the run is there, or patience has ended. The event's id.
pub(super) async fn known(stage: &Stage, job: &Job, run: u64) -> anyhow::Result<Option<String>> {
    let began = Instant::now();
    let of_job = EventFilter { job: Some(job.id.to_string()), ..EventFilter::default() };
    let run = run.to_string();
    loop {
        let events = stage.store.events(&of_job, 20).await?;
        let event = events.into_iter().find(|event| event.run_id.as_ref() == Some(&run));
        if event.is_some() || began.elapsed() > PATIENCE {
            return Ok(event.map(|event| event.event_id));
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Until the event is planned, or patience has ended.
pub(super) async fn planned(stage: &Stage, event_id: &str) -> anyhow::Result<Vec<DeliveryRow>> {
    let began = Instant::now();
    loop {
        let rows = stage.store.deliveries(event_id).await?;
        if rows.iter().any(|row| row.event_state == "planned") || began.elapsed() > PATIENCE {
            return Ok(rows);
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// One call, as the tool's part of the story; `lost`: the answer to the one before it was.
fn tell(
    scene: &Scene,
    job: &Job,
    remote: &str,
    attempt: &AttemptRow,
    lost: bool,
) -> std::io::Result<()> {
    let http = attempt.http_status.map_or(String::new(), |status| format!("{status} "));
    let error = clean(attempt.error.as_deref().unwrap_or("no reason given"));
    let what = match (attempt.kind.as_str(), attempt.outcome.as_str()) {
        ("trigger", "ok") if lost => {
            format!("had not started it; asked again: {http}started {remote}")
        }
        ("trigger", "ok") if attempt.attempt > 1 => format!("{http}started {remote}, anew"),
        ("trigger", "ok") => format!("{http}started {remote}"),
        ("poll", "wait") => format!("{http}still running"),
        ("poll", "ok") => format!("{http}{}", scene.good("ended well")),
        ("trigger", "lost") => {
            let status = scene.bad(http.trim());
            format!("{status}: started or not? It is asked before the call is repeated")
        }
        (_, "retry") => format!("{}: {error}; tried again soon", scene.bad(http.trim())),
        (kind, outcome) => format!("{http}{kind}: {}: {error}", scene.bad(outcome)),
    };
    scene.tell(job.tool.who(), what)
}
