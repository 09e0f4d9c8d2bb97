//! apalis-postgres at its best: jobs that do nothing, from a backlog to none left.
//! `apalis <database> <jobs>` prints how many seconds that took.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use apalis::prelude::*;
use apalis_postgres::{Config, PgPool, PostgresStorage};
use futures::stream;

static DONE: AtomicUsize = AtomicUsize::new(0);

async fn nothing(_: usize) -> Result<(), BoxDynError> {
    DONE.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut given = std::env::args().skip(1);
    let (url, jobs) = (given.next().ok_or("no database")?, given.next().ok_or("no number")?);
    let jobs: usize = jobs.parse()?;
    let pool = PgPool::connect(&url).await?;
    PostgresStorage::setup(&pool).await?;
    let config = || Config::default().queue("nothing").batch_size(1000);
    let mut backend = PostgresStorage::new(&pool).with_config(config());
    let mut tasks = stream::iter((0..jobs).map(|number| TaskBuilder::new(number).build()));
    backend.push_all(&mut tasks).await?;
    sqlx::query("vacuum analyze apalis.jobs").execute(&pool).await?;

    let begun = Instant::now();
    let worker =
        WorkerBuilder::new("worker").backend(backend).parallelize(tokio::spawn).build(nothing);
    tokio::select! {
        ended = worker.run() => Err(format!("the worker ended: {ended:?}").into()),
        waited = until_done(&pool, jobs) => {
            waited?;
            println!("{}", begun.elapsed().as_secs_f64());
            Ok(())
        }
    }
}

async fn until_done(pool: &PgPool, jobs: usize) -> Result<(), Box<dyn std::error::Error>> {
    loop {
        let open = "select exists (select from apalis.jobs where status <> 'Done')";
        if DONE.load(Ordering::Relaxed) >= jobs
            && !sqlx::query_scalar::<_, bool>(open).fetch_one(pool).await?
        {
            let twice = DONE.load(Ordering::Relaxed) != jobs;
            return if twice { Err("a job was done twice".into()) } else { Ok(()) };
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
