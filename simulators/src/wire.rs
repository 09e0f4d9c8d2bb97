//! The one HTTP server under every played tool: a real port, the script of faults, the log of calls.
//!
//! A played tool only turns a [`Request`] into a [`Reply`]. Every call is logged before its answer
//! leaves, so a test that has seen an answer also sees the call. The server has a thread and a
//! runtime of its own: neither a paused clock nor a busy runtime in a test touches it.

use std::any::Any;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

use actix_web::dev::{Extensions, ServerHandle};
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, rt, web};

use crate::call::{Call, Fate, Played, Reply, Request};
use crate::clock::SimClock;
use crate::evil::Evil;
use crate::fault::{Fault, Faults};

/// What all calls to one server share.
#[derive(Clone)]
pub(crate) struct Front {
    played: Arc<dyn Played>,
    faults: Faults,
    calls: Arc<Mutex<Vec<Call>>>,
    clock: SimClock,
}

impl Front {
    pub(crate) fn new(played: Arc<dyn Played>, clock: SimClock) -> Self {
        Self { played, faults: Faults::default(), calls: Arc::default(), clock }
    }

    fn log(&self, request: &Request, reply: Option<&Reply>, status: u16, fate: Fate) {
        let call = Call {
            at: self.clock.now(),
            method: request.method.clone(),
            path: request.path.clone(),
            query: request.query.clone(),
            target: reply.and_then(|reply| reply.target.clone()),
            remote_id: reply.and_then(|reply| reply.remote_id.clone()),
            status,
            fate,
        };
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    }
}

/// A played tool on a real port. It stops when dropped.
pub(crate) struct Server {
    address: SocketAddr,
    front: Front,
    running: Option<Running>,
}

struct Running {
    handle: ServerHandle,
    thread: thread::JoinHandle<()>,
}

impl Server {
    pub(crate) fn start(port: u16, front: Front) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let address = listener.local_addr()?;
        let running = Some(serve(listener, front.clone())?);
        Ok(Self { address, front, running })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn faults(&self) -> &Faults {
        &self.front.faults
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.front.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Closes the port and every connection. The state stays.
    pub(crate) async fn stop(&mut self) {
        if let Some(Running { handle, thread }) = self.running.take() {
            handle.stop(false).await;
            // The server's thread has nothing left to do but to end its runtime.
            let _ = thread.join();
        }
    }

    /// Opens the same port again.
    pub(crate) async fn restart(&mut self) -> io::Result<()> {
        self.stop().await;
        let listener = TcpListener::bind(self.address)?;
        self.running = Some(serve(listener, self.front.clone())?);
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            // The order to stop is given by the call itself; what it returns only waits for it.
            drop(running.handle.stop(false));
        }
    }
}

fn serve(listener: TcpListener, front: Front) -> io::Result<Running> {
    listener.set_nonblocking(true)?;
    let (started, when_started) = mpsc::channel();
    let thread = thread::Builder::new().name("played".to_owned()).spawn(move || {
        let server = HttpServer::new(move || {
            App::new()
                .app_data(web::Data::new(front.clone()))
                .app_data(web::PayloadConfig::new(16 * 1024 * 1024))
                .default_service(web::to(handle))
        })
        .workers(1)
        .disable_signals()
        .on_connect(remember_socket)
        .listen(listener);
        rt::System::new().block_on(async move {
            match server {
                Ok(server) => {
                    let server = server.run();
                    let _ = started.send(Ok(server.handle()));
                    // Its end is that of this thread; nobody waits for what it says.
                    let _ = server.await;
                }
                Err(error) => drop(started.send(Err(error))),
            }
        });
    })?;
    let handle = when_started.recv().map_err(|_| io::Error::other("server thread ended"))??;
    Ok(Running { handle, thread })
}

/// A second handle on the connection's socket, by which a fault can cut it.
fn remember_socket(connection: &dyn Any, extensions: &mut Extensions) {
    let socket = connection
        .downcast_ref::<rt::net::TcpStream>()
        .and_then(|stream| stream.as_fd().try_clone_to_owned().ok());
    if let Some(socket) = socket {
        extensions.insert(Arc::new(TcpStream::from(socket)));
    }
}

async fn handle(http: HttpRequest, body: web::Bytes, front: web::Data<Front>) -> HttpResponse {
    let request = Request {
        method: http.method().to_string(),
        path: http.path().to_owned(),
        query: http.query_string().to_owned(),
        headers: http.headers().clone(),
        body,
    };
    let path_and_query = http.uri().path_and_query().map_or("", |both| both.as_str());
    let fault = front.faults.take(&request.method, path_and_query);

    match fault {
        Some(Fault::Cut) => {
            front.log(&request, None, 0, Fate::NeverArrived);
            return cut(&http);
        }
        Some(Fault::Blackhole) => {
            front.log(&request, None, 0, Fate::NeverArrived);
            return std::future::pending().await;
        }
        Some(Fault::Echo { status }) => {
            front.log(&request, None, status, Fate::Scripted);
            return respond(status, &[]).json(echo(&request));
        }
        Some(Fault::Answer { status, headers, body }) => {
            front.log(&request, None, status, Fate::Scripted);
            return respond(status, &headers).body(body);
        }
        _ => {}
    }

    let mut reply = front.played.answer(&request);
    if let Some(errand) = reply.errand.take() {
        reply.body = errand.await;
    }
    let lost = fault == Some(Fault::LoseAnswer);
    let fate = if lost { Fate::AnswerLost } else { Fate::Answered };
    front.log(&request, Some(&reply), reply.status, fate);

    let mut response = respond(reply.status, &reply.headers);
    response.insert_header((CONTENT_TYPE, reply.content_type));
    match fault {
        Some(Fault::LoseAnswer) => cut(&http),
        Some(Fault::HalfBody) => match socket(&http) {
            Some(socket) => response.body(Evil::half(&reply.body, socket)),
            None => HttpResponse::InternalServerError().finish(),
        },
        Some(Fault::EndlessBody) => response.body(Evil::endless()),
        Some(Fault::Drip(every)) => response.body(Evil::drip(every)),
        Some(Fault::GarbageBody) => response.body(&b"\x00\xff{\"run\": <nothing>, \xc3("[..]),
        Some(Fault::WrongType) => {
            response.insert_header((CONTENT_TYPE, "text/html; charset=utf-8"));
            response.body(reply.body)
        }
        Some(Fault::Late(by)) => {
            rt::time::sleep(by).await;
            response.body(reply.body)
        }
        _ => response.body(reply.body),
    }
}

/// As Mode, as Tableau and as dbt refuse, at once.
fn echo(request: &Request) -> serde_json::Value {
    let values = request.headers.iter().map(|(_, value)| String::from_utf8_lossy(value.as_bytes()));
    let head = values.collect::<Vec<_>>().join(" ");
    let words = format!(
        "{}?{} {head} {}",
        request.path,
        request.query,
        String::from_utf8_lossy(&request.body)
    );
    serde_json::json!({
        "id": "echo",
        "message": words,
        "error": { "code": "401001", "summary": "echo", "detail": words },
        "status": { "user_message": format!("echo: {words}") },
    })
}

fn respond(status: u16, headers: &[(String, String)]) -> actix_web::HttpResponseBuilder {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    for (name, value) in headers {
        response.append_header((name.as_str(), value.as_str()));
    }
    response
}

fn socket(http: &HttpRequest) -> Option<Arc<TcpStream>> {
    http.conn_data::<Arc<TcpStream>>().cloned()
}

/// Cuts the connection. The response that is returned has nowhere to go.
fn cut(http: &HttpRequest) -> HttpResponse {
    if let Some(socket) = socket(http) {
        // A client that has gone already has cut it itself.
        let _ = socket.shutdown(Shutdown::Both);
    }
    HttpResponse::InternalServerError().finish()
}
