//! `/api/v1`: everything that the console shows and does, for programs.
//!
//! Invariants: an error is a problem document (RFC 9457); a list is a page that goes on from its last
//! row, so rows that arrive meanwhile shift nothing; no question is unbounded. Who may ask is decided
//! before.

mod audit;
mod bulk;
mod changes;
mod document;
mod estate;
mod events;
pub(crate) mod notices;
mod page;
mod params;
mod refreshes;
mod runs;

use actix_web::error::JsonPayloadError;
use actix_web::http::Method;
use actix_web::web::{self, JsonConfig, PathConfig, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Resource, ResponseError as _};

use crate::problem::{self, Problem};

/// One path and what it takes.
struct Served {
    path: &'static str,
    /// For `Allow`.
    methods: &'static str,
    by: fn(Resource) -> Resource,
}

const SERVED: &[Served] = &[
    Served { path: "/openapi.json", methods: "GET", by: |it| it.get(document::show) },
    Served { path: "/events", methods: "GET", by: |it| it.get(events::list) },
    Served { path: "/events/{event_id}", methods: "GET", by: |it| it.get(events::show) },
    Served { path: "/events/{event_id}/body", methods: "GET", by: |it| it.get(events::body) },
    Served { path: "/events/{event_id}/explain", methods: "GET", by: |it| it.get(events::explain) },
    Served {
        path: "/events/{event_id}/replay",
        methods: "POST",
        by: |it| it.post(changes::replay),
    },
    Served { path: "/quarantine", methods: "GET", by: |it| it.get(events::quarantine) },
    Served { path: "/refreshes", methods: "GET", by: |it| it.get(refreshes::list) },
    Served { path: "/refreshes/{refresh_id}", methods: "GET", by: |it| it.get(refreshes::show) },
    Served {
        path: "/refreshes/{refresh_id}/retry",
        methods: "POST",
        by: |it| it.post(changes::retry),
    },
    Served {
        path: "/refreshes/{refresh_id}/cancel",
        methods: "POST",
        by: |it| it.post(changes::cancel),
    },
    Served { path: "/targets", methods: "GET", by: |it| it.get(estate::targets) },
    Served { path: "/targets/{name}", methods: "GET", by: |it| it.get(estate::target) },
    Served {
        path: "/targets/{name}/pause",
        methods: "POST",
        by: |it| it.post(changes::pause_target),
    },
    Served {
        path: "/targets/{name}/resume",
        methods: "POST",
        by: |it| it.post(changes::resume_target),
    },
    Served {
        path: "/targets/{name}/refresh",
        methods: "POST",
        by: |it| it.post(changes::refresh_target),
    },
    Served { path: "/connections", methods: "GET", by: |it| it.get(estate::connections) },
    Served { path: "/connections/{name}", methods: "GET", by: |it| it.get(estate::connection) },
    Served {
        path: "/connections/{name}/pause",
        methods: "POST",
        by: |it| it.post(changes::pause_connection),
    },
    Served {
        path: "/connections/{name}/resume",
        methods: "POST",
        by: |it| it.post(changes::resume_connection),
    },
    Served {
        path: "/connections/{name}/test",
        methods: "POST",
        by: |it| it.post(changes::test_connection),
    },
    Served { path: "/sources", methods: "GET", by: |it| it.get(estate::sources) },
    Served { path: "/sources/{name}", methods: "GET", by: |it| it.get(estate::source) },
    Served { path: "/runs", methods: "GET", by: |it| it.get(runs::list) },
    Served { path: "/runs/{source}/{run_id}", methods: "GET", by: |it| it.get(runs::show) },
    Served { path: "/notices", methods: "GET", by: |it| it.get(notices::list) },
    Served { path: "/notices/{notice_id}", methods: "GET", by: |it| it.get(notices::show) },
    Served {
        path: "/notices/{notice_id}/retry",
        methods: "POST",
        by: |it| it.post(notices::retry),
    },
    Served { path: "/channels/{name}/test", methods: "POST", by: |it| it.post(notices::test) },
    Served { path: "/channels", methods: "GET", by: |it| it.get(notices::channels) },
    Served { path: "/overview", methods: "GET", by: |it| it.get(estate::overview) },
    Served { path: "/bulk/replay", methods: "POST", by: |it| it.post(bulk::replay) },
    Served { path: "/bulk/retry", methods: "POST", by: |it| it.post(bulk::retry) },
    Served { path: "/bulk/cancel", methods: "POST", by: |it| it.post(bulk::cancel) },
    Served { path: "/audit", methods: "GET", by: |it| it.get(audit::list) },
    Served { path: "/audit/{id}", methods: "GET", by: |it| it.get(audit::show) },
];

/// A selection of many.
const MOST_BYTES: usize = 256 * 1024;

/// Serves it all.
pub(crate) fn routes(config: &mut ServiceConfig) {
    let no_text = |_, _: &HttpRequest| Problem::not_found("the path is no text").into();
    let no_json = |error: JsonPayloadError, _: &HttpRequest| Problem::of_json(&error).into();
    let json = JsonConfig::default().limit(MOST_BYTES).error_handler(no_json);
    let mut api = web::scope("/api/v1")
        .app_data(json)
        .app_data(PathConfig::default().error_handler(no_text))
        .default_service(web::to(problem::nothing_here));
    for served in SERVED {
        let methods = served.methods;
        let others = web::to(async move |method: Method| -> HttpResponse {
            Problem::not_allowed(&method, methods).error_response()
        });
        api = api.service((served.by)(web::resource(served.path)).default_service(others));
    }
    config.service(api);
}
