//! `afterrun ingest` and `afterrun worker`: how they start, wait, and end.

use sqlx::PgPool;

use crate::harness::{Home, source};

#[test]
fn ingest_starts_and_stays_up_without_a_database() {
    let home = Home::new().with("DATABASE_URL", "postgres://user:CANARY@127.0.0.1:1/nowhere");
    home.configure_source();
    let ingest = home.ingest();
    let (url, private) = (ingest.webhooks(), ingest.private());
    home.run(&["health", "--url", &format!("{private}/healthz")]).exits(0);
    let not_ready = home.run(&["health", "--url", &private]).exits(1);
    assert!(not_ready.err.contains("503"), "{not_ready}");
    let refused = home.run(&["send", "--url", &url]).exits(1);
    assert!(refused.out.contains("503"), "{refused}");
    assert!(!ingest.said().contains("CANARY"), "{}", ingest.said());
    assert_eq!(ingest.ends_on("TERM"), Some(0));
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn ingest_reads_its_sources_and_minds_no_mistake_elsewhere(pool: PgPool) {
    let home = Home::with_database(&pool);
    home.configure(&format!("{}targets: {{ x: {{ connection: nowhere }} }}\n", source("a-secret")));
    home.run(&["check"]).exits(2);
    let ingest = home.ingest();
    home.run(&["send", "--url", &ingest.webhooks()]).exits(0);
    home.run(&["health", "--url", &ingest.private()]).exits(0);
}

#[sqlx::test(migrations = false)]
async fn the_worker_waits_for_the_schema_and_says_so(pool: PgPool) {
    let home = Home::with_database(&pool);
    home.configure_source();
    let worker = home.worker();
    worker.says("run afterrun migrate");
    let not_ready = home.run(&["health", "--url", &worker.private()]).exits(1);
    assert!(not_ready.err.contains("run afterrun migrate"), "{not_ready}");
    home.run(&["migrate"]).exits(0);
    worker.says("\"working\"");
    home.run(&["health", "--url", &worker.private()]).exits(0);
    assert_eq!(worker.ends_on("TERM"), Some(0));
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_mistake_in_the_configuration_ends_the_worker_with_2(pool: PgPool) {
    let home = Home::with_database(&pool);
    home.configure(&format!("{}targets: {{ x: {{ connection: nowhere }} }}\n", source("a-secret")));
    for command in ["worker", "up"] {
        let ended = home.run(&[command]).exits(2);
        assert!(ended.err.contains("targets.x.connection"), "{ended}");
    }
}

#[test]
fn a_private_listener_open_to_the_network_needs_a_token() {
    let closed = "postgres://user@127.0.0.1:1/nowhere";
    let home = Home::new().with("DATABASE_URL", closed).with("AFTERRUN_ADMIN_LISTEN", "0.0.0.0:0");
    home.configure_source();
    for command in ["worker", "up"] {
        let ended = home.run(&[command]).exits(2);
        assert!(ended.err.contains("AFTERRUN_ADMIN_TOKEN"), "{ended}");
    }
    let home = home.with("AFTERRUN_ADMIN_TOKEN", "CANARY-token-of-many");
    let worker = home.start(&["worker"]);
    worker.says("health on ");
    assert!(!worker.said().contains("CANARY"), "{}", worker.said());
    assert_eq!(worker.ends_on("TERM"), Some(0));
}

#[test]
fn tokens_that_would_keep_nobody_out_are_refused() {
    for (set, named) in [
        (&[("AFTERRUN_READ_TOKEN", "CANARY")][..], "AFTERRUN_ADMIN_TOKEN"),
        (&[("AFTERRUN_READ_TOKEN", "CANARY"), ("AFTERRUN_ADMIN_TOKEN", "CANARY")], "the same"),
        (&[("AFTERRUN_CONSOLE_URL", "https://afterrun.example.com")], "AFTERRUN_ADMIN_TOKEN"),
        (&[("AFTERRUN_CONSOLE_URL", "afterrun.example.com")], "AFTERRUN_CONSOLE_URL"),
    ] {
        let mut home = Home::new().with("DATABASE_URL", "postgres://user@127.0.0.1:1/nowhere");
        home.configure_source();
        for (name, value) in set {
            home = home.with(name, value);
        }
        let ended = home.run(&["worker"]).exits(2);
        assert!(ended.err.contains(named) && !ended.all().contains("CANARY"), "{ended}");
    }
}

#[test]
fn up_starts_and_stays_up_while_its_database_is_away() {
    let home = Home::new().with("DATABASE_URL", "postgres://user:CANARY@127.0.0.1:1/nowhere");
    home.configure_source();
    let up = home.start(&["up", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    up.says("the schema is not up to date yet");
    home.run(&["health", "--url", &format!("{}/healthz", up.private())]).exits(0);
    let refused = home.run(&["send", "--url", &up.webhooks()]).exits(1);
    assert!(refused.out.contains("503"), "{refused}");
    assert!(!up.said().contains("CANARY"), "{}", up.said());
    assert_eq!(up.ends_on("TERM"), Some(0));
}

#[test]
fn an_address_that_is_taken_is_named_with_the_setting_that_says_another() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let home = Home::new().with("DATABASE_URL", "postgres://user@127.0.0.1:1/nowhere");
    home.configure_source();
    // It may be shared only with one who shares it.
    for arguments in
        [&["ingest", "--listen", &address][..], &["ingest", "--share-port", "--listen", &address]]
    {
        let ended = home.run(arguments).exits(1);
        assert!(ended.err.contains(&address) && ended.err.contains("AFTERRUN_LISTEN"), "{ended}");
    }
}

#[test]
fn nobody_at_home_is_not_healthy() {
    let ended = Home::new().run(&["health", "--url", "http://127.0.0.1:1/healthz"]).exits(1);
    assert!(ended.err.contains("nobody answers at 127.0.0.1:1/healthz"), "{ended}");
}
