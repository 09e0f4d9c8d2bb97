//! The pages for people: what they look like and what is asked of them.
//!
//! Invariant: every page is whole without a script, and loads nothing from another host.

mod act;
mod asked;
mod assets;
mod audit;
mod chart;
mod connections;
mod event;
mod events;
mod filter;
mod freshness;
mod layout;
mod link;
mod mark;
mod notice;
mod notices;
mod overview;
mod paging;
mod problem;
mod refresh;
mod refreshes;
mod run;
mod runs;
mod selected;
mod sources;
mod target;
mod text;
mod timeline;
mod told;
mod when;

use actix_web::web::{self, ServiceConfig};
use actix_web::{FromRequest, Handler, Resource, Responder};

pub(crate) use self::layout::{outside, refused};
use crate::live;

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
        .service(read("/audit", audit::show))
        .service(read("/events", events::show))
        .service(read("/event", event::show_asked))
        .service(read("/events/{source}/{id}", event::show))
        .service(read("/runs", runs::show))
        .service(read("/runs/{source}/{id}", run::show))
        .service(read("/run", run::show_asked))
        .service(read("/refreshes", refreshes::show))
        .service(post("/refreshes/selected", selected::act))
        .service(read("/refreshes/{id}", refresh::show))
        .service(read("/notices", notices::show))
        .service(read("/notices/{id}", told::show))
        .service(read(live::PATH, live::stream))
        .service(read("/assets/{name}", assets::show));
    config
        .service(post("/refreshes/{id}/retry", act::retry))
        .service(post("/refreshes/{id}/cancel", act::cancel))
        .service(post("/targets/{name}/retry", act::refresh_again))
        .service(post("/connections/{name}/test", act::test))
        .service(post("/{kind:targets|connections}/{name}/{wish:pause|resume}", act::pause))
        .service(post("/channels/{name}/test", act::test_channel))
        .service(post("/notices/{id}/retry", act::tell_again))
        .service(post("/replay", act::replay));
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

/// A form's address.
fn post<H, A>(path: &str, act: H) -> Resource
where
    H: Handler<A>,
    A: FromRequest + 'static,
    H::Output: Responder + 'static,
{
    web::resource(path).route(web::post().to(act)).default_service(web::to(problem::only_posted))
}
