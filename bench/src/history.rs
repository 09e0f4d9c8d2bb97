//! What history costs: the same figures with so many finished refreshes in the database, beside the
//! same on an empty one, in turns.
//!
//! A database that has just been filled is tidier than one that is in use, so it is used for a while
//! before, under autovacuum alone.

use crate::args::Args;
use crate::chart::Point;
use crate::database::{Cluster, Database};
use crate::figures::{Pair, Rounds, Side};
use crate::fill::fill;
use crate::goal::{Goal, Unit};
use crate::ground::Ground;
use crate::report::{Figure, Series, whole};
use crate::turns::{self, Whose};
use crate::{called, ingest, queue, sustained, worker};

/// Events a second, of which each is planned, called for, polled and recorded.
pub(crate) const CHURN: u32 = 500;
/// At which the latency is measured.
const RATE: u32 = 1000;

/// What was found out.
pub(crate) struct History {
    pub(crate) series: Vec<Series>,
    pub(crate) figures: Vec<Figure>,
    /// From none on.
    pub(crate) points: Vec<Point>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Load {
    Ingest(usize),
    Queue,
    Worker,
    Sustained,
}

impl Load {
    fn name(self) -> &'static str {
        match self {
            Self::Ingest(_) => "ingest: events",
            Self::Queue => "queue: refreshes, no call",
            Self::Worker => "worker: refreshes, two calls each",
            Self::Sustained => "sustained, received to called",
        }
    }

    fn clients(self) -> usize {
        match self {
            Self::Ingest(connections) => connections,
            Self::Queue | Self::Worker => 1,
            Self::Sustained => sustained::SENDERS,
        }
    }

    /// One round.
    async fn take(self, ground: Ground<'_>) -> anyhow::Result<(Side, f64)> {
        match self {
            Self::Ingest(connections) => {
                let taken = ingest::take(ground, connections).await?;
                Ok((taken.side, taken.outside))
            }
            Self::Queue => {
                let (side, outside, _) = queue::work(ground).await?;
                Ok((side, outside))
            }
            Self::Worker => {
                let worked = worker::work_off(ground).await?;
                Ok((worked.side, worked.outside))
            }
            Self::Sustained => sustained::take(ground).await,
        }
    }
}

pub(crate) async fn measure(ground: Ground<'_>, cluster: &Cluster) -> anyhow::Result<History> {
    let mut history = History { series: Vec::new(), figures: Vec::new(), points: Vec::new() };
    for rows in ground.args.history() {
        let database = cluster.keeping("history").await?;
        fill(&database, rows).await?;
        eprintln!("Using it for {} s", ground.args.churn().as_secs());
        called::take(ground.on(&database), CHURN, ground.args.churn()).await?;
        let sized = beside_empty(ground, &database, rows).await?;
        cluster.remove(database).await?;
        if history.points.is_empty() {
            history.points.push(sized.empty);
        }
        history.points.push(sized.full);
        history.series.extend(sized.series);
        history.figures.extend(sized.figures);
    }
    Ok(history)
}

/// What was found out of one size.
struct Sized {
    series: Vec<Series>,
    figures: [Figure; 2],
    empty: Point,
    full: Point,
}

async fn beside_empty(ground: Ground<'_>, database: &Database, rows: u64) -> anyhow::Result<Sized> {
    let behind = format!("{} behind", whole(rows as f64));
    let (wanted, length) = (ground.args.rounds(), ground.args.length());
    let side = |whose| if whose == Whose::Ours { ground.on(database) } else { ground };
    let loads = loads(ground.args);
    let mut all = Vec::new();
    for load in &loads {
        let what = format!("{}, {behind}", load.name());
        let series = Series::new(what, load.clients(), "the same, empty");
        let mut series = [series.goal(Goal::AtLeast(0.9))];
        turns::take(wanted, &mut series, async |whose, _| load.take(side(whose)).await).await?;
        all.extend(series);
    }
    let what = format!("received to first byte of the call, {RATE}/s, {behind}");
    let calls = turns::pairs(&what, wanted, async |whose| {
        let (called, outside) = called::take(side(whose), RATE, length).await?;
        Ok((called.call, outside))
    });
    let calls = calls.await?;
    let rate = |wanted: Load, side: fn(&Pair) -> &Side| {
        let rounds = loads.iter().position(|load| *load == wanted).map(|place| &all[place].rounds);
        rounds.map_or(f64::NAN, |rounds| rounds.counted().median(|pair| side(pair).per_second))
    };
    let point = |rows: u64, side: fn(&Pair) -> &Side| Point {
        rows,
        events_per_second: rate(most(ground.args), side),
        refreshes_per_second: rate(Load::Queue, side),
        p50_ms: calls.counted().median(|pair| side(pair).p50_ms),
        p99_ms: calls.counted().median(|pair| side(pair).p99_ms),
    };
    let (empty, full) = (point(0, |pair| &pair.theirs), point(rows, |pair| &pair.ours));
    Ok(Sized { figures: latencies(&what, &calls), series: all, empty, full })
}

fn latencies(what: &str, calls: &Rounds<Pair>) -> [Figure; 2] {
    let counted = calls.counted();
    let line = |share: &str, bound: f64, figure: fn(&Side) -> f64| {
        let what = format!("{what}, {share}");
        Figure::of(what, Unit::Milliseconds, &counted, |pair| figure(&pair.ours))
            .beside("empty", counted.median(|pair| figure(&pair.theirs)))
            .goal(Goal::AtMost(bound))
    };
    [line("p50", 3.0, |side| side.p50_ms), line("p99", 10.0, |side| side.p99_ms)]
}

fn loads(args: &Args) -> Vec<Load> {
    let ingest = args.connections().map(Load::Ingest);
    ingest.chain([Load::Queue, Load::Worker, Load::Sustained]).collect()
}

/// Ingest with the most connections.
fn most(args: &Args) -> Load {
    Load::Ingest(args.connections().max().unwrap_or_default())
}
