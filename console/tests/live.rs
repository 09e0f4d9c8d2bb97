//! What an open page is told while something happens.
#![expect(clippy::unwrap_used, reason = "a test that cannot set up its scene has failed")]

mod scene;

use scene::{Scene, bearer};
use sqlx::PgPool;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// An open stream, and what it has said so far.
struct Stream {
    socket: TcpStream,
    said: String,
}

impl Stream {
    async fn open(scene: &Scene) -> Self {
        let mut socket = TcpStream::connect(scene.address).await.unwrap();
        let request = format!("GET /live HTTP/1.1\r\nHost: {}\r\n\r\n", scene.address);
        socket.write_all(request.as_bytes()).await.unwrap();
        Self { socket, said: String::new() }
    }

    /// Waits for it to say this; nextest ends what waits for ever.
    async fn says(&mut self, what: &str) {
        while !self.said.contains(what) {
            let mut piece = [0; 1024];
            let length = self.socket.read(&mut piece).await.unwrap();
            assert_ne!(length, 0, "it ended: {}", self.said);
            self.said.push_str(std::str::from_utf8(&piece[..length]).unwrap());
        }
    }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn an_open_page_hears_that_a_connection_is_held_though_no_target_is_stale(pool: PgPool) {
    let scene = Scene::with_targets(&pool).await;
    let mut stream = Stream::open(&scene).await;
    stream.says("event: change\ndata:\n\n").await;
    stream.said.clear();
    // A change before the first look is none, so there is one after each.
    let changes = async {
        for number in 0.. {
            sqlx::query(
                "insert into connection_state (connection, hold, held_since, held_until, hold_error)
                values ('mode', 'outage', now(), now(), $1)
                on conflict (connection) do update set hold_error = $1",
            )
            .bind(format!("answer {number} was none"))
            .execute(&pool)
            .await
            .unwrap();
        }
    };
    tokio::select! {
        () = changes => unreachable!("there is always another"),
        () = stream.says("event: change\ndata:\n\n") => {}
    }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn an_open_page_hears_that_something_changed_and_not_what(pool: PgPool) {
    let scene = Scene::with_targets(&pool).await;
    let mut stream = Stream::open(&scene).await;
    stream.says("retry: 5000").await;
    assert!(stream.said.contains("content-type: text/event-stream"), "{}", stream.said);
    stream.says("event: change\ndata:\n\n").await;
    stream.said.clear();
    // A change before the first look is none, so there is one after each.
    let changes = async {
        for number in 0.. {
            scene.event("prod", &format!("wev_secret{number}")).await;
        }
    };
    tokio::select! {
        () = changes => unreachable!("there is always another event"),
        () = stream.says("event: change\ndata:\n\n") => {}
    }
    assert!(!stream.said.contains("wev_secret"), "{}", stream.said);
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn nobody_hears_it_who_may_not_see_the_pages(pool: PgPool) {
    let scene = Scene::guarded(&pool);
    assert_eq!(scene.get("/live", "").await.status, 401);
    assert_eq!(scene.get("/live", &bearer("wrong")).await.status, 401);
}
