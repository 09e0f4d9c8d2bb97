//! Ten thousand events at once, for a hundred targets: how long until all are answered, and how many
//! refreshes each target gets for its hundred events.
//!
//! Runs take longer here than the burst should: of a report that is done at once, each event could
//! have a refresh of its own, and nothing would be joined.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::body::Template;
use crate::estate::Estate;
use crate::goal::{Goal, Unit};
use crate::ground::Ground;
use crate::load;
use crate::machine::Outside;
use crate::report::Figure;
use crate::tool::Tool;
use crate::{served, stored, turns};

const EVENTS: usize = 10_000;
const TARGETS: usize = 100;
/// Fewer than ingest takes on at once; who comes beyond that is asked to come again.
const CONNECTIONS: usize = 200;
/// Twice as long as the burst should take.
const RUNS_TAKE: Duration = Duration::from_secs(3);
/// How often the tool is asked meanwhile.
const POLL: Duration = Duration::from_millis(250);

struct Burst {
    seconds: f64,
    /// Of the target that got most.
    refreshes: f64,
}

pub(crate) async fn measure(ground: Ground<'_>) -> anyhow::Result<Vec<Figure>> {
    let what = "burst of 10,000 events for 100 targets";
    let rounds = turns::alone(what, ground.args.rounds(), async || take(ground).await).await?;
    let counted = rounds.counted();
    let answered = format!("{what}: all answered after");
    let refreshes = format!("{what}: refreshes of a target, at most");
    Ok(vec![
        Figure::of(answered, Unit::Seconds, &counted, |burst| burst.seconds)
            .goal(Goal::AtMost(1.5)),
        Figure::of(refreshes, Unit::Count, &counted, |burst| burst.refreshes)
            .goal(Goal::AtMost(2.0)),
    ])
}

async fn take(ground: Ground<'_>) -> anyhow::Result<(Burst, f64)> {
    let Ground { database, .. } = ground;
    let since = database.reset().await?;
    let now = database.now().await?;
    let (template, tool) = (Template::new(now), Tool::start(RUNS_TAKE, now)?);
    let estate = Estate { poll: POLL, ..Estate::new(TARGETS, 1) };
    let both = ground.both(&estate, &tool).await?;
    let watch = Outside::watch();
    let to = both.ingest.address;
    let sending = load::burst(to, template.clone(), CONNECTIONS, EVENTS, TARGETS).await?;
    let outside = watch.share();
    let done = database.until_done().await;
    done.with_context(|| format!("the worker said: {}", both.worker.last_words()))?;
    both.stop().await?;
    let checked = stored::check(database, since, &template, &sending.sent).await?;
    if checked.refused > 0 {
        bail!("{} of {EVENTS} events were refused or not answered", checked.refused);
    }
    let runs = tool.runs();
    served::check(database, since, &runs).await?;
    let mut refreshes = HashMap::<&str, usize>::new();
    for run in &runs {
        *refreshes.entry(&run.report).or_default() += 1;
    }
    let most = refreshes.values().copied().max().unwrap_or_default();
    let seconds = (sending.until - sending.from).as_secs_f64();
    Ok((Burst { seconds, refreshes: most as f64 }, outside))
}
