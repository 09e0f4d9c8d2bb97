//! The machine: what it is, how fast its disk flushes, and who else uses its processors.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::figures;
use crate::process::{Everybody, TICKS_PER_SECOND};

pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Processor, memory, system: one line each.
pub(crate) fn facts() -> Vec<String> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let value = |text: &str, name: &str, separator: char| {
        let line = text.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.split_once(separator)).map(|(_, value)| value);
        value.unwrap_or("unknown").trim().trim_matches('"').to_owned()
    };
    let memory = value(&read("/proc/meminfo"), "MemTotal", ':');
    let gib = memory.split(' ').next().and_then(|kib| kib.parse::<f64>().ok()).unwrap_or_default()
        / (1024.0 * 1024.0);
    let kernel = read("/proc/sys/kernel/osrelease");
    vec![
        format!("{} x {}, {gib:.0} GB", cores(), value(&read("/proc/cpuinfo"), "model name", ':')),
        format!("{}, Linux {}", value(&read("/etc/os-release"), "PRETTY_NAME", '='), kernel.trim()),
    ]
}

/// How many programs wanted a processor, over the last 1, 5 and 15 minutes.
pub(crate) fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// The median time of a small write that is flushed, as each commit makes one.
pub(crate) fn flush_us(folder: &Path) -> anyhow::Result<f64> {
    let path = folder.join("flush-test");
    let file = File::create(&path).with_context(|| format!("making {}", path.display()))?;
    file.set_len(8 * 1024 * 1024)?;
    file.sync_all()?;
    let block = [7; 8192];
    let mut took = Vec::new();
    for _ in 0..200 {
        let begun = Instant::now();
        file.write_all_at(&block, 0)?;
        file.sync_data()?;
        took.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    fs::remove_file(&path)?;
    Ok(figures::median(&took))
}

/// Watches what programs outside the benchmark take, hosts of this virtual machine included.
pub(crate) struct Outside {
    begun: Instant,
    busy: u64,
    stolen: u64,
    everybody: Everybody,
}

impl Outside {
    pub(crate) fn watch() -> Self {
        let (busy, stolen) = busy_and_stolen();
        Self { begun: Instant::now(), busy, stolen, everybody: Everybody::now() }
    }

    /// Their share of all processors since then, from 0 to 1.
    ///
    /// Counted in two ways, each of which misses something: the programs that can be seen, which
    /// in a container are not all; and all of the machine's time without ours, which is too little
    /// where the kernel books its interrupts on us.
    pub(crate) fn share(&self) -> f64 {
        let all = self.begun.elapsed().as_secs_f64() * TICKS_PER_SECOND * cores() as f64;
        let (busy, stolen) = busy_and_stolen();
        let everybody = Everybody::now();
        let seen = everybody.others.saturating_sub(self.everybody.others);
        let rest = busy
            .saturating_sub(self.busy)
            .saturating_sub(everybody.ours.saturating_sub(self.everybody.ours));
        ((seen.max(rest) + stolen.saturating_sub(self.stolen)) as f64 / all).min(1.0)
    }
}

/// For how long some program had a processor, and for how long another machine on this host did,
/// in ticks. Interrupts are left out: they belong to nobody, and are mostly our loopback traffic.
fn busy_and_stolen() -> (u64, u64) {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let first = stat.lines().next().unwrap_or_default();
    let fields: Vec<u64> =
        first.split_whitespace().skip(1).map(|field| field.parse().unwrap_or(0)).collect();
    // user, nice, system; and steal, the eighth. See proc(5).
    (fields.iter().take(3).sum(), fields.get(7).copied().unwrap_or(0))
}

/// What processes take together of one processor while nobody asks anything of them, in percent.
pub(crate) async fn idle_percent(pids: &[u32], length: Duration) -> anyhow::Result<f64> {
    let ticks = || pids.iter().map(|pid| crate::process::ticks(*pid)).sum::<anyhow::Result<u64>>();
    let before = ticks()?;
    tokio::time::sleep(length).await;
    Ok(100.0 * (ticks()? - before) as f64 / TICKS_PER_SECOND / length.as_secs_f64())
}
