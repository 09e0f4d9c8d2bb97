//! What a receiver without a database could do at best: actix takes an event, checks its signature,
//! calls the tool by reqwest, and answers.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread;

use actix_web::dev::ServerHandle;
use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, rt};
use anyhow::Context as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tokio::sync::oneshot;

use crate::body::SECRET;
use crate::tool::Tool;

/// Stops when it is dropped.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    handle: ServerHandle,
}

/// Where it calls.
#[derive(Clone)]
struct To {
    client: reqwest::Client,
    tool: String,
}

impl Relay {
    pub(crate) async fn start(tool: &Tool) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        // One provider per process; whoever came first chose the same.
        rustls::crypto::ring::default_provider().install_default().ok();
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build()?;
        let to = To { client, tool: tool.url() };
        let (started, when_started) = oneshot::channel();
        // actix wants a system of its own, on a thread of its own.
        thread::Builder::new().name("relay".to_owned()).spawn(move || {
            rt::System::new().block_on(async move {
                let app = move || {
                    let to = Data::new(to.clone());
                    App::new().app_data(to).default_service(web::post().to(relay))
                };
                let server = HttpServer::new(app).workers(2).disable_signals().listen(listener);
                let running = server.map(HttpServer::run);
                let running = match running {
                    Ok(running) => running,
                    Err(error) => return drop(started.send(Err(error))),
                };
                drop(started.send(Ok(running.handle())));
                // Its end is that of this thread; nobody waits for what it says.
                drop(running.await);
            });
        })?;
        let handle = when_started.await.context("the relay ended")??;
        Ok(Self { address, handle })
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // The order to stop is given by the call itself; what it returns only waits for it.
        drop(self.handle.stop(false));
    }
}

async fn relay(request: HttpRequest, body: Bytes, to: Data<To>) -> HttpResponse {
    let key = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("HMAC takes any key");
    let given = request.headers().get("authorization").map(|mac| mac.as_bytes());
    let given = given.and_then(|mac| hex::decode(mac).ok()).unwrap_or_default();
    if key.chain_update(&body).verify_slice(&given).is_err() {
        return HttpResponse::Unauthorized().finish();
    }
    let Ok(event) = afterrun_core::dbt::read(&body) else {
        return HttpResponse::BadRequest().finish();
    };
    let url = format!("{}/api/acme/reports/{}/runs", to.tool, event.event_id);
    let call = to.client.post(url).json(&serde_json::json!({ "parameters": {} }));
    #[expect(clippy::disallowed_methods, reason = "what is measured is reqwest and nothing else")]
    match call.send().await {
        Ok(answer) if answer.status().is_success() => HttpResponse::Ok().finish(),
        Ok(_) | Err(_) => HttpResponse::BadGateway().finish(),
    }
}
