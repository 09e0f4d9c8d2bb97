//! The pages for people: what they look like and what is asked of them.
//!
//! Invariant: every page is whole without a script, and loads nothing from another host.

mod freshness;
mod layout;

use actix_web::web::{self, ServiceConfig};

pub(crate) use self::layout::{outside, refused};

/// Serves the pages. Who may see them is decided before.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config.route("/", web::get().to(freshness::show));
}
