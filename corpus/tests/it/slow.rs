//! Numbers 1 to 4, 13 and 24: what dawdles, and what is larger than it looks.

use std::io::Write as _;
use std::time::Duration;

use afterrun_core::Clock;
use afterrun_corpus::event;
use afterrun_corpus::wire::{MIB, PATH, by_hand};
use afterrun_ingest::Limits;
use sqlx::PgPool;

use crate::harness::*;
use crate::watch::Watch;

/// Numbers 1 to 4 and 13, with limits so small that a test reaches them.
#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_dawdles_is_ended_in_time_and_leaves_nothing(pool: PgPool) {
    let limits = Limits {
        head: Duration::from_millis(300),
        keep_alive: Duration::from_millis(300),
        request: Duration::from_millis(700),
        linger: Duration::from_millis(50),
        ..Limits::default()
    };
    let front = Front::start_with(pool, limits, Clock::Database).await;
    let body = event("slow");
    let first = delivery(event("before").as_bytes());
    let chunks = "Transfer-Encoding: chunked";
    let whole = delivery(body.as_bytes());
    let short = whole.len() - 1;
    // What is sent at once, what is dripped after that, whether the client ends it, and the status.
    for (name, sent, dripped, finish, status) in [
        ("1 nothing", vec![], false, false, None),
        ("2 a head, byte by byte", vec![], true, false, Some(408)),
        ("4 a byte less than its length", whole[..short].to_vec(), false, true, None),
        // The table has 400 for it; actix takes every size that 64 bits hold. What comes counts
        // against the limits of size and time as ever.
        (
            "11 a chunk of every byte there is",
            by_hand(SECRET, &[chunks], &body, "FFFFFFFFFFFFFFFF\r\nx"),
            false,
            false,
            Some(408),
        ),
        (
            "13 chunks without an end",
            by_hand(SECRET, &[chunks], &body, "5\r\nabcde\r\n"),
            false,
            false,
            Some(408),
        ),
        ("13 a body that stops", whole[..short].to_vec(), false, false, Some(408)),
    ] {
        for later in [false, true] {
            let mut client = front.connect().await;
            if later {
                client.send(&first).await;
                assert_eq!(client.answer().await.unwrap().status, 200, "3 {name}");
            }
            client.send(&sent).await;
            let began = std::time::Instant::now();
            if dripped {
                // Each byte comes well within every limit; the whole of them does not.
                for byte in &whole {
                    client.send([*byte]).await;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    if began.elapsed() > Duration::from_millis(900) {
                        break;
                    }
                }
            }
            if finish {
                client.finish().await;
            }
            let answered = client.answer().await.map(|answer| answer.status);
            let fits = answered == status || (status.is_none() && answered == Some(400));
            // A server that closes while bytes still come resets, which may outrun its answer.
            assert!(
                fits || (dripped && answered.is_none()),
                "{name}, later: {later}: {answered:?}"
            );
            assert!(client.is_closed().await, "{name}, later: {later}");
        }
    }
    assert_eq!(front.stored().await, 1);
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_compressed_bomb_is_kept_as_it_came_and_never_inflated(pool: PgPool) {
    let front = Front::start(pool).await;
    front.deliver(vec![b' '; MIB]).await;
    let mut watch = Watch::start();
    let bomb = bomb();
    let headers = |signature: &str| {
        [("Authorization", signature.to_owned()), ("Content-Encoding", "gzip".to_owned())]
    };
    let post = async |signature: &str| {
        let headers = headers(signature);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        front.post(PATH, &headers, &bomb).await
    };
    assert_eq!(post(&"0".repeat(64)).await.status, 401);
    assert_eq!(post(&sign(SECRET, &bomb)).await.said(), (200, "quarantined".into()));
    assert_eq!(post(&sign(SECRET, &bomb)).await.said(), (200, "duplicate".into()));
    watch.look("24 a gzip bomb");
    let kept: Vec<Vec<u8>> = sqlx::query_scalar("select body from event order by id")
        .fetch_all(&front.pool)
        .await
        .unwrap();
    assert!(kept[1] == bomb, "not byte-identical");
    front.stop().await;
}

/// 32 MiB of nothing in 32 kB. One layer of deflate holds a thousand times its size at the most; to
/// inflate this much would already show.
fn bomb() -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    for _ in 0..32 {
        writer.write_all(&vec![0; MIB]).unwrap();
    }
    let bomb = writer.finish().unwrap();
    assert!(bomb.len() < MIB / 4, "{}", bomb.len());
    bomb
}

/// The numbers that stand in this file.
pub(crate) const NUMBERS: [u16; 6] = [1, 2, 3, 4, 13, 24];
