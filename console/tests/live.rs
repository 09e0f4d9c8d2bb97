//! What an open page is told while something happens.
#![expect(clippy::unwrap_used, reason = "a test that cannot set up its scene has failed")]

mod scene;

use std::time::Duration;

use scene::{ADMIN, READ, Scene, bearer};
use sqlx::PgPool;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// An open stream, and what it has said so far.
struct Stream {
    socket: TcpStream,
    said: String,
}

impl Stream {
    /// Headers end with `\r\n` each.
    async fn open(scene: &Scene, headers: &str) -> Self {
        let mut socket = TcpStream::connect(scene.address).await.unwrap();
        let request = format!("GET /live HTTP/1.1\r\nHost: {}\r\n{headers}\r\n", scene.address);
        socket.write_all(request.as_bytes()).await.unwrap();
        Self { socket, said: String::new() }
    }

    /// Waits for it to say this; nextest ends what waits for ever.
    async fn says(&mut self, what: &str) {
        while !self.said.contains(what) {
            assert!(!self.has_ended(), "it ended: {}", self.said);
            self.hear().await;
        }
    }

    /// Waits for more.
    async fn hear(&mut self) {
        let mut piece = [0; 1024];
        let length = self.socket.read(&mut piece).await.unwrap();
        assert_ne!(length, 0, "it was cut: {}", self.said);
        self.said.push_str(std::str::from_utf8(&piece[..length]).unwrap());
    }

    fn has_ended(&self) -> bool {
        self.said.ends_with("\r\n0\r\n\r\n")
    }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn an_open_page_hears_that_a_connection_is_held_though_no_target_is_stale(pool: PgPool) {
    let scene = Scene::with_targets(&pool).await;
    let mut stream = Stream::open(&scene, "").await;
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
    let mut stream = Stream::open(&scene, "").await;
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

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_stream_ends_with_the_session_that_opened_it_and_no_other_does(pool: PgPool) {
    const HOUR: Duration = Duration::from_secs(60 * 60);
    let scene = Scene::guarded(&pool);
    let clock = scene.store.clock().clone();
    for way in ["signed out", "left alone", "has lasted"] {
        let cookie = scene.session(ADMIN).await;
        let mut stream = Stream::open(&scene, &cookie).await;
        stream.says("event: change").await;
        match way {
            "signed out" => {
                let mut other = Stream::open(&scene, &scene.session(READ).await).await;
                other.says("event: change").await;
                let out = format!("{cookie}{}", scene.origin());
                assert_eq!(scene.ask("POST", "/sign-out", &out, "").await.status, 303);
                stream.says("event: ended").await;
                // It has seen as many looks as the one that ended, and one more.
                other.said.clear();
                scene.event("prod", "wev_1").await;
                other.says("event: change\ndata:\n\n").await;
                assert!(!other.said.contains("ended"), "{}", other.said);
            }
            "left alone" => clock.advance(2 * HOUR),
            _ => {
                for _ in 0..8 {
                    assert_eq!(scene.get("/", &cookie).await.status, 200);
                    clock.advance(HOUR * 3 / 2);
                }
            }
        }
        stream.says("event: ended\ndata:\n\n").await;
        while !stream.has_ended() {
            stream.hear().await;
        }
        assert!(
            stream.said.ends_with("event: ended\ndata:\n\n\r\n0\r\n\r\n"),
            "{way}: {}",
            stream.said
        );
        assert_eq!(scene.get("/live", &cookie).await.status, 401, "{way}");
    }
}
