//! Certificates, and processes that trust the authority behind them: which authorities are trusted is
//! a matter of the process.

use std::process::Command;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;

/// In the child: the file with the authority's key.
const AUTHORITY: &str = "AFTERRUN_TEST_AUTHORITY";

pub(crate) type Authority = Issuer<'static, KeyPair>;

fn authority() -> CertificateParams {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

/// An authority that nobody knows.
pub(crate) fn stranger() -> Authority {
    Issuer::new(authority(), KeyPair::generate().unwrap())
}

/// What a server of that certificate is made of.
pub(crate) fn server(params: &CertificateParams, issuer: &Authority) -> Arc<ServerConfig> {
    rustls::crypto::ring::default_provider().install_default().ok();
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key);
    Arc::new(config.unwrap())
}

/// Runs the test of that name again, in a process that trusts one authority, which it is given.
pub(crate) async fn trusting<F: Future<Output = ()>>(
    name: &str,
    judge: impl FnOnce(Authority) -> F,
) {
    if let Some(key) = std::env::var_os(AUTHORITY) {
        let key = KeyPair::from_pem(&std::fs::read_to_string(key).unwrap()).unwrap();
        judge(Issuer::new(authority(), key)).await;
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (trusted, key_file) = (folder.path().join("ca.pem"), folder.path().join("key.pem"));
    let key = KeyPair::generate().unwrap();
    std::fs::write(&trusted, authority().self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
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
