//! What no case may do to the process: end a part of it, or make it grow.
//!
//! The service runs in the process of its test, and nextest gives each test one of its own; so its
//! memory is that of the service and of one client.

use std::sync::atomic::{AtomicUsize, Ordering};

/// No case may leave the process larger by this.
const MOST_GROWTH_KIB: u64 = 10 * 1024;

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Watches a process over many cases.
pub(crate) struct Watch {
    before: u64,
}

impl Watch {
    /// From now on every panic of any thread is counted.
    pub(crate) fn start() -> Self {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.fetch_add(1, Ordering::SeqCst);
            usual(panic);
        }));
        Self { before: resident_kib() }
    }

    /// After each case.
    pub(crate) fn look(&mut self, case: &str) {
        assert_eq!(PANICS.load(Ordering::SeqCst), 0, "a panic in {case}");
        let now = resident_kib();
        let grown = now.saturating_sub(self.before);
        assert!(grown < MOST_GROWTH_KIB, "{case} made the process larger by {grown} KiB");
        self.before = now;
    }
}

/// What the process holds in memory.
pub(crate) fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
