//! The private listener: for operators and machines that watch, never for the world.
//!
//! Today it tells whether the process lives, whether it can work, and what it counts; `ingest` will
//! never show more there, so that the process which faces the world needs no right but to insert.

mod health;
mod scrape;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::middleware::DefaultHeaders;
use actix_web::web::{self, Data};
use actix_web::{App, HttpResponse, HttpServer};

pub use health::Health;
pub use scrape::Scrape;

/// A private listener that is set up; it serves while [`Serving::run`] does.
pub struct Serving {
    address: SocketAddr,
    server: Server,
}

/// Takes over a listening socket.
///
/// # Errors
/// If the socket cannot be used.
pub fn serve(listener: TcpListener, health: Health, scrape: Scrape) -> io::Result<Serving> {
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
                    // There are no pages here: whatever is shown may load and embed nothing.
                    .add((CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'")),
            )
            .route("/healthz", web::get().to(health::live))
            .route("/readyz", web::get().to(health::ready))
            .route("/metrics", web::get().to(scrape::scrape))
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
