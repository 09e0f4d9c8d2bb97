//! Whatever becomes of dbt's events on their way, the planned work is that of a perfect delivery.
//!
//! Runs of a few hours are told at once, late, several times, in another order or never, while ingest
//! and dbt's API are away now and then; workers look now and then. Once time enough has passed, it is
//! equal to a model in which each run is told when it ends:
//!
//! * which run is served by a refresh of which target for which route, each of them once;
//! * the newest run of each target, and that it shows.
//!
//! By how many refreshes is not: those that wait are joined. Nor is when a fan-in fires: it counts the
//! newest runs that it knows, so a run that is told late may find that it has fired, or that the job
//! has failed since, and waits for the next time. So there a run of each of its jobs ends the history,
//! which serves all that waits. Where *nothing* arrives, the order is that of the ends, and what the
//! fan-in has served and what it holds is equal without that.
//!
//! A history that fails is made shorter; `AFTERRUN_DELIVERY=<seed>` and `AFTERRUN_OUTAGE=<seed>` play
//! it again, `AFTERRUN_DELIVERIES=<how many>` and `AFTERRUN_OUTAGES=<how many>` play more of them.

mod generate;
mod judge;
mod perfect;
mod play;

use afterrun_simulators::dbt::{RunStatus, admin};
use proptest::strategy::Strategy;
use sqlx::PgPool;

use crate::harness::{Scene, Stack, seconds};
use crate::seeds::Histories;
use generate::{Case, told_somehow, untold};
use play::play;

fn deliveries(pool: &PgPool) -> Histories<impl Strategy<Value = Case>, impl AsyncFn(&Case)> {
    Histories {
        one: "AFTERRUN_DELIVERY",
        many: "AFTERRUN_DELIVERIES",
        drawn: told_somehow(),
        play: async |case: &Case| play(pool, case).await,
    }
}

fn outages(pool: &PgPool) -> Histories<impl Strategy<Value = Case>, impl AsyncFn(&Case)> {
    Histories {
        one: "AFTERRUN_OUTAGE",
        many: "AFTERRUN_OUTAGES",
        drawn: untold(),
        play: async |case: &Case| play(pool, case).await,
    }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn however_events_come_the_planned_work_is_that_of_a_perfect_delivery(pool: PgPool) {
    deliveries(&pool).hold([1, 5, 6]).await;
    deliveries(&pool).hold_by_chance(2).await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn when_no_event_comes_fan_ins_too_are_where_a_perfect_delivery_leaves_them(pool: PgPool) {
    outages(&pool).hold(1..=3).await;
    outages(&pool).hold_by_chance(2).await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn runs_that_are_found_together_are_planned_in_the_order_of_their_ends(pool: PgPool) {
    const MINUTE: u64 = 60;
    let route = "\n  - { name: both, on: success, after_all: [1, 2], refresh: [sales-report] }";
    let stack = Stack::with(pool, Scene::routes(route).asking("")).await;
    let ended = [
        (1, 99, RunStatus::Success, 30),
        (2, 100, RunStatus::Success, 20),
        (1, 101, RunStatus::Errored, 10),
    ];
    for (job, run, status, ago) in ended {
        let end = stack.now() - seconds(ago * MINUTE);
        stack.admin().with(|state| {
            let job = state.job(job).expect("a job").clone();
            state.runs.push(admin::Run::ended(&job, run, status, end - seconds(MINUTE), end));
        });
    }
    stack.settle().await;
    for event in ["recon:4711:99:10", "recon:4711:100:10"] {
        let row = stack.row(event).await;
        assert_eq!(row.state(), "succeeded", "both had succeeded before one failed: {row:#?}");
    }
    stack.finish().await;
}
