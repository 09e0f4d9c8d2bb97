//! Wishes that are granted or refused one by one: what is said of each, and how the command ends.
//!
//! Invariant: a wish that is refused holds up no other, and the exit code tells that there was one.

use std::io;

use serde::Serialize;

use crate::args::Output;
use crate::output::steps::Steps;
use crate::output::{Paint, clean, json};

/// Said line by line as it goes, or as one array at the end.
pub(super) struct Wishes<T> {
    output: Output,
    told: Vec<Told<T>>,
    steps: Steps,
}

#[derive(Debug, Serialize)]
struct Told<T> {
    #[serde(flatten)]
    of: T,
    granted: bool,
    said: String,
}

impl<T: Serialize> Wishes<T> {
    pub(super) fn new(output: Output) -> Self {
        Self { output, told: Vec::new(), steps: Steps::none() }
    }

    /// So many of them that it is shown how far they are.
    pub(super) fn many(output: Output, wishes: usize) -> Self {
        Self { steps: Steps::of(wishes), ..Self::new(output) }
    }

    /// Which one is seen to now.
    pub(super) fn on(&self, which: &str) {
        self.steps.on(which);
    }

    /// Says what has happened.
    pub(super) fn granted(&mut self, of: T, said: String) -> io::Result<()> {
        if self.output == Output::Table {
            self.steps.line(clean(&said))?;
        }
        self.steps.step();
        self.told.push(Told { of, granted: true, said });
        Ok(())
    }

    /// Keeps why nothing has happened for the end, where it is not overlooked.
    pub(super) fn refused(&mut self, of: T, why: String) {
        self.steps.step();
        self.told.push(Told { of, granted: false, said: why });
    }

    /// Says which wishes were not granted, and fails if there are any.
    pub(super) fn end(self) -> anyhow::Result<()> {
        self.steps.end();
        if self.output == Output::Json {
            json(&self.told)?;
        }
        let refused: Vec<_> = self.told.iter().filter(|told| !told.granted).collect();
        match refused.as_slice() {
            [] => Ok(()),
            [only] => anyhow::bail!("{}", clean(&only.said)),
            several => {
                for told in several {
                    eprintln!("{} {}", Paint::stderr().red("error:"), clean(&told.said));
                }
                anyhow::bail!("{} of {} could not be done", several.len(), self.told.len())
            }
        }
    }

    /// The rest is not tried: the database failed, and what was done is said all the same.
    pub(super) fn break_off(self, error: impl Into<anyhow::Error>) -> anyhow::Error {
        let ended = self.end();
        if let Err(refused) = ended {
            eprintln!("{} {refused}", Paint::stderr().red("error:"));
        }
        error.into()
    }
}
