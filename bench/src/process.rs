//! What processes take of the machine, as Linux tells it in `/proc`.

use std::collections::HashMap;
use std::fs;

use anyhow::{Context as _, anyhow};

/// Linux tells processor time in hundredths of a second, on every machine that we meet.
pub const TICKS_PER_SECOND: f64 = 100.0;
/// The parent of all kernel threads; inside a container it may be anything, which does no harm.
const KERNEL: u32 = 2;

/// Processor time of one process, of which children it waited for are a part.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    own: u64,
    of_ended_children: u64,
}

/// Memory of a process.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    pub now_mib: f64,
    pub peak_mib: f64,
}

/// # Errors
/// If there is no such process.
pub fn memory(pid: u32) -> anyhow::Result<Memory> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).context(path)?;
    let mib = |name: &str| -> anyhow::Result<f64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.trim_start_matches(':').split_whitespace().next());
        let kib: f64 = kib.ok_or_else(|| anyhow!("no {name} of process {pid}"))?.parse()?;
        Ok(kib / 1024.0)
    };
    Ok(Memory { now_mib: mib("VmRSS")?, peak_mib: mib("VmHWM")? })
}

/// Processor time of one process, in ticks.
///
/// # Errors
/// If there is no such process.
pub fn ticks(pid: u32) -> anyhow::Result<u64> {
    stat(pid).map(|stat| stat.own).ok_or_else(|| anyhow!("process {pid} is gone"))
}

/// Processor time of all processes, in ticks; also that of the ones that ended.
#[derive(Debug, Clone, Copy)]
pub struct Everybody {
    /// This process and all that descend from it.
    pub ours: u64,
    /// The other programs that can be seen from here. What the kernel does by itself is not among
    /// them: it may well be writing our data.
    pub others: u64,
}

impl Everybody {
    /// As it stands at this moment.
    pub fn now() -> Self {
        let all: HashMap<u32, Stat> = fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter_map(|pid| Some((pid, stat(pid)?)))
            .collect();
        let descends = |pid: u32, from: u32| {
            let mut at = pid;
            while at != from {
                match all.get(&at) {
                    Some(stat) if stat.parent != 0 => at = stat.parent,
                    _ => return false,
                }
            }
            true
        };
        let mut everybody = Self { ours: 0, others: 0 };
        for (pid, stat) in &all {
            if descends(*pid, std::process::id()) {
                everybody.ours += stat.own + stat.of_ended_children;
            } else if !descends(*pid, KERNEL) {
                everybody.others += stat.own + stat.of_ended_children;
            }
        }
        everybody
    }
}

/// Who of ours used the processor, in ticks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Split {
    pub service: u64,
    /// This process: the load generator, and the played Mode.
    pub bench: u64,
    pub postgres: u64,
}

impl Split {
    /// Since the beginning of each.
    ///
    /// # Errors
    /// If there is no such service.
    pub fn now(service: u32) -> anyhow::Result<Self> {
        let (service, bench) = (ticks(service)?, ticks(std::process::id())?);
        let postgres = Everybody::now().ours.saturating_sub(service + bench);
        Ok(Self { service, bench, postgres })
    }

    /// What was used since then.
    #[must_use]
    pub fn since(self, from: Self) -> Self {
        Self {
            service: self.service - from.service,
            bench: self.bench - from.bench,
            postgres: self.postgres.saturating_sub(from.postgres),
        }
    }

    /// In microseconds for each of so many pieces of work.
    pub fn per_piece(self, pieces: u64) -> String {
        let us = |ticks: u64| ticks as f64 / TICKS_PER_SECOND * 1e6 / pieces.max(1) as f64;
        let (service, postgres, bench) = (us(self.service), us(self.postgres), us(self.bench));
        format!("afterrun {service:.0} µs, Postgres {postgres:.0} µs, the benchmark {bench:.0} µs")
    }
}

impl std::ops::AddAssign for Split {
    fn add_assign(&mut self, other: Self) {
        self.service += other.service;
        self.bench += other.bench;
        self.postgres += other.postgres;
    }
}

/// The process that started this one.
///
/// # Errors
/// If there is no such process.
pub fn parent(pid: u32) -> anyhow::Result<u32> {
    stat(pid).map(|stat| stat.parent).ok_or_else(|| anyhow!("process {pid} is gone"))
}

fn stat(pid: u32) -> Option<Stat> {
    parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// See proc(5). The second field is a name that may hold anything, in parentheses.
fn parse(line: &str) -> Option<Stat> {
    let rest: Vec<&str> = line.rsplit_once(')')?.1.split_whitespace().collect();
    let field = |number: usize| -> Option<u64> { rest.get(number - 3)?.parse().ok() };
    Some(Stat {
        parent: rest.get(1)?.parse().ok()?,
        own: field(14)? + field(15)?,
        of_ended_children: field(16)? + field(17)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_may_be_called_anything() {
        let line = "77 (a) b (c) S 7 77 77 0 -1 4194304 9 0 0 0 30 12 5 3 20 0 1 0 100";
        let stat = parse(line).unwrap();
        assert_eq!(stat, Stat { parent: 7, own: 42, of_ended_children: 8 });
    }

    #[test]
    fn this_process_has_memory_and_a_parent() {
        let us = std::process::id();
        let memory = memory(us).unwrap();
        assert!(memory.now_mib > 0.1 && memory.peak_mib >= memory.now_mib, "{memory:?}");
        assert_ne!(parent(us).unwrap(), 0);
        let before = ticks(us).unwrap();
        assert!(Everybody::now().ours >= before);
    }
}
