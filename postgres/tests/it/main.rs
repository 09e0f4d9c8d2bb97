//! The server as its users see it: the real `postgres`, real processes, real kills.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod ends;
mod starts;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use afterrun_postgres::{Options, PostgresError, Server};
use sqlx::{Connection, PgConnection};

/// A data directory that the server's user can enter, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        Folder(std::env::temp_dir().join(format!("afterrun-it-{:016x}", rand::random::<u64>())))
    }

    async fn start(&self) -> Result<Server, PostgresError> {
        start(&self.0).await
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

async fn start(data_dir: &Path) -> Result<Server, PostgresError> {
    Server::start(Options { data_dir: data_dir.to_owned(), durable: true, progress: &|_| () }).await
}

/// One number from the server.
async fn ask(url: &str, query: &'static str) -> Result<i64, sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::query_scalar(query).fetch_one(&mut connection).await
}

async fn tell(url: &str, statement: &'static str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::query(statement).execute(&mut connection).await.unwrap();
}

/// The process id of the server on that data directory.
fn pid(data_dir: &Path) -> i32 {
    let mark = std::fs::read_to_string(data_dir.join("postgres/postmaster.pid")).unwrap();
    mark.lines().next().unwrap().trim().parse().unwrap()
}

/// Asks again until it is so, for at most half a minute.
async fn until<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let end = Instant::now() + Duration::from_secs(30);
    while !is_so().await {
        assert!(Instant::now() < end, "{what} did not happen");
        tokio::task::yield_now().await;
    }
}
