//! The download against a played release page on a real socket.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpListener;

use super::*;

/// A tree like the real one, whose programs only tell their version.
fn archive(script: &str) -> Vec<u8> {
    let name = format!("postgresql-{VERSION}-{}", target().unwrap());
    let mut tar =
        tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for program in ["initdb", "postgres"] {
        let mut header = tar::Header::new_gnu();
        header.set_size(script.len() as u64);
        header.set_mode(0o755);
        header.set_cksum();
        tar.append_data(&mut header, format!("{name}/bin/{program}"), script.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

/// Serves the archive and its checksum; anything else is 404.
fn releases(archive: Vec<u8>, checksum: &str) -> String {
    let path = format!("/{VERSION}/postgresql-{VERSION}-{}.tar.gz", target().unwrap());
    let files =
        HashMap::from([(format!("{path}.sha256"), checksum.as_bytes().to_vec()), (path, archive)]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                connection.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            let head = String::from_utf8(head).unwrap();
            let path = head.split(' ').nth(1).unwrap();
            let (status, body) = match files.get(path) {
                Some(body) => ("200 OK", body.as_slice()),
                None => ("404 Not Found", &b""[..]),
            };
            let length = body.len();
            write!(
                connection,
                "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
            )
            .unwrap();
            connection.write_all(body).unwrap();
        }
    });
    address
}

fn download(releases: String, cache: &Path) -> Download {
    Download {
        releases,
        cache: cache.to_owned(),
        connect: Duration::from_secs(5),
        silence: Duration::from_secs(5),
        whole: Duration::from_secs(30),
    }
}

const RUNS: &str = "#!/bin/sh\necho 'postgres (PostgreSQL) 18.4'\n";

#[tokio::test]
async fn a_download_that_keeps_its_promise_is_unpacked_and_used() {
    let archive = archive(RUNS);
    let sum = format!("{}  some-name.tar.gz\n", hex::encode(Sha256::digest(&archive)));
    let cache = tempfile::tempdir().unwrap();
    let found = download(releases(archive, &sum), cache.path()).run(&|_| ()).await.unwrap();
    assert_eq!(found.major, 18);
    assert!(found.folder.starts_with(cache.path()));
}

#[tokio::test]
async fn a_damaged_download_is_refused_and_leaves_nothing() {
    let cache = tempfile::tempdir().unwrap();
    let releases = releases(archive(RUNS), &"0".repeat(64));
    let error = download(releases, cache.path()).run(&|_| ()).await.unwrap_err();
    assert!(matches!(error, DownloadError::Damaged { .. }), "{error}");
    assert_eq!(std::fs::read_dir(cache.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn programs_that_do_not_run_here_are_not_kept() {
    let archive = archive("#!/bin/sh\necho 'libxml2.so.2: cannot open' >&2; exit 127\n");
    let sum = hex::encode(Sha256::digest(&archive));
    let cache = tempfile::tempdir().unwrap();
    let error = download(releases(archive, &sum), cache.path()).run(&|_| ()).await.unwrap_err();
    assert!(error.to_string().contains("libxml2.so.2: cannot open"), "{error}");
    let left = std::fs::read_dir(cache.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(left.collect::<Vec<_>>(), ["download.lock"]);
}

#[tokio::test]
async fn a_page_without_a_checksum_is_refused() {
    let cache = tempfile::tempdir().unwrap();
    let releases = releases(archive(RUNS), "<html>sign in to the guest network</html>");
    let error = download(releases, cache.path()).run(&|_| ()).await.unwrap_err();
    assert!(matches!(error, DownloadError::NoChecksum { .. }), "{error}");
}

#[tokio::test]
async fn a_network_that_swallows_everything_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let cache = tempfile::tempdir().unwrap();
    let mut download = download(format!("http://{}", silent.local_addr().unwrap()), cache.path());
    download.connect = Duration::from_millis(50);
    download.silence = Duration::from_millis(50);
    let error = download.run(&|_| ()).await.unwrap_err();
    assert!(matches!(error, DownloadError::Stalled { .. }), "{error}");
}
