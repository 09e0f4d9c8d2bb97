//! The private listener: for operators and machines that watch, never for the world.
//!
//! It tells whether the process lives, whether it can work, and what it counts. `ingest` shows no
//! more there, so that the process which faces the world needs no right but to insert; where a worker
//! runs the console is served beside it.

mod access;
mod api;
mod chosen;
mod console;
mod health;
mod live;
mod masked;
mod pages;
mod place;
mod problem;
mod scrape;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CROSS_ORIGIN_OPENER_POLICY,
    CROSS_ORIGIN_RESOURCE_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS,
};
use actix_web::middleware::{Condition, DefaultHeaders, from_fn};
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{App, HttpResponse, HttpServer};

pub use access::{Access, AccessError, Keys, KeysError};
pub use console::Console;
pub use health::Health;
pub use scrape::Scrape;

/// A private listener that is set up; it serves while [`Serving::run`] does.
pub struct Serving {
    address: SocketAddr,
    server: Server,
}

/// Pages may use what this listener serves, and nothing else.
const PAGES_MAY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; \
    base-uri 'none'";

/// Where AFTERRUN_CONSOLE_URL is https, browsers ask that host over TLS alone for 30 days after each
/// answer. Not for names below it, and not where nobody said so: it holds for every port of a host.
const TLS_ALONE: &str = "max-age=2592000";

/// Takes over a listening socket, for health and metrics alone.
///
/// # Errors
/// If the socket cannot be used.
pub fn serve(listener: TcpListener, health: Health, scrape: Scrape) -> io::Result<Serving> {
    serve_also(listener, health, scrape, |_| {})
}

/// The same with the console beside them, for those who have access.
///
/// # Errors
/// If the socket cannot be used.
pub fn serve_console(
    listener: TcpListener,
    health: Health,
    scrape: Scrape,
    console: Console,
    access: Access,
) -> io::Result<Serving> {
    let (console, access) = (Data::new(console), Data::new(access));
    let live = Data::new(live::Live::default());
    serve_also(listener, health, scrape, move |config| {
        let pages = web::scope("")
            .app_data(console.clone())
            .app_data(access.clone())
            .app_data(live.clone())
            .wrap(from_fn(access::guarded))
            .wrap(
                DefaultHeaders::new()
                    .add((CONTENT_SECURITY_POLICY, PAGES_MAY))
                    // With none at all, browsers do not say either that a form is one of ours.
                    .add((REFERRER_POLICY, "same-origin")),
            )
            .wrap(Condition::new(
                access.is_secure(),
                DefaultHeaders::new().add((STRICT_TRANSPORT_SECURITY, TLS_ALONE)),
            ))
            .configure(access::routes)
            .configure(api::routes)
            .configure(pages::routes)
            .default_service(web::to(problem::nothing_here));
        config.service(pages);
    })
}

fn serve_also(
    listener: TcpListener,
    health: Health,
    scrape: Scrape,
    also: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
) -> io::Result<Serving> {
    let address = listener.local_addr()?;
    let (health, scrape) = (Data::new(health), Data::new(scrape));
    let server = HttpServer::new(move || {
        App::new()
            .app_data(health.clone())
            .app_data(scrape.clone())
            .wrap(
                DefaultHeaders::new()
                    .add((CACHE_CONTROL, "no-store"))
                    .add((X_CONTENT_TYPE_OPTIONS, "nosniff"))
                    .add((REFERRER_POLICY, "no-referrer"))
                    // Pages of others neither embed what is here nor hold its window.
                    .add((CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"))
                    .add((CROSS_ORIGIN_OPENER_POLICY, "same-origin"))
                    // Outside the console are no pages: what is shown may load and embed nothing.
                    .add((CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'")),
            )
            .route("/healthz", web::get().to(health::live))
            .route("/readyz", web::get().to(health::ready))
            .route("/metrics", web::get().to(scrape::scrape))
            .configure(also.clone())
            .default_service(web::to(async || {
                HttpResponse::NotFound().json(serde_json::json!({ "error": "not found" }))
            }))
    })
    .workers(1)
    .client_request_timeout(Duration::from_secs(5))
    .shutdown_timeout(2)
    .disable_signals()
    .listen(listener)?
    .run();
    Ok(Serving { address, server })
}

impl Serving {
    /// Where it listens; the port, if any would do.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until told to stop. What watches the process should see it to its end, so this is
    /// stopped last.
    ///
    /// # Errors
    /// If the server cannot go on.
    pub async fn run(self, stop: tokio_util::sync::CancellationToken) -> io::Result<()> {
        let Self { address, mut server } = self;
        tracing::info!(%address, "health on {address}");
        let handle = server.handle();
        tokio::select! {
            ended = &mut server => ended,
            () = stop.cancelled() => tokio::join!(&mut server, handle.stop(true)).0,
        }
    }
}
