//! Who asks, as pages, answers and the audit know them.

use std::future::{Ready, ready};
use std::net::{IpAddr, Ipv4Addr};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use afterrun_core::operator;

use super::Role;
use crate::problem::Problem;

/// Who asks. Whatever is guarded can take it as an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Who {
    pub(super) role: Role,
    pub(super) by: By,
    pub(super) address: IpAddr,
}

/// How they are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// There is no token, so all are who are on this machine.
    Anybody,
    Token,
    Session(i64),
}

impl Who {
    /// Whether what changes anything is granted; what does not need not be offered.
    pub(crate) fn may_change(&self) -> bool {
        self.role == Role::Admin
    }

    /// Whether there is a session that can be ended.
    pub(crate) fn can_sign_out(&self) -> bool {
        self.session().is_some()
    }

    /// The session by which they are known, if it is by one.
    pub(crate) fn session(&self) -> Option<i64> {
        match self.by {
            By::Session(session) => Some(session),
            By::Anybody | By::Token => None,
        }
    }

    /// As the audit has it.
    pub(crate) fn acting(&self) -> operator::By {
        let role = self.role.as_str();
        let operator = match self.by {
            By::Anybody => format!("{role}, without a token"),
            By::Token => format!("{role} token"),
            By::Session(session) => format!("{role} session {session}"),
        };
        operator::By { operator, address: Some(self.address) }
    }
}

impl FromRequest for Who {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let who = request.extensions().get::<Self>().copied();
        ready(who.ok_or_else(|| Problem::unauthorized("a token is needed")))
    }
}

/// From where the connection comes: a proxy, where there is one, whatever a header says.
pub(crate) fn address(request: &HttpRequest) -> IpAddr {
    let peer = request.peer_addr().map(|peer| peer.ip().to_canonical());
    peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}
