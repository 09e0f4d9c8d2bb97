//! What a call may lead to: no certificate but the right one is believed, and nothing is unpacked.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use afterrun_simulators::{Fault, Mode, ModeOptions};
use afterrun_worker::connector::ConnectorError;
use afterrun_worker::http::{Http, Limits};
use flate2::Compression;
use flate2::write::GzEncoder;
use rcgen::{CertificateParams, date_time_ymd};

use crate::trust::{Authority, server, stranger, trusting};

/// A server with that certificate. Gives its address; what arrives after the handshake is counted.
fn serve(params: &CertificateParams, issuer: &Authority, arrived: &Arc<AtomicUsize>) -> String {
    let (config, arrived) = (server(params, issuer), Arc::clone(arrived));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    std::thread::spawn(move || {
        for socket in listener.incoming().map_while(Result::ok) {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = rustls::StreamOwned::new(connection, socket);
            let mut head = [0; 4096];
            // A client that does not believe us ends the handshake.
            if stream.read(&mut head).is_ok_and(|read| read > 0) {
                arrived.fetch_add(1, Ordering::SeqCst);
                let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
                let _ = stream.write_all(answer.as_bytes());
            }
        }
    });
    address
}

async fn judge(issuer: Authority) {
    let named = |name: &str| CertificateParams::new(vec![name.to_owned()]).unwrap();
    let mut expired = named("localhost");
    expired.not_before = date_time_ymd(2020, 1, 1);
    expired.not_after = date_time_ymd(2021, 1, 1);
    let unknown = stranger();
    let http = Http::new(Limits::default()).unwrap();
    for (case, params, issuer, believed) in [
        ("right", named("localhost"), &issuer, true),
        ("of another name", named("elsewhere.example"), &issuer, false),
        ("expired", expired, &issuer, false),
        ("of an authority that nobody knows", named("localhost"), &unknown, false),
    ] {
        let arrived = Arc::new(AtomicUsize::new(0));
        let url = serve(&params, issuer, &arrived).parse().unwrap();
        let caller = http.caller();
        let answer = caller.send(caller.get(url).bearer_auth("CANARY")).await;
        if believed {
            assert!(answer.is_ok_and(|reply| reply.is_success()), "{case}");
        } else {
            let error = answer.err().unwrap();
            assert!(matches!(error, ConnectorError::Unreachable { .. }), "{case}: {error:?}");
        }
        assert_eq!(arrived.load(Ordering::SeqCst), usize::from(believed), "{case}");
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_right_ends_the_call_before_anything_is_sent() {
    let name = "egress::a_certificate_that_is_not_right_ends_the_call_before_anything_is_sent";
    trusting(name, judge).await;
}

#[tokio::test]
async fn a_bomb_is_not_opened() {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..64 {
        packed.write_all(&[b' '; 1024 * 1024]).unwrap();
    }
    let packed = packed.finish().unwrap();
    assert!(packed.len() < 100_000, "{}", packed.len());
    let mode = Mode::start(ModeOptions::default()).await.unwrap();
    let bomb = Fault::status(200).header("content-encoding", "gzip").body(packed.clone());
    mode.faults().always("GET", "", bomb);
    let http = Http::new(Limits::default()).unwrap();
    let caller = http.caller();
    let reply = caller.send(caller.get(mode.url().parse().unwrap())).await.unwrap();
    assert_eq!(reply.body, packed, "as it came, and no more");
    assert!(matches!(reply.json::<serde_json::Value>(), Err(ConnectorError::NotUnderstood { .. })));
}
