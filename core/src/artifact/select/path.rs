//! Paths of files and folders, from the project's folder: `models/marts`, `models/**/fct_*.sql`.

use wildmatch::WildMatch;

use super::method::pattern;

/// The steps of a path; none stands for any number of folders (`**`).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Path(Vec<Option<WildMatch>>);

impl Path {
    pub(super) fn parse(text: &str) -> Result<Path, String> {
        if text.starts_with('/') {
            return Err("a path begins in the project's folder, as in `models/marts`".into());
        }
        let steps = text.split('/').filter(|step| !matches!(*step, "" | "."));
        let step = |step: &str| match step {
            ".." => Err("a path does not lead out of the project's folder".into()),
            "**" => Ok(None),
            step => pattern(step).map(Some),
        };
        steps.map(step).collect::<Result<_, _>>().map(Path)
    }

    /// Whether it is the path of this file, or of a folder that the file is in.
    pub(super) fn holds(&self, file: &str) -> bool {
        leads(&self.0, &steps(file), |_| true)
    }

    /// Whether it is the path of this file itself.
    pub(super) fn is(&self, file: &str) -> bool {
        leads(&self.0, &steps(file), |left| left.is_empty())
    }
}

fn steps(file: &str) -> Vec<&str> {
    file.split(['/', '\\']).filter(|step| !step.is_empty()).collect()
}

/// Whether a way of the pattern ends where what is left of the path is as wanted.
fn leads(pattern: &[Option<WildMatch>], steps: &[&str], wanted: fn(&[&str]) -> bool) -> bool {
    match (pattern, steps) {
        ([], left) => wanted(left),
        ([None, rest @ ..], _) => {
            (0..=steps.len()).any(|skipped| leads(rest, &steps[skipped..], wanted))
        }
        ([Some(first), rest @ ..], [step, below @ ..]) => {
            first.matches(step) && leads(rest, below, wanted)
        }
        ([Some(_), ..], []) => false,
    }
}
