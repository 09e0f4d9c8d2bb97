//! The machine: what it is, how fast its disk flushes, and who else uses its processors.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::figures;
use crate::process::{TICKS_PER_SECOND, ticks_of_our_tree};

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
    ours: u64,
}

impl Outside {
    pub(crate) fn watch() -> Self {
        Self { begun: Instant::now(), busy: busy_ticks(), ours: ticks_of_our_tree() }
    }

    /// Their share of all processors since then, from 0 to 1.
    pub(crate) fn share(&self) -> f64 {
        let all = self.begun.elapsed().as_secs_f64() * TICKS_PER_SECOND * cores() as f64;
        let busy = busy_ticks().saturating_sub(self.busy);
        let ours = ticks_of_our_tree().saturating_sub(self.ours);
        (busy.saturating_sub(ours) as f64 / all).min(1.0)
    }
}

/// The time for which some program had a processor, or another machine on the same host did. What
/// the kernel does on interrupts belongs to nobody, and is mostly our own loopback traffic.
fn busy_ticks() -> u64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let first = stat.lines().next().unwrap_or_default();
    let fields: Vec<u64> =
        first.split_whitespace().skip(1).map(|field| field.parse().unwrap_or(0)).collect();
    // user, nice, system, steal; see proc(5).
    [0, 1, 2, 7].iter().filter_map(|field| fields.get(*field)).sum()
}

/// What a process takes of one processor while nobody asks anything of it, in percent.
pub(crate) async fn idle_percent(pid: u32, length: Duration) -> anyhow::Result<f64> {
    let before = crate::process::ticks(pid)?;
    tokio::time::sleep(length).await;
    let ticks = crate::process::ticks(pid)? - before;
    Ok(100.0 * ticks as f64 / TICKS_PER_SECOND / length.as_secs_f64())
}
