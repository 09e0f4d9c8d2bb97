//! What an operator may do to the queue: pause, resume, retry, cancel, tell people again, and test. (To
//! replay an event is [`crate::plan`]'s, since it is to plan it again.)
//!
//! Invariants: an ended refresh never changes, so another try of it is another refresh; what a
//! worker has under its lease is only marked, and the worker does it; every wish leaves a row in
//! `operator_action`, written with its effect.

mod audit;
mod cancel;
mod channel;
mod notice;
mod pause;
mod probe;
mod retry;

pub(crate) use self::audit::Action;
pub use self::audit::By;
pub use self::cancel::Cancelled;
pub use self::notice::Again;
pub use self::pause::{Named, NamedTarget, Pausable};
pub use self::retry::Retried;

use crate::StoreError;
use crate::refresh::{RefreshId, State};

/// Why a wish was not granted.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    #[error("there is no refresh {0}")]
    NoSuchRefresh(RefreshId),
    #[error("refresh {id} has ended already ({}), and an ended refresh does not change", state.as_str())]
    Ended { id: RefreshId, state: State },
    #[error("refresh {0} is under way in the tool; it needs no other try yet")]
    UnderWay(RefreshId),
    #[error(
        "refresh {id} was skipped ({reason}), so there is nothing to try again; \
         `afterrun replay` plans its event anew"
    )]
    Skipped { id: RefreshId, reason: String },
    #[error("the target {target} of refresh {id} is not in the configuration any more")]
    NotConfigured { id: RefreshId, target: String },
    #[error("there is no notice {0}")]
    NoSuchNotice(i64),
    #[error("the channel knows all of notice {0}; there is nothing to tell again")]
    Told(i64),
    #[error("notice {0} was over before its channel was told of it, so there is nothing to tell")]
    NotTold(i64),
    #[error("no refresh of target {target} was made so far, so there is none to repeat")]
    NothingToRepeat { target: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}
