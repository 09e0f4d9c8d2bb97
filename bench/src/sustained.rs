//! How many events a second are taken in and called for, one after the other, for as long as one
//! likes: each event is for a target whose last one was called for, so nothing is joined.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tokio::sync::oneshot::Receiver;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::answer::Connection;
use crate::body::Template;
use crate::estate::{Estate, report};
use crate::figures::Side;
use crate::goal::{Goal, Unit};
use crate::ground::Ground;
use crate::load::{self, Sent, WARM_UP};
use crate::machine::Outside;
use crate::report::Figure;
use crate::tool::Tool;
use crate::{served, stored, turns};

/// Events that wait for their call at any time: fewer than ingest takes on at once.
pub(crate) const SENDERS: usize = 200;
/// So that a target's next event comes when its last refresh has ended, not only begun.
const TARGETS_EACH: usize = 3;
/// A call that takes longer is a failure, not a figure.
const CALLED_WITHIN: Duration = Duration::from_secs(20);

pub(crate) async fn measure(ground: Ground<'_>) -> anyhow::Result<Vec<Figure>> {
    let what = "sustained, received to called, one target for each event";
    let rounds = turns::alone(what, ground.args.rounds(), async || take(ground).await).await?;
    let counted = rounds.counted();
    let latency = format!("{what}: p50");
    Ok(vec![
        Figure::of(what, Unit::PerSecond, &counted, |side| side.per_second)
            .goal(Goal::AtLeast(4000.0)),
        Figure::of(latency, Unit::Milliseconds, &counted, |side| side.p50_ms),
    ])
}

/// One round, and what others took of the processors meanwhile.
pub(crate) async fn take(ground: Ground<'_>) -> anyhow::Result<(Side, f64)> {
    let Ground { database, .. } = ground;
    let since = database.reset().await?;
    let now = database.now().await?;
    let template = Template::new(now);
    let tool = Arc::new(Tool::start(Duration::ZERO, now)?);
    let both = ground.both(&Estate::new(SENDERS * TARGETS_EACH, 1), &tool).await?;
    let watch = Outside::watch();
    let (to, length) = (both.ingest.address, ground.args.length());
    let (asked, form) = (Arc::clone(&tool), template.clone());
    let sending = load::apart(move || all(to, form, asked, length)).await;
    let sending = sending.with_context(|| format!("the worker said: {}", both.worker.last_words()));
    let (sent, calls, from) = sending?;
    let outside = watch.share();
    database.until_done().await?;
    both.stop().await?;
    let checked = stored::check(database, since, &template, &sent).await?;
    if checked.refused > 0 {
        bail!("{} events were refused or not answered", checked.refused);
    }
    let runs = tool.runs();
    served::check(database, since, &runs).await?;
    if runs.len() != sent.len() {
        bail!("{} events led to {} runs, so some were joined", sent.len(), runs.len());
    }
    let counted = calls.into_iter().filter(|(at, _)| (from..from + length).contains(at));
    let latencies_ms: Vec<f64> = counted.map(|(_, took)| took.as_secs_f64() * 1e3).collect();
    let per_second = latencies_ms.len() as f64 / length.as_secs_f64();
    Ok((Side::new(per_second, &latencies_ms), outside))
}

/// When each call came, and how long that took since its event was sent.
type Calls = Vec<(Instant, Duration)>;

async fn all(
    to: SocketAddr,
    template: Template,
    tool: Arc<Tool>,
    length: Duration,
) -> io::Result<(Vec<Sent>, Calls, Instant)> {
    let from = Instant::now() + WARM_UP;
    let until = from + length;
    let mut senders = JoinSet::new();
    for number in 0..SENDERS {
        let (template, tool) = (template.clone(), Arc::clone(&tool));
        senders.spawn(sender(to, template, tool, number, until));
    }
    let (mut sent, mut calls) = (Vec::new(), Vec::new());
    while let Some(ended) = senders.join_next().await {
        let (more, called) = ended??;
        sent.extend(more);
        calls.extend(called);
    }
    Ok((sent, calls, from))
}

/// Sends events for its targets in turn, each after the call that the one before led to.
async fn sender(
    to: SocketAddr,
    mut template: Template,
    tool: Arc<Tool>,
    number: usize,
    until: Instant,
) -> io::Result<(Vec<Sent>, Calls)> {
    let mut connection = Connection::open(to).await?;
    let (mut sent, mut calls) = (Vec::new(), Vec::new());
    let mut targets = (number * TARGETS_EACH..(number + 1) * TARGETS_EACH).cycle();
    while Instant::now() < until
        && let Some(target) = targets.next()
    {
        let called: Receiver<Instant> = tool.next_run(&report(target));
        let event_id = template.renew(target);
        let began = Instant::now();
        let answer = connection.exchange(template.request()).await?;
        sent.push(Sent::new(event_id, Ok(answer), began, began.elapsed()));
        let called = timeout(CALLED_WITHIN, called).await?;
        let at = called.map_err(|_gone| io::Error::other("the tool ended"))?;
        calls.push((at, at - began));
    }
    Ok((sent, calls))
}
