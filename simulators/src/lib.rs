//! Played Mode, Tableau, dbt and channels: for tests, for `afterrun demo` and for fault runs.
//!
//! The tools speak real HTTP on a real port of 127.0.0.1 and are as strict as the real ones, as far
//! as the contracts know them: what the real service refuses is refused here, and what it makes
//! awkward is awkward here. Their state is plain structs that a test may change and assert on;
//! HTTP only translates. Runs and jobs move on by a [`SimClock`] or by hand, as [`Pace`] says.
//! [`Faults`] put trouble in front of any of them, on the real socket; a [`network::Road`] puts it
//! between any two processes.
//!
//! ```no_run
//! # async fn demo() -> std::io::Result<()> {
//! use afterrun_simulators::{Fault, Mode, ModeOptions, Pace, mode::Report};
//!
//! let mode = Mode::start(ModeOptions { pace: Pace::ByHand, ..ModeOptions::default() }).await?;
//! mode.add_report(Report::new("5d1b2c3d4e5f", "Sales"));
//! mode.faults().on("POST", "/runs", 1, Fault::LoseAnswer);
//! // … something posts to mode.url() …
//! mode.finish_open("succeeded");
//! # Ok(())
//! # }
//! ```

pub mod channels;
pub mod dbt;
pub mod mode;
pub mod network;
pub mod nudges;
pub mod otlp;
pub mod tableau;

mod call;
mod clock;
mod evil;
mod fault;
mod pace;
mod post;
mod token;
mod wire;

pub use call::{Call, Fate};
pub use clock::SimClock;
pub use fault::{Fault, Faults};
pub use mode::{Mode, ModeOptions};
pub use pace::Pace;
pub use tableau::{Tableau, TableauOptions};
