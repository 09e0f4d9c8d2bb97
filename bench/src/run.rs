//! The run from its beginning to the tables.

use std::time::Instant;

use anyhow::Context as _;

use crate::args::{Args, Part};
use crate::database::Cluster;
use crate::ground::Ground;
use crate::pgbench::Pgbench;
use crate::program::Program;
use crate::report::{self, Figure, Series, whole};
use crate::{
    backlog, burst, called, chart, figures, footprint, history, ingest, machine, pages, peers,
    queue, snapshot, sustained, waking, worker,
};

pub(crate) async fn run(args: &Args) -> anyhow::Result<()> {
    let program = Program::ready(args.program.as_deref()).await?;
    let cluster = Cluster::start(&args.data_in).await?;
    let ended = measure_and_print(args, &program, &cluster).await;
    cluster.end().await?;
    ended
}

/// What was found out.
#[derive(Default)]
struct Found {
    series: Vec<Series>,
    figures: Vec<Figure>,
    /// What was checked, and what the processor was used for.
    lines: Vec<String>,
}

async fn measure_and_print(
    args: &Args,
    program: &Program,
    cluster: &Cluster,
) -> anyhow::Result<()> {
    let pgbench = Pgbench::find(&cluster.programs, &cluster.database.url)?;
    let ground = Ground { args, program, pgbench: &pgbench, database: &cluster.database };
    let (begun, load_before) = (Instant::now(), machine::load_average());
    let flush_us = machine::flush_us(cluster.data_dir())?;
    let mut found = Found::default();
    found.short(ground).await?;
    found.long(ground, cluster).await?;

    for fact in machine::facts() {
        println!("{fact}");
    }
    println!("{}; a flush takes {flush_us:.0} µs", cluster.facts().await?);
    println!(
        "load average before {load_before}, after {}; measured in {:.0} min",
        machine::load_average(),
        begun.elapsed().as_secs_f64() / 60.0
    );
    let Found { series, figures, lines } = found;
    if !series.is_empty() {
        println!("\n{}", report::rates(&series));
    }
    if !figures.is_empty() {
        println!("\n{}", report::figures(&figures));
    }
    println!();
    for line in lines {
        println!("{line}");
    }
    let disturbed = series.iter().any(|series| series.rounds.counted().disturbed)
        || figures.iter().any(|figure| figure.disturbed);
    if disturbed {
        println!(
            "! every round was disturbed: other programs took more than {:.0} % of the processors",
            figures::QUIET * 100.0
        );
    }
    Ok(())
}

impl Found {
    /// All that a few minutes are enough for.
    async fn short(&mut self, ground: Ground<'_>) -> anyhow::Result<()> {
        let args = ground.args;
        if args.wants(Part::Footprint) {
            self.figures.extend(footprint::measure(ground).await?);
        }
        if args.wants(Part::Ingest) {
            let ingest = ingest::measure(ground).await?;
            let (acknowledged, refused) = (ingest.checked.acknowledged, ingest.checked.refused);
            self.lines.push(format!(
                "{} events acknowledged, each found stored byte for byte; {} refused or unanswered",
                whole(acknowledged as f64),
                whole(refused as f64),
            ));
            let split = ingest.split.per_piece(acknowledged);
            self.lines.push(format!("processor for each event: {split}"));
            let memory = footprint::loaded("memory of ingest, at full load", ingest.peak_mib);
            self.figures.push(memory);
            self.series.extend(ingest.series);
        }
        if args.wants(Part::Waking) {
            self.series.push(waking::measure(ground).await?);
        }
        if args.wants(Part::Worker) {
            let worker = worker::measure(ground).await?;
            self.lines.push(format!(
                "{} refreshes confirmed, each run exactly once in the tool",
                whole(worker.confirmed as f64),
            ));
            let split = worker.split.per_piece(worker.confirmed as u64);
            self.lines.push(format!("processor for each refresh: {split}"));
            let memory = footprint::loaded("memory of a worker, at full load", worker.peak_mib);
            self.figures.push(memory);
            self.series.extend(worker.series);
        }
        if args.wants(Part::Queue) {
            let queue = queue::measure(ground).await?;
            self.lines.push(format!(
                "{} refreshes went through the queue, each with one attempt",
                whole(queue.succeeded as f64),
            ));
            self.series.push(queue.series);
        }
        if args.wants(Part::Called) {
            self.figures.extend(called::measure(ground).await?);
        }
        if args.wants(Part::Burst) {
            self.figures.extend(burst::measure(ground).await?);
        }
        if args.wants(Part::Backlog) {
            self.figures.push(backlog::measure(ground).await?);
        }
        if args.wants(Part::Sustained) {
            self.figures.extend(sustained::measure(ground).await?);
        }
        Ok(())
    }

    /// What needs databases of its own: others' schemas, or a past.
    async fn long(&mut self, ground: Ground<'_>, cluster: &Cluster) -> anyhow::Result<()> {
        if ground.args.wants(Part::Peers) {
            self.series.extend(peers::measure(ground, cluster).await?);
        }
        if ground.args.wants(Part::History) {
            let history = history::measure(ground, cluster).await?;
            self.series.extend(history.series);
            self.figures.extend(history.figures);
            if let Some(path) = ground.args.chart() {
                std::fs::write(&path, chart::svg(&history.points))
                    .with_context(|| format!("writing {}", path.display()))?;
                eprintln!("Drew {}", path.display());
            }
        }
        if ground.args.wants(Part::Pages) {
            let (figures, lines) = pages::measure(ground, cluster).await?;
            self.figures.extend(figures);
            self.lines.extend(lines);
        }
        if ground.args.wants(Part::Snapshot) {
            self.series.extend(snapshot::measure(ground, cluster).await?);
        }
        Ok(())
    }
}
