//! Listens, routes, and stops: the actix side of the service.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{ConnectionType, HttpService, KeepAlive};
use actix_server::Server;
use actix_service::{IntoServiceFactory as _, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, Service as _, ServiceResponse};
use actix_web::rt::net::TcpStream;
use actix_web::web::{self, Data};
use actix_web::{App, HttpResponse};
use tokio_util::sync::CancellationToken;

use crate::connection::{Watch, Watched};
use crate::port::Port;
use crate::{Ingest, IngestError, nudge, receive};

/// How often the database is looked at, so that the log says when it goes and when it is back.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// A service that listens; clients are served while [`Serving::run`] does.
pub struct Serving {
    address: SocketAddr,
    port: Port,
    server: Server,
    ingest: Arc<Ingest>,
}

/// Takes over a listening socket. The database need not be there.
///
/// actix' own `HttpServer` offers no way to put a deadline under its connections, so its parts are
/// put together here.
///
/// # Errors
/// If the socket cannot be used.
pub fn serve(listener: TcpListener, ingest: Arc<Ingest>) -> io::Result<Serving> {
    let address = listener.local_addr()?;
    let port = Port::of(&listener)?;
    let limits = *ingest.limits();
    let server = Server::build()
        .workers(limits.workers)
        .max_concurrent_connections(limits.connections.div_ceil(limits.workers))
        .shutdown_timeout(limits.shutdown.as_secs())
        .disable_signals();
    let draining = server.graceful_shutdown_signal();
    let state = Data::from(Arc::clone(&ingest));
    let server = server.listen("webhooks", listener, move || {
        let committer = Data::new(state.committer());
        let state = state.clone();
        let draining = draining.clone();
        let app = App::new()
            .app_data(state)
            .app_data(committer)
            .wrap_fn(|request, routes| {
                let watch = request.conn_data::<Watch>().cloned();
                let ingest = request.app_data::<Data<Ingest>>().cloned();
                if let Some(watch) = &watch {
                    watch.begin();
                }
                let answer = routes.call(request);
                async move {
                    let mut answer = answer.await?;
                    if let Some(ingest) = ingest {
                        note_refusal(&ingest, &answer);
                        if ingest.closing.is_cancelled() {
                            let head = answer.response_mut().head_mut();
                            head.set_connection_type(ConnectionType::Close);
                        }
                    }
                    if let Some(watch) = watch {
                        watch.answered(closes(&answer));
                    }
                    Ok(answer)
                }
            })
            .configure(routes)
            .into_factory()
            .map_err(|error: actix_web::Error| error.error_response());
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let draining = draining.clone();
                async move { draining.notified().await }
            })
            // `Watched` times every head, not the first alone, and the rest between requests, by a
            // finer clock than actix' own.
            .keep_alive(KeepAlive::Os)
            .client_request_timeout(Duration::ZERO)
            .client_disconnect_timeout(limits.linger)
            .local_addr(address)
            .on_connect_ext(|stream: &Watched, data| drop(data.insert(stream.watch())))
            .h1(map_config(app, |()| AppConfig::default()));
        let limits = Rc::new(limits);
        fn_service(move |stream: TcpStream| {
            let limits = Rc::clone(&limits);
            async move {
                let peer = stream.peer_addr().ok();
                stream.set_nodelay(true).map_err(DispatchError::Io)?;
                Ok((Watched::new(stream, limits), peer))
            }
        })
        .and_then(http)
    })?;
    Ok(Serving { address, port, server: server.run(), ingest })
}

impl Serving {
    /// Where it listens; the port, if any would do.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until told to stop, then finishes what is under way within the limit. A client that
    /// can find another instance by then is not refused by this one.
    ///
    /// # Errors
    /// If the server cannot go on.
    pub async fn run(self, stop: CancellationToken) -> io::Result<()> {
        let Self { address, port, mut server, ingest } = self;
        tracing::info!(%address, "taking webhooks on {address}");
        let served = CancellationToken::new();
        let wake = ingest.wake.clone().run(ingest.store.clone());
        let noting = ingest.noting.clone().run(ingest.store.clone());
        let (waking, noted) = (served.clone(), served.clone());
        ingest.tasks.spawn(async move { waking.run_until_cancelled(wake).await });
        ingest.tasks.spawn(async move { noted.run_until_cancelled(noting).await });
        let (store, looking) = (ingest.store.clone(), served.clone());
        ingest.tasks.spawn(async move { store.watch_readiness(LOOK_EVERY, looking).await });

        let leaving = async {
            stop.cancelled().await;
            ingest.closing.cancel();
            tokio::time::sleep(ingest.limits().drain).await;
            port.leave().await;
        };
        let handle = server.handle();
        let ended = tokio::select! {
            ended = &mut server => ended,
            () = leaving => tokio::join!(&mut server, handle.stop(true)).0,
        };
        served.cancel();
        ingest.tasks.close();
        // A client that went away may have left its event on the way to the database.
        drop(tokio::time::timeout(ingest.limits().store, ingest.tasks.wait()).await);
        tracing::info!("no longer taking webhooks");
        ended
    }
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            web::resource(["/webhooks/dbt", "/webhooks/dbt/{source}"])
                .route(web::post().to(receive::receive))
                .default_service(web::to(async || {
                    Err::<HttpResponse, _>(IngestError::WrongMethod("POST"))
                })),
        )
        .service(
            web::resource("/webhooks/{tool:mode|tableau}/{source}/{path_token}")
                .route(web::post().to(nudge::nudge))
                .default_service(web::to(async || {
                    Err::<HttpResponse, _>(IngestError::WrongMethod("POST"))
                })),
        )
        .service(
            web::resource("/healthz")
                .route(web::get().to(healthy))
                .route(web::head().to(healthy))
                .default_service(web::to(async || {
                    Err::<HttpResponse, _>(IngestError::WrongMethod("GET, HEAD"))
                })),
        )
        .default_service(web::to(async || Err::<HttpResponse, _>(IngestError::NotFound)));
}

async fn healthy() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({ "status": "ok" }))
}

fn note_refusal<B>(ingest: &Ingest, answer: &ServiceResponse<B>) {
    let error = answer.response().error().and_then(|error| error.as_error::<IngestError>());
    if let Some(error) = error {
        let named = answer.request().match_info().get("source");
        let source = named.filter(|name| ingest.sources().knows(name));
        ingest.counted.refused(source, error);
        ingest.refusals.note(error, source);
        if matches!(error, IngestError::Unauthorized) {
            let sources = ingest.sources();
            // Where there is one source, the path need not name it.
            let only =
                || Some(sources.dbt(None).0).filter(|only| named.is_none() && !only.is_empty());
            if let Some(source) = source.or_else(only) {
                ingest.noting.refused(source);
            }
        }
    }
}

fn closes<B: MessageBody>(answer: &ServiceResponse<B>) -> bool {
    answer.response().head().connection_type() == ConnectionType::Close
}
