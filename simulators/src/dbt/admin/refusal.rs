//! dbt's envelope, around what is answered and around what is refused.
//!
//! Every answer but a run's file is `{"status":…,"data":…,"extra":…}`; in a refusal `data` is null.

use serde_json::{Value, json};

use super::options::Denial;
use crate::call::Reply;

const JSON: &str = "application/json";

/// A refusal: a status and what a person is told.
pub(super) struct Refusal {
    status: u16,
    message: String,
}

pub(super) type Answer = Result<Reply, Refusal>;

impl Refusal {
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self { status: 400, message: message.into() }
    }

    pub(super) fn unauthorized() -> Self {
        Self { status: 401, message: "Invalid token.".to_owned() }
    }

    /// Absent or not permitted: dbt's message leaves that open.
    pub(super) fn not_found() -> Self {
        let message = "The requested resource was not found. Please check that you have the proper \
                       permissions.";
        Self { status: 404, message: message.to_owned() }
    }

    /// A path that means nothing.
    pub(super) fn no_such_path() -> Self {
        Self { status: 404, message: "Not found.".to_owned() }
    }

    pub(super) fn denied(denial: Denial) -> Self {
        match denial {
            Denial::Hidden => Self::not_found(),
            Denial::Forbidden => {
                let message = "You do not have permission to perform this action.".to_owned();
                Self { status: 403, message }
            }
        }
    }

    pub(super) fn wrong_method(method: &str) -> Self {
        Self { status: 405, message: format!("Method \"{method}\" not allowed.") }
    }

    pub(super) fn not_acceptable() -> Self {
        let message = "Could not satisfy the request Accept header.".to_owned();
        Self { status: 406, message }
    }

    /// A deprecated route. What dbt will answer once it is gone is not known.
    pub(super) fn gone() -> Self {
        Self { status: 410, message: "This route is deprecated.".to_owned() }
    }

    /// It never says when to come back: `Retry-After` is documented for another API alone.
    pub(super) fn too_many() -> Self {
        Self { status: 429, message: "Request was throttled.".to_owned() }
    }

    pub(super) fn reply(&self) -> Reply {
        let body = json!({
            "status": {
                "code": self.status,
                "is_success": false,
                "user_message": self.message,
                "developer_message": "",
            },
            "data": null,
        });
        Reply::new(self.status, JSON, body.to_string())
    }
}

pub(super) fn done(status: u16, data: Value, extra: Value) -> Reply {
    Reply::new(status, JSON, success(status, data, extra))
}

/// The body of a good answer.
pub(super) fn success(status: u16, data: Value, extra: Value) -> Vec<u8> {
    let body = json!({
        "status": {
            "code": status,
            "is_success": true,
            "user_message": "Success!",
            "developer_message": "",
        },
        "data": data,
        "extra": extra,
    });
    body.to_string().into_bytes()
}
