//! graphile_worker at its best: jobs that do nothing, from a backlog to none left.
//! `graphile <database> <jobs>` prints how many seconds that took.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use graphile_worker::{
    IntoTaskHandlerResult, LocalQueueConfig, TaskHandler, WorkerContext, WorkerOptions,
};
use serde::{Deserialize, Serialize};

static DONE: AtomicUsize = AtomicUsize::new(0);

#[derive(Deserialize, Serialize)]
struct Nothing {}

impl TaskHandler for Nothing {
    const IDENTIFIER: &'static str = "nothing";

    async fn run(self, _: WorkerContext) -> impl IntoTaskHandlerResult {
        DONE.fetch_add(1, Ordering::Relaxed);
        Ok::<(), String>(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut given = std::env::args().skip(1);
    let (url, jobs) = (given.next().ok_or("no database")?, given.next().ok_or("no number")?);
    let jobs: usize = jobs.parse()?;
    let pool = sqlx::postgres::PgPoolOptions::new().max_connections(16).connect(&url).await?;
    let worker = WorkerOptions::default()
        .concurrency(64)
        .poll_interval(Duration::from_millis(20))
        .complete_job_batch_delay(Duration::from_millis(1))
        .local_queue(LocalQueueConfig::default().with_size(500).with_queue_count(4))
        .define_job::<Nothing>()
        .pg_pool(pool.clone())
        .init()
        .await?;
    let add = "select count(*) from graphile_worker.add_jobs(array(
            select ('nothing', '{}', null, null, null, null, null, null)::graphile_worker.job_spec
            from generate_series(1, $1)
        ))";
    sqlx::query(add).bind(i32::try_from(jobs)?).execute(&pool).await?;
    sqlx::query("vacuum analyze graphile_worker._private_jobs").execute(&pool).await?;

    let begun = Instant::now();
    tokio::select! {
        ended = worker.run() => Err(format!("the worker ended: {ended:?}").into()),
        waited = until_done(&pool, jobs) => {
            waited?;
            println!("{}", begun.elapsed().as_secs_f64());
            std::process::exit(0);
        }
    }
}

async fn until_done(pool: &sqlx::PgPool, jobs: usize) -> Result<(), Box<dyn std::error::Error>> {
    loop {
        // What is done is deleted.
        let open = "select exists (select from graphile_worker._private_jobs)";
        if DONE.load(Ordering::Relaxed) >= jobs
            && !sqlx::query_scalar::<_, bool>(open).fetch_one(pool).await?
        {
            let twice = DONE.load(Ordering::Relaxed) != jobs;
            return if twice { Err("a job was done twice".into()) } else { Ok(()) };
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
