//! Other queues in Postgres that can be had from crates.io and PyPI, each at its best settings, with
//! jobs that do nothing.
//!
//! They are fetched and built in a folder that is removed at the end; what is ours of them is the
//! short program for each in `bench/peers`, which fills its queue and prints how many seconds it took
//! to work it off. Not all of them keep what is done: graphile_worker deletes it.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, bail};
use tokio::process::Command;

use crate::database::Cluster;
use crate::figures::Side;
use crate::goal::Goal;
use crate::ground::Ground;
use crate::machine::Outside;
use crate::queue;
use crate::report::Series;
use crate::turns::{self, Whose};

const MANIFEST: &str = include_str!("../peers/peers.toml");
const GRAPHILE: &str = include_str!("../peers/graphile.rs");
const APALIS: &str = include_str!("../peers/apalis.rs");
const PROCRASTINATE: &str = include_str!("../peers/procrastinate_peer.py");

struct Peer {
    name: &'static str,
    /// What starts it, in the folder.
    command: &'static [&'static str],
    /// About as many as it does in a second.
    jobs: u64,
    goal: Option<Goal>,
}

const PEERS: [Peer; 3] = [
    Peer {
        name: "graphile_worker",
        command: &["target/release/graphile"],
        jobs: 50_000,
        goal: Some(Goal::AtLeast(0.4)),
    },
    Peer {
        name: "apalis-postgres",
        command: &["target/release/apalis"],
        jobs: 15_000,
        goal: Some(Goal::AtLeast(1.5)),
    },
    Peer {
        name: "procrastinate",
        command: &["venv/bin/python", "procrastinate_peer.py"],
        jobs: 800,
        goal: None,
    },
];

pub(crate) async fn measure(ground: Ground<'_>, cluster: &Cluster) -> anyhow::Result<Vec<Series>> {
    let folder = tempfile::tempdir()?;
    build(folder.path()).await?;
    let mut all = Vec::new();
    for peer in &PEERS {
        let series = Series::new("queue: refreshes, no call", 1, peer.name);
        let mut series = [series.goal(peer.goal)];
        turns::take(ground.args.rounds(), &mut series, async |whose, _| {
            if whose == Whose::Theirs {
                return work(ground, cluster, folder.path(), peer).await;
            }
            let (side, outside, _) = queue::work(ground).await?;
            Ok((side, outside))
        })
        .await?;
        all.extend(series);
    }
    Ok(all)
}

/// Fetches and builds all of them.
async fn build(folder: &Path) -> anyhow::Result<()> {
    let programs = folder.join("src/bin");
    fs::create_dir_all(&programs)?;
    fs::write(folder.join("Cargo.toml"), MANIFEST)?;
    fs::write(programs.join("graphile.rs"), GRAPHILE)?;
    fs::write(programs.join("apalis.rs"), APALIS)?;
    fs::write(folder.join("procrastinate_peer.py"), PROCRASTINATE)?;
    for command in [
        &["cargo", "build", "--release"][..],
        &["python3", "-m", "venv", "venv"],
        &["venv/bin/pip", "install", "--quiet", "procrastinate", "psycopg[binary,pool]"],
    ] {
        eprintln!("{}", command.join(" "));
        // Not where this tree's own build is.
        let status = in_folder(folder, command).env_remove("CARGO_TARGET_DIR").status().await;
        let status = status.with_context(|| format!("running {}", command[0]))?;
        if !status.success() {
            bail!("{} ended with {status}", command.join(" "));
        }
    }
    Ok(())
}

/// Lets one of them work off a queue of its own.
async fn work(
    ground: Ground<'_>,
    cluster: &Cluster,
    folder: &Path,
    peer: &Peer,
) -> anyhow::Result<(Side, f64)> {
    let jobs = peer.jobs * ground.args.length().as_secs();
    let url = cluster.create("peer").await?;
    let watch = Outside::watch();
    let mut command = in_folder(folder, peer.command);
    let output = command.args([&url, &jobs.to_string()]).stderr(Stdio::piped()).output().await?;
    let outside = watch.share();
    cluster.drop(&url).await?;
    let (said, complaints) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        bail!("{} failed: {}", peer.name, complaints.trim());
    }
    let seconds: f64 = said.trim().parse().with_context(|| format!("{}: {said}", peer.name))?;
    Ok((Side::new(jobs as f64 / seconds, &[]), outside))
}

fn in_folder(folder: &Path, command: &[&str]) -> Command {
    let program = folder.join(command[0]);
    // What is not in the folder is on the PATH.
    let mut new = if program.is_file() { Command::new(program) } else { Command::new(command[0]) };
    new.args(&command[1..]).current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
    new
}
