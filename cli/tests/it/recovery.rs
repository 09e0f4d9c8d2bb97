//! What comes back by itself when a fault of the database is over: within ten seconds of its end
//! events are taken, and the refreshes that they ask for are made, by the processes that were there.

use std::time::{Duration, Instant};

use afterrun_simulators::dbt::{self, Dbt, DbtOptions, Event, Run, RunStatus};
use afterrun_simulators::mode::Report;
use afterrun_simulators::network::Trouble;
use afterrun_simulators::{Mode, ModeOptions, Pace, SimClock};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, PgPool};

use crate::harness::{Home, Running, SECRET, mode_connection, source};
use crate::roadworks::Roadworks;

const REPORT: &str = "5d1b2c3d4e5f";
const BACK_WITHIN: Duration = Duration::from_secs(10);

/// `ingest` and `worker`, which reach their database by a road that can be broken.
struct Scene {
    pool: PgPool,
    roadworks: Roadworks,
    ingest: Running,
    worker: Running,
    dbt: Dbt,
    runs: u64,
    _mode: Mode,
}

impl Scene {
    async fn set(pool: PgPool) -> Self {
        let roadworks = Roadworks::to(&pool.connect_options()).await;
        let options = ModeOptions { pace: Pace::millis(10, 10), ..ModeOptions::default() };
        let mode = Mode::start(options).await.unwrap();
        mode.add_report(Report::new(REPORT, "Sales"));
        let url = roadworks.by_road.to_url_lossy();
        let home = Home::new().with("DATABASE_URL", url.as_str());
        home.configure(&format!(
            "{}connections:
{}targets:
  sales-report: {{ connection: mode, report: {REPORT} }}
routes:
  - {{ name: nightly, on: success, refresh: [sales-report] }}
defaults:
  confirm: {{ poll: 50ms, poll_max: 200ms, deadline: 1m }}
",
            source(SECRET),
            mode_connection(&mode)
        ));
        let (ingest, worker) = (home.ingest(), home.worker());
        worker.says("\"working\"");
        let dbt = Dbt::new(DbtOptions::new(ingest.webhooks(), SECRET));
        Self { pool, roadworks, ingest, worker, dbt, runs: 0, _mode: mode }
    }

    /// The end of a run that no event has told of yet.
    fn next_event(&mut self) -> Vec<u8> {
        self.runs += 1;
        let now = SimClock::real().now();
        let run = Run::of("4242", self.runs, RunStatus::Success, now, now);
        let mut event = Event::of(run, now);
        event.event_id = format!("wev_{}", self.runs);
        dbt::completed(&event)
    }

    /// Sends an event until it is taken, and waits until what it asked for is done; gives how long
    /// that took.
    async fn refreshes(&mut self) -> Duration {
        let begun = Instant::now();
        let event = self.next_event();
        while !self.dbt.post(&event).await.ok() {
            assert!(begun.elapsed() < 3 * BACK_WITHIN, "events are not taken: {}", self.said());
        }
        let succeeded = "select exists (select from delivery_history \
                         where event_id = $1 and refresh_state = 'succeeded')";
        loop {
            let done: bool = sqlx::query_scalar(succeeded)
                .bind(format!("wev_{}", self.runs))
                .fetch_one(&self.pool)
                .await
                .unwrap();
            if done {
                return begun.elapsed();
            }
            assert!(begun.elapsed() < 3 * BACK_WITHIN, "nothing is refreshed: {}", self.said());
        }
    }

    /// An event that comes while the fault lasts is not taken, and the sender learns it in time.
    async fn refuses(&mut self) {
        let event = self.next_event();
        let answer = self.dbt.post(&event).await;
        assert_eq!(answer.status(), Some(503), "{answer:?}");
        assert!(answer.took < Duration::from_secs(3), "{answer:?}");
    }

    /// The fault has ended now.
    async fn comes_back(mut self) {
        let took = self.refreshes().await;
        assert!(took < BACK_WITHIN, "it took {took:?}: {}", self.said());
        // Notifications are heard again as well, on a connection that is not one of the pool.
        let listening = "select exists (select from pg_stat_activity \
                         where datname = current_database() and application_name = 'afterrun listener')";
        let limit = Instant::now() + BACK_WITHIN;
        while !sqlx::query_scalar::<_, bool>(listening).fetch_one(&self.pool).await.unwrap() {
            assert!(Instant::now() < limit, "it does not listen: {}", self.said());
        }
        assert_eq!(self.ingest.ends_on("TERM"), Some(0));
        assert_eq!(self.worker.ends_on("TERM"), Some(0));
    }

    fn said(&self) -> String {
        format!("{}\n{}", self.ingest.said(), self.worker.said())
    }

    /// Ends every session of the program, as a server does that restarts.
    async fn terminate_all(&self) {
        let all = "select pg_terminate_backend(pid) from pg_stat_activity \
                   where datname = current_database() and application_name like 'afterrun%'";
        sqlx::query(all).execute(&self.pool).await.unwrap();
    }

    async fn alter_database(&self, how: &str) {
        let name: String =
            sqlx::query_scalar("select current_database()").fetch_one(&self.pool).await.unwrap();
        // From another one: this one may just refuse it.
        let other = PgConnectOptions::clone(&self.pool.connect_options()).database("postgres");
        let mut other = PgConnection::connect_with(&other).await.unwrap();
        let alter = sqlx::AssertSqlSafe(format!("alter database \"{name}\" {how}"));
        sqlx::raw_sql(alter).execute(&mut other).await.unwrap();
    }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn after_all_sessions_were_ended(pool: PgPool) {
    let mut scene = Scene::set(pool).await;
    scene.refreshes().await;
    scene.terminate_all().await;
    scene.comes_back().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn after_the_server_refused_connections(pool: PgPool) {
    let mut scene = Scene::set(pool).await;
    scene.refreshes().await;
    scene.roadworks.road.suffer(Trouble::Refuse);
    scene.roadworks.road.cut(true);
    scene.refuses().await;
    scene.worker.says("cannot work now");
    scene.roadworks.road.suffer(Trouble::None);
    scene.comes_back().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn after_the_network_fell_silent(pool: PgPool) {
    let mut scene = Scene::set(pool).await;
    scene.refreshes().await;
    scene.roadworks.road.suffer(Trouble::Silence);
    scene.refuses().await;
    scene.roadworks.road.suffer(Trouble::None);
    scene.comes_back().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn after_the_network_was_silent_for_as_long_as_a_step_may_take(pool: PgPool) {
    let mut scene = Scene::set(pool).await;
    scene.refreshes().await;
    scene.roadworks.road.suffer(Trouble::Silence);
    scene.refuses().await;
    scene.worker.says("cannot work now");
    scene.roadworks.road.suffer(Trouble::None);
    scene.comes_back().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn after_the_database_was_read_only(pool: PgPool) {
    let mut scene = Scene::set(pool).await;
    scene.refreshes().await;
    scene.alter_database("set default_transaction_read_only = on").await;
    scene.terminate_all().await;
    scene.refuses().await;
    scene.ingest.says("read-only");
    scene.alter_database("reset default_transaction_read_only").await;
    scene.comes_back().await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn after_the_database_took_no_more_connections(pool: PgPool) {
    let mut scene = Scene::set(pool).await;
    scene.refreshes().await;
    // Of this test's own sessions the pool keeps one that is open already.
    scene.alter_database("allow_connections false").await;
    scene.terminate_all().await;
    scene.refuses().await;
    scene.worker.says("cannot work now");
    scene.alter_database("allow_connections true").await;
    scene.comes_back().await;
}
