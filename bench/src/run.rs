//! The run from its beginning to the table.

use crate::args::{Args, Part};
use crate::database::Database;
use crate::pgbench::Pgbench;
use crate::program::Program;
use crate::report::{self, whole};
use crate::{figures, ingest, machine, worker};

pub(crate) async fn run(args: &Args) -> anyhow::Result<()> {
    let program = Program::ready(args.program.as_deref()).await?;
    let database = Database::start(&args.data_in).await?;
    let ended = measure(args, &program, &database).await;
    database.end().await?;
    ended
}

async fn measure(args: &Args, program: &Program, database: &Database) -> anyhow::Result<()> {
    let pgbench = Pgbench::find(&database.programs, database.url())?;
    let load_before = machine::load_average();
    let flush_us = machine::flush_us(database.data_dir())?;
    let mut series = Vec::new();
    let mut lines = Vec::new();

    if args.wants(Part::Ingest) {
        let ingest = ingest::measure(args, database, &pgbench, program).await?;
        lines.push(format!(
            "{} events acknowledged, each found stored byte for byte; {} refused or unanswered",
            whole(ingest.checked.acknowledged as f64),
            whole(ingest.checked.refused as f64),
        ));
        lines.push(format!(
            "ingest: first 200 after {:.0} ms; memory idle {:.1} MiB, under load {:.1} MiB; \
             processor idle {:.1} % of a core",
            ingest.start_ms, ingest.idle.now_mib, ingest.loaded.peak_mib, ingest.idle_percent,
        ));
        lines.push(format!(
            "processor for each event: {}",
            ingest.split.per_piece(ingest.checked.acknowledged),
        ));
        series.extend(ingest.series);
    }

    if args.wants(Part::Worker) {
        let worker = worker::measure(args, database, &pgbench, program).await?;
        lines.push(format!(
            "{} refreshes confirmed, each run exactly once in the played Mode",
            whole(worker.confirmed as f64),
        ));
        lines.push(format!(
            "worker: memory idle {:.1} MiB, under load {:.1} MiB; processor idle {:.1} % of a core",
            worker.idle.now_mib, worker.loaded.peak_mib, worker.idle_percent,
        ));
        lines.push(format!(
            "processor for each refresh: {}",
            worker.split.per_piece(worker.confirmed as u64),
        ));
        series.push(worker.series);
    }

    for fact in machine::facts() {
        println!("{fact}");
    }
    println!("{}; a flush takes {flush_us:.0} µs", database.facts().await?);
    println!("load average before {load_before}, after {}", machine::load_average());
    println!("\n{}\n", report::table(&series));
    for line in lines {
        println!("{line}");
    }
    if series.iter().any(|series| series.counted().disturbed) {
        println!(
            "! every round was disturbed: other programs took more than {:.0} % of the processors",
            figures::QUIET * 100.0
        );
    }
    Ok(())
}
