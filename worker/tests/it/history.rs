//! Random histories through the front door: events, faults, operators and time in any order, and
//! what must hold after every step of them, judged by the tools' own logs and the views alone.
//!
//! A history that fails is made shorter while it still fails; its seed plays it again:
//! `AFTERRUN_HISTORY=<seed>`. `AFTERRUN_HISTORIES=<how many>` plays more of them.

mod check;
mod fan_in;
mod generate;
mod look;
mod play;
mod routes;
mod starts;
mod truth;

use proptest::strategy::Strategy;
use sqlx::PgPool;

use crate::seeds::Histories;
use generate::Step;
use play::Played;

/// Everything of one history, on an empty database.
async fn play(pool: &PgPool, steps: &[Step]) {
    sqlx::query(
        "truncate event, refresh, attempt, target_state, fan_in, connection_state restart identity cascade",
    )
    .execute(pool)
    .await
    .unwrap();
    let mut played = Played::new(pool.clone()).await;
    for step in steps {
        played.step(step).await;
        played.check().await;
    }
    played.end().await;
}

fn histories(
    pool: &PgPool,
) -> Histories<impl Strategy<Value = Vec<Step>>, impl AsyncFn(&Vec<Step>)> {
    Histories {
        one: "AFTERRUN_HISTORY",
        many: "AFTERRUN_HISTORIES",
        drawn: generate::steps(),
        play: async |steps: &Vec<Step>| play(pool, steps).await,
    }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_is_promised_holds_in_histories_that_were_played_before(pool: PgPool) {
    histories(&pool).hold(1..=5).await;
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_is_promised_holds_in_histories_that_nobody_has_played(pool: PgPool) {
    histories(&pool).hold_by_chance(5).await;
}
