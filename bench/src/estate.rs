//! What the program is configured with: so many jobs, each of which leads to so many reports of the
//! tool, and each report a target of its own.

use std::fmt::Write as _;
use std::time::Duration;

use crate::body::{SECRET, SOURCE, job_id};
use crate::tool::Tool;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Estate {
    pub(crate) jobs: usize,
    /// Reports that each job leads to; no two jobs to the same.
    pub(crate) per_job: usize,
    /// The pause before the tool is asked how a run is getting on.
    pub(crate) poll: Duration,
}

impl Estate {
    /// The tool is asked as soon as it may have ended: an operator's pause (5 s by default) would
    /// hide the rest.
    pub(crate) fn new(jobs: usize, per_job: usize) -> Self {
        Self { jobs, per_job, poll: Duration::from_millis(1) }
    }

    pub(crate) fn targets(&self) -> usize {
        self.jobs * self.per_job
    }

    /// `afterrun.yml`.
    pub(crate) fn configuration(&self, tool: &Tool) -> String {
        let (url, poll) = (tool.url(), self.poll.as_millis());
        let mut text = sources();
        write!(
            text,
            "connections:\n  mode:\n    kind: mode\n    workspace: acme\n    token: mode-token\n    \
             secret: mode-secret\n    base_url: {url}\n    max_concurrent: 1000\n\
             defaults:\n  confirm: {{ poll: {poll}ms, poll_max: {poll}ms, deadline: 1h }}\ntargets:\n"
        )
        .expect("a String takes everything");
        for number in 0..self.targets() {
            let (target, report) = (target(number), report(number));
            writeln!(text, "  {target}: {{ connection: mode, report: \"{report}\" }}")
                .expect("a String takes everything");
        }
        text.push_str("routes:\n");
        for job in 0..self.jobs {
            let targets: Vec<String> =
                (job * self.per_job..(job + 1) * self.per_job).map(target).collect();
            let (id, targets) = (job_id(job), targets.join(", "));
            writeln!(
                text,
                "  - {{ name: job-{job}, on: success, jobs: [{id}], refresh: [{targets}] }}"
            )
            .expect("a String takes everything");
        }
        text
    }
}

/// All that ingest reads of a configuration.
pub(crate) fn sources() -> String {
    format!("sources:\n  {SOURCE}:\n    kind: dbt\n    secrets: [\"{SECRET}\"]\n")
}

/// The name of a target.
pub(crate) fn target(number: usize) -> String {
    format!("report-{number}")
}

/// Its report: a token as Mode makes them.
pub(crate) fn report(number: usize) -> String {
    format!("5d1b{number:08x}")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use afterrun_core::config::Config;
    use chrono::DateTime;

    use super::*;

    #[tokio::test]
    async fn the_program_understands_it() {
        let tool = Tool::start(Duration::ZERO, DateTime::UNIX_EPOCH).unwrap();
        let text = Estate::new(3, 2).configuration(&tool);
        let config = Config::from_text(Path::new("afterrun.yml"), &text, &|_| None).unwrap();
        assert_eq!((config.targets.len(), config.routes.len()), (6, 3));
        assert_eq!(config.routes[1].refresh, ["report-2", "report-3"]);
    }
}
