//! SIGHUP: the configuration is read again, as a whole or not at all.

use sqlx::PgPool;

use crate::harness::{Home, source};

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn a_wrong_new_file_is_refused_and_a_right_one_put_in_force(pool: PgPool) {
    let home = Home::with_database(&pool);
    home.configure(&source("the-old-secret"));
    let ingest = home.ingest();
    let url = ingest.webhooks();
    let send = |secret: &str| home.run(&["send", "--url", &url, "--secret", secret]);
    send("the-old-secret").exits(0);

    home.configure("sources: { prod: { kind: dbt, secrets: [] } }\n");
    ingest.signal("HUP");
    let refusal = ingest.says("the new configuration is refused");
    assert!(refusal.contains("sources.prod.secrets"), "{refusal}");
    send("the-old-secret").exits(0);

    home.configure(&source("the-new-secret"));
    ingest.signal("HUP");
    ingest.says("in force as it is now");
    send("the-new-secret").exits(0);
    send("the-old-secret").exits(1);
    assert_eq!(ingest.ends_on("TERM"), Some(0));
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn the_worker_refuses_a_wrong_new_file_as_well(pool: PgPool) {
    let home = Home::with_database(&pool);
    home.configure_source();
    let worker = home.worker();
    worker.says("\"working\"");
    home.configure(&format!("{}targets: {{ x: {{ connection: nowhere }} }}\n", source("a-secret")));
    worker.signal("HUP");
    let refusal = worker.says("the new configuration is refused");
    assert!(refusal.contains("targets.x.connection"), "{refusal}");
    home.configure_source();
    worker.signal("HUP");
    worker.says("in force as it is now");
    assert_eq!(worker.ends_on("TERM"), Some(0));
}
