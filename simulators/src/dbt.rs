//! dbt, played: the bodies that it posts, their signature, a sender that insists as dbt does, and
//! the Admin API.

pub mod admin;
mod event;
mod sender;

pub use admin::{Admin, AdminOptions};
pub use event::{Event, Run, RunStatus, completed, errored, new_event_id, sign, started};
pub use sender::{Answer, Dbt, DbtOptions, Reply, Sent};
