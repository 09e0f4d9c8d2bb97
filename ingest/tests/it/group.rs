//! Deliveries that arrive while others are being stored: one commit for all of them, and an answer
//! of its own for each.

use std::time::{Duration, Instant};

use afterrun_core::Clock;
use afterrun_core::pool::ingest_pool;
use afterrun_ingest::Limits;
use sqlx::{PgPool, Postgres, Transaction};
use tokio::task::JoinSet;

use crate::harness::*;

/// So many are on their way when the table can be written again.
const ALL: usize = 40;

const HOLD: &str = "lock table event in share row exclusive mode";

/// How many connections wait for the table.
const WAITING: &str =
    "select count(*) from pg_locks where not granted and relation = 'event'::regclass";

/// A service that cannot write yet.
struct Held {
    front: Front,
    holder: Transaction<'static, Postgres>,
    clients: JoinSet<(usize, Answer)>,
}

impl Held {
    async fn start(pool: PgPool) -> Self {
        let limits = Limits { in_flight: ALL, ..Limits::default() };
        let own = ingest_pool(pool.connect_options().as_ref().clone(), 8);
        let front = Front::start_with(own, limits, Clock::Database).await;
        let mut holder = pool.begin().await.unwrap();
        sqlx::query(HOLD).execute(&mut *holder).await.unwrap();
        Self { front, holder, clients: JoinSet::new() }
    }

    /// Sends them all, and returns when each has its place in the service.
    async fn send(&mut self, bodies: Vec<String>) {
        assert_eq!(bodies.len(), ALL);
        let begun = Instant::now();
        for (number, body) in bodies.into_iter().enumerate() {
            let (address, body) = (self.front.address, delivery(body.as_bytes()));
            self.clients.spawn(async move {
                loop {
                    let mut client = Client::connect(address).await;
                    client.send(&body).await;
                    let answer = client.answer().await.unwrap();
                    // The one who looks below may have had its place.
                    if !is_busy(&answer) {
                        return (number, answer);
                    }
                }
            });
        }
        while !is_busy(&self.front.post("/webhooks/dbt/prod", &[], "unsigned").await) {}
        assert!(begun.elapsed() < Duration::from_secs(1), "it took {:?}", begun.elapsed());
    }

    /// Lets it write, and gives the answers in the order of what was sent.
    async fn release(self) -> (Front, Vec<Answer>) {
        self.holder.rollback().await.unwrap();
        let mut answers = self.clients.join_all().await;
        answers.sort_by_key(|(number, _)| *number);
        (self.front, answers.into_iter().map(|(_, answer)| answer).collect())
    }
}

fn is_busy(answer: &Answer) -> bool {
    answer.json()["error"] == "too many requests in flight"
}

fn events() -> Vec<String> {
    (0..ALL).map(|number| event(&format!("e{number}"))).collect()
}

fn statuses(answers: &[Answer]) -> Vec<u16> {
    answers.iter().map(|answer| answer.status).collect()
}

async fn count(pool: &PgPool, what: &'static str) -> i64 {
    sqlx::query_scalar(what).fetch_one(pool).await.unwrap()
}

/// Waits until somebody waits for the table; how many do.
async fn is_waiting(pool: &PgPool) -> i64 {
    loop {
        let waiting = count(pool, WAITING).await;
        if waiting > 0 {
            return waiting;
        }
    }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn they_share_a_commit_and_each_is_answered(pool: PgPool) {
    let mut held = Held::start(pool.clone()).await;
    held.send(events()).await;
    let waiting = is_waiting(&pool).await;
    assert!(waiting <= 2, "{waiting} commits at once");
    let (front, answers) = held.release().await;
    for (number, answer) in answers.iter().enumerate() {
        assert_eq!(answer.said(), (200, "stored".into()));
        assert_eq!(answer.json()["event_id"], format!("e{number}"));
    }
    assert_eq!(front.stored().await, ALL);
    let commits = count(&pool, "select count(distinct xmin::text) from event").await;
    assert!(commits <= 10, "{commits} commits");
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn repeats_among_them_are_counted(pool: PgPool) {
    let mut held = Held::start(pool.clone()).await;
    let mut bodies = events();
    bodies[10..20].fill(event("same"));
    bodies[20..25].fill(event_with("same", r#","webhookName":"other""#, ""));
    bodies[30..35].fill("not JSON".to_owned());
    held.send(bodies).await;
    let (front, answers) = held.release().await;
    assert_eq!(statuses(&answers), [200; ALL]);
    let said = |range: std::ops::Range<usize>, what: &str| {
        answers[range].iter().filter(|answer| answer.said().1 == what).count()
    };
    assert_eq!((said(10..25, "stored"), said(10..25, "duplicate")), (1, 14));
    assert_eq!((said(30..35, "quarantined"), said(30..35, "duplicate")), (1, 4));
    assert_eq!(said(0..ALL, "stored"), ALL - 14 - 5);
    let deliveries = "select deliveries from event where event_key = 'same'";
    assert_eq!(count(&pool, deliveries).await, 15);
    // Ten were of one body and five of the other, whichever came first.
    let first_is_other = "select count(*) from event where conflicts = 10";
    let conflicts = if count(&pool, first_is_other).await == 1 { 10 } else { 5 };
    assert_eq!(
        count(&pool, "select conflicts from event where event_key = 'same'").await,
        conflicts
    );
    assert_eq!(count(&pool, "select count(*) from event_conflict").await, 1);
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn one_that_cannot_be_stored_fails_none_of_its_neighbours(pool: PgPool) {
    let poison = "alter table event add check (event_key <> 'e21')";
    sqlx::query(poison).execute(&pool).await.unwrap();
    let mut held = Held::start(pool.clone()).await;
    held.send(events()).await;
    let (front, answers) = held.release().await;
    let mut expected = [200; ALL];
    expected[21] = 503;
    assert_eq!(statuses(&answers), expected);
    assert_eq!(front.stored().await, ALL - 1);
    front.stop().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn when_the_connection_is_lost_none_is_acknowledged_that_is_not_stored(pool: PgPool) {
    let mut held = Held::start(pool.clone()).await;
    held.send(events()).await;
    is_waiting(&pool).await;
    let end = "select count(pg_terminate_backend(pid)) from pg_stat_activity
        where datname = current_database() and application_name = 'afterrun ingest' and pid <> pg_backend_pid()";
    count(&pool, end).await;
    let (front, answers) = held.release().await;
    let refused = answers.iter().filter(|answer| answer.status == 503).count();
    let stored = answers.iter().filter(|answer| answer.said() == (200, "stored".into())).count();
    assert!(refused >= 1, "what was under way is lost");
    assert_eq!(refused + stored, ALL);
    assert_eq!(count(&pool, "select count(*) from event").await, i64::try_from(stored).unwrap());
    // Each comes again; another connection may have died at rest.
    for body in events() {
        while front.deliver(&body).await.status != 200 {}
    }
    assert_eq!(front.stored().await, ALL);
    front.stop().await;
}
