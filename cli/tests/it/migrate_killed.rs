//! Five `afterrun migrate` at once, and the one at work is killed, loses its database or the network
//! to it in the middle of a migration.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use afterrun_core::MIGRATOR;
use afterrun_postgres::{Options, Server};
use afterrun_simulators::network::Trouble;
use sqlx::postgres::PgPoolOptions;
use sqlx::{ConnectOptions as _, FromRow, PgPool};
use url::Url;

use crate::harness::{Home, Running, kill_server};
use crate::roadworks::Roadworks;

/// Shut for as long as it has a row: the first change of a table waits there, in the middle of the
/// third migration.
const GATE: &str = "
    create table gate (id int);
    insert into gate values (1);
    create function wait_at_the_gate() returns event_trigger language plpgsql as $$
    begin
        while exists (select from gate) loop
            perform pg_sleep(0.01);
        end loop;
    end $$;
    create event trigger gate on ddl_command_end when tag in ('ALTER TABLE')
        execute function wait_at_the_gate()";

/// The one at the gate, as soon as all others wait for their turn.
const AT_THE_GATE: &str = "
    select pid, application_name::int as name from pg_stat_activity
    where wait_event = 'PgSleep' and datname = current_database() and pid <> $2 and $1 = (
        select count(*) from pg_stat_activity
        where wait_event = 'advisory' and datname = current_database()
    )";

/// One that migrates: its backend, and its place among the five.
#[derive(FromRow)]
struct AtWork {
    pid: i32,
    name: i32,
}

struct Five {
    pool: PgPool,
    homes: Vec<Home>,
    running: Vec<Option<Running>>,
}

impl Five {
    /// Starts them before a gate that is shut.
    async fn start(pool: PgPool) -> Self {
        let url = pool.connect_options().to_url_lossy();
        Self::start_at(url, pool).await
    }

    /// The same, with the way to the database that this address is.
    async fn start_at(url: Url, pool: PgPool) -> Self {
        sqlx::raw_sql(GATE).execute(&pool).await.unwrap();
        let named = |name: usize| {
            let mut url = url.clone();
            url.query_pairs_mut().append_pair("application_name", &name.to_string());
            Home::new().with("DATABASE_URL", url.as_str())
        };
        let homes: Vec<_> = (0..5).map(named).collect();
        let running = homes.iter().map(|home| Some(home.start(&["migrate"]))).collect();
        Self { pool, homes, running }
    }

    /// Waits until one, another than before, is in the middle of a migration and so many wait for it.
    async fn at_work(&self, waiting: i64, before: Option<AtWork>) -> AtWork {
        let before = before.map(|before| before.pid).unwrap_or_default();
        loop {
            let look = sqlx::query_as(AT_THE_GATE).bind(waiting).bind(before);
            let look = look.fetch_optional(&self.pool);
            // The database may be away.
            if let Ok(Some(found)) = look.await {
                return found;
            }
        }
    }

    /// Opens the gate and waits for all that are left, which must end well. Then the schema is whole
    /// and what it took was done once, by one of those or by one whose words are given.
    async fn end_well(self, killed: &str) {
        sqlx::query("delete from gate").execute(&self.pool).await.unwrap();
        let mut all = killed.to_owned();
        for running in self.running.into_iter().flatten() {
            let (code, said) = running.ends();
            assert_eq!(code, Some(0), "{said}");
            all.push_str(&said);
        }
        for migration in MIGRATOR.iter() {
            let told = format!("applied {:04}", migration.version);
            assert_eq!(all.matches(&told).count(), 1, "{told}:\n{all}");
        }
        let applied = "select version from _sqlx_migrations where success order by version";
        let applied: Vec<i64> = sqlx::query_scalar(applied).fetch_all(&self.pool).await.unwrap();
        let ours: Vec<i64> = MIGRATOR.iter().map(|migration| migration.version).collect();
        assert_eq!(applied, ours);

        let home = &self.homes[0];
        let again = home.run(&["migrate"]).exits(0);
        assert!(again.out.contains("nothing to do"), "{again}");
        home.configure_source();
        let ingest = home.ingest();
        home.run(&["health", "--url", &ingest.private()]).exits(0);
        home.run(&["send", "--url", &ingest.webhooks()]).exits(0);
    }
}

#[sqlx::test(migrations = false)]
async fn one_that_is_killed_half_way_leaves_nothing_and_the_next_takes_over(pool: PgPool) {
    let mut five = Five::start(pool).await;
    let at_work = five.at_work(4, None).await;
    let killed = five.running[usize::try_from(at_work.name).unwrap()].take().unwrap();
    killed.says("applied 0002");
    let said = killed.said();
    assert_eq!(killed.ends_on("KILL"), None);
    // The gate is still shut: the server itself has to notice that nobody asks any more.
    five.at_work(3, Some(at_work)).await;
    five.end_well(&said).await;
}

#[sqlx::test(migrations = false)]
async fn one_whose_connection_is_cut_half_way_begins_again(pool: PgPool) {
    let five = Five::start(pool).await;
    let at_work = five.at_work(4, None).await;
    let end = sqlx::query("select pg_terminate_backend($1)").bind(at_work.pid);
    end.execute(&five.pool).await.unwrap();
    let cut = five.running[usize::try_from(at_work.name).unwrap()].as_ref().unwrap();
    cut.says("the database went away, beginning again");
    five.at_work(4, Some(at_work)).await;
    five.end_well("").await;
}

#[sqlx::test(migrations = false)]
async fn one_whose_network_falls_silent_half_way_begins_again(pool: PgPool) {
    let roadworks = Roadworks::to(&pool.connect_options()).await;
    let road = &roadworks.road;
    let five = Five::start_at(roadworks.by_road.to_url_lossy(), pool).await;
    let at_work = five.at_work(4, None).await;
    road.suffer(Trouble::Silence);
    let silent = five.running[usize::try_from(at_work.name).unwrap()].as_ref().unwrap();
    let said = silent.says("beginning again");
    assert!(said.contains("silent"), "{said}");
    road.suffer(Trouble::None);
    // The server ends the one that it waits for in vain, by itself.
    five.end_well("").await;
}

#[tokio::test]
async fn all_begin_again_when_the_server_is_killed_half_way() {
    // The server runs as another user where the tests run as root.
    let open = Permissions::from_mode(0o755);
    let folder = tempfile::Builder::new().permissions(open).tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let options = Options { data_dir, durable: true, progress: &|_| () };
    let server = Server::start(options).await.unwrap();
    let pool = PgPoolOptions::new().connect(server.url()).await.unwrap();
    let five = Five::start(pool).await;
    let at_work = five.at_work(4, None).await;
    kill_server(&five.pool).await;
    five.at_work(4, Some(at_work)).await;
    five.end_well("").await;
    server.stop().await;
}
