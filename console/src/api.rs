//! `/api/v1`: everything that the console shows and does, for programs.
//!
//! Invariants: an error is a problem document (RFC 9457); a list is a page that goes on from its last
//! row, so rows that arrive meanwhile shift nothing; no question is unbounded. Who may ask is decided
//! before; whoever may only look is told of nobody by their e-mail address.

mod audit;
mod bulk;
mod changes;
mod document;
mod estate;
mod events;
mod notices;
mod page;
mod params;
mod refreshes;
mod runs;

use actix_web::body::{BoxBody, MessageBody, to_bytes};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::{ErrorInternalServerError, JsonPayloadError};
use actix_web::http::Method;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, Data, JsonConfig, PathConfig, ServiceConfig};
use actix_web::{Error, HttpMessage as _, HttpRequest, HttpResponse, Resource, ResponseError as _};

use crate::access::Who;
use crate::problem::{self, Problem};
use crate::{Console, masked};

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

/// Masks for those who may only look what pages mask for everybody.
async fn for_readers(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let may_change = request.extensions().get::<Who>().is_some_and(Who::may_change);
    let answer = next.call(request).await?.map_into_boxed_body();
    let kind = answer.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if may_change || !kind.is_some_and(|kind| kind.contains("json")) {
        return Ok(answer);
    }
    let (request, answer) = answer.into_parts();
    let console = request.app_data::<Data<Console>>().expect("the console is served with it");
    let (head, body) = answer.into_parts();
    let json = to_bytes(body).await.map_err(ErrorInternalServerError)?;
    let masked = console.work_out(move || masked::answer(&json)).await;
    let answer = head.set_body(BoxBody::new(masked));
    Ok(ServiceResponse::new(request, answer))
}

/// A selection of many.
const MOST_BYTES: usize = 256 * 1024;

/// Serves it all.
pub(crate) fn routes(config: &mut ServiceConfig) {
    let no_text = |_, _: &HttpRequest| Problem::not_found("the path is no text").into();
    let no_json = |error: JsonPayloadError, _: &HttpRequest| Problem::of_json(&error).into();
    let json = JsonConfig::default().limit(MOST_BYTES).error_handler(no_json);
    let mut api = web::scope("/api/v1")
        .wrap(from_fn(for_readers))
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
