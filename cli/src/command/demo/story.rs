//! How the demo tells what happens: who did what, and when since the scene began.

use std::fmt::Display;
use std::io;
use std::time::{Duration, Instant};

use crate::output::Paint;
use crate::output::steps::Steps;

/// Who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Dbt,
    Ingest,
    Worker,
    Mode,
    Tableau,
}

impl Who {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Dbt => "dbt",
            Self::Ingest => "ingest",
            Self::Worker => "worker",
            Self::Mode => "Mode",
            Self::Tableau => "Tableau",
        }
    }
}

/// The teller.
pub(super) struct Story {
    began: Instant,
    pub(super) paint: Paint,
    steps: Steps,
}

impl Story {
    /// Of so many scenes.
    pub(super) fn begin(scenes: usize) -> io::Result<Self> {
        let steps = Steps::of(scenes);
        let story = Self { began: Instant::now(), paint: Paint::stdout(), steps };
        let title = story.paint.bold("afterrun demo");
        story.steps.on("setting the stage");
        story.steps.line(format!(
            "{title}  the real service and database; dbt, Mode and Tableau are simulated"
        ))?;
        story.steps.line("")?;
        Ok(story)
    }

    /// How long the demo has been going on.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// A part of the scenery: what it is, and where.
    pub(super) fn prop(&self, name: &str, what: impl Display) -> io::Result<()> {
        self.steps.line(format!("  {} {what}", self.paint.bold(format!("{name:<9}"))))
    }

    /// An empty line.
    pub(super) fn gap(&self) -> io::Result<()> {
        self.steps.line("")
    }

    /// What takes a while, said before it is done.
    pub(super) fn aside(&self, text: impl Display) -> io::Result<()> {
        self.steps.line(format!("  {}", self.paint.dim(text)))
    }

    /// A new scene, with a clock of its own.
    pub(super) fn scene(&self, number: usize, title: &str) -> io::Result<Scene> {
        self.steps.reach(number.saturating_sub(1));
        self.steps.on(title);
        self.steps.line("")?;
        self.steps.line(format!("{}  {}", self.paint.bold(number), self.paint.bold(title)))?;
        Ok(Scene { began: Instant::now(), paint: self.paint, steps: self.steps.clone() })
    }

    /// The last scene has ended.
    pub(super) fn end(&self) {
        self.steps.end();
    }
}

/// A scene as it is told.
pub(super) struct Scene {
    began: Instant,
    paint: Paint,
    steps: Steps,
}

impl Scene {
    /// One thing that just happened.
    pub(super) fn tell(&self, who: Who, what: impl Display) -> io::Result<()> {
        let at = format!("{:6.2} s", self.began.elapsed().as_secs_f64());
        let name = format!("{:<8}", who.name());
        let name = match who {
            Who::Dbt => self.paint.yellow(name),
            Who::Ingest | Who::Worker => self.paint.cyan(name),
            Who::Mode | Who::Tableau => self.paint.magenta(name),
        };
        self.steps.line(format!("  {}  {name} {what}", self.paint.dim(at)))
    }

    /// The values of some rows, as many to a line as fit.
    pub(super) fn rows(&self, title: &str, rows: &[Vec<(&str, String)>]) -> io::Result<()> {
        self.steps.line(format!("            {}", self.paint.dim(title)))?;
        rows.iter().try_for_each(|values| self.row(values))
    }

    fn row(&self, values: &[(&str, String)]) -> io::Result<()> {
        const INDENT: usize = 22;
        const WIDTH: usize = 96;
        let (mut said, mut column) = (format!("{:INDENT$}", ""), INDENT);
        for (name, value) in values {
            let width = name.len() + value.chars().count() + 3;
            if column + width > WIDTH && column > INDENT {
                said.truncate(said.trim_end().len());
                said += &format!("\n{:INDENT$}", "");
                column = INDENT;
            }
            said += &self.paint.dim(name);
            column += name.len();
            // A long one goes on below its first word.
            let start = column;
            for word in value.split(' ') {
                let width = word.chars().count() + 1;
                if column + width > WIDTH && column > start {
                    said += &format!("\n{:start$}", "");
                    column = start;
                }
                said += &format!(" {word}");
                column += width;
            }
            said += "  ";
            column += 2;
        }
        self.steps.line(said.trim_end())
    }

    /// Whether what must be so is so.
    pub(super) fn checked(&self, wrong: &[String]) -> io::Result<()> {
        for wrong in wrong {
            self.steps.line(format!("            {} {wrong}", self.paint.red("✗")))?;
        }
        Ok(())
    }

    pub(super) fn good(&self, text: impl Display) -> String {
        self.paint.green(text)
    }

    pub(super) fn bad(&self, text: impl Display) -> String {
        self.paint.yellow(text)
    }
}
