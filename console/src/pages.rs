//! The pages for people: what they look like and what is asked of them.
//!
//! Invariant: every page is whole without a script, and loads nothing from another host.

#[expect(dead_code, reason = "the pages of events and refreshes use the rest")]
mod asked;
mod assets;
mod chart;
mod connections;
mod freshness;
mod layout;
#[expect(dead_code, reason = "the pages of events and refreshes use the rest")]
mod link;
#[expect(dead_code, reason = "the pages of events and refreshes use the rest")]
mod mark;
mod overview;
mod problem;
mod refreshes;
mod sources;
mod target;
#[expect(dead_code, reason = "the pages of events and refreshes use the rest")]
mod text;
mod when;

use actix_web::web::{self, ServiceConfig};
use actix_web::{FromRequest, Handler, Resource, Responder};

pub(crate) use self::layout::{outside, refused};

/// Serves the pages. Who may see them is decided before.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .service(read("/", freshness::show))
        .service(read("/targets/{name}", target::show))
        .service(read("/connections", connections::show))
        .service(read("/sources", sources::show))
        .service(read("/quarantine", sources::quarantine))
        .service(read("/events/{source}/{id}/raw", sources::raw))
        .service(read("/overview", overview::show))
        .service(read("/assets/{name}", assets::show));
}

/// A page that is read and not written to.
fn read<H, A>(path: &str, show: H) -> Resource
where
    H: Handler<A> + Clone,
    A: FromRequest + 'static,
    H::Output: Responder + 'static,
{
    web::resource(path)
        .route(web::get().to(show.clone()))
        .route(web::head().to(show))
        .default_service(web::to(problem::only_read))
}
