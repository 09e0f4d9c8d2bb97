//! dbt, played: the bodies that it posts, their signature, and a sender that insists as dbt does.

mod event;
mod sender;

pub use event::{Event, Run, RunStatus, completed, errored, new_event_id, sign, started};
pub use sender::{Answer, Dbt, DbtOptions, Reply, Sent};
