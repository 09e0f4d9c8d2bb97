//! What a call may lead to: no certificate but the right one is believed, and nothing is unpacked.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use afterrun_simulators::{Fault, Mode, ModeOptions};
use afterrun_worker::connector::ConnectorError;
use afterrun_worker::http::{Http, Limits};
use flate2::Compression;
use flate2::write::GzEncoder;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::PrivateKeyDer;

/// In the child: the file with the authority and its key.
const AUTHORITY: &str = "AFTERRUN_TEST_AUTHORITY";

fn authority() -> CertificateParams {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

/// A server with that certificate. Gives its address; what arrives after the handshake is counted.
fn serve(
    params: &CertificateParams,
    issuer: &Issuer<'_, KeyPair>,
    arrived: &Arc<AtomicUsize>,
) -> String {
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let (config, arrived) = (Arc::new(config), Arc::clone(arrived));
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

async fn judge(key: &str) {
    let issuer = Issuer::new(authority(), KeyPair::from_pem(key).unwrap());
    let named = |name: &str| CertificateParams::new(vec![name.to_owned()]).unwrap();
    let mut expired = named("localhost");
    expired.not_before = date_time_ymd(2020, 1, 1);
    expired.not_after = date_time_ymd(2021, 1, 1);
    let stranger = Issuer::new(authority(), KeyPair::generate().unwrap());
    let http = Http::new(Limits::default()).unwrap();
    for (case, params, issuer, believed) in [
        ("right", named("localhost"), &issuer, true),
        ("of another name", named("elsewhere.example"), &issuer, false),
        ("expired", expired, &issuer, false),
        ("of an authority that nobody knows", named("localhost"), &stranger, false),
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
    if let Some(key) = std::env::var_os(AUTHORITY) {
        judge(&std::fs::read_to_string(key).unwrap()).await;
        return;
    }
    // Which authorities are trusted is a matter of the process.
    let folder = tempfile::tempdir().unwrap();
    let (trusted, key_file) = (folder.path().join("ca.pem"), folder.path().join("key.pem"));
    let key = KeyPair::generate().unwrap();
    std::fs::write(&trusted, authority().self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    let name = "egress::a_certificate_that_is_not_right_ends_the_call_before_anything_is_sent";
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name])
        .env(AUTHORITY, &key_file)
        .env("SSL_CERT_FILE", &trusted)
        .env_remove("SSL_CERT_DIR")
        .output()
        .unwrap();
    let (out, err) =
        (String::from_utf8_lossy(&child.stdout), String::from_utf8_lossy(&child.stderr));
    assert!(child.status.success() && out.contains("1 passed"), "{out}{err}");
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
