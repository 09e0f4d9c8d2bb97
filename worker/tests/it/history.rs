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

use std::any::Any;
use std::panic::AssertUnwindSafe;

use afterrun_core::env;
use futures_util::FutureExt as _;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use sqlx::PgPool;

use generate::Step;
use play::Played;

/// Tries to make a history that fails shorter; each plays a history.
const MOST_SHORTER: u32 = 150;

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

/// What went wrong, if something did.
async fn wrong(pool: &PgPool, steps: &[Step]) -> Option<String> {
    let panic = AssertUnwindSafe(play(pool, steps)).catch_unwind().await.err()?;
    let said = |panic: Box<dyn Any + Send>| match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic.downcast_ref::<&str>().copied().unwrap_or_default().to_owned(),
    };
    Some(said(panic))
}

/// Plays the history of a seed, and if it fails the shortest one that is found to fail as well.
async fn holds(pool: &PgPool, seed: u64) {
    let bytes: [u8; 32] = [seed.to_le_bytes(); 4].concat().try_into().unwrap();
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut tree = generate::steps().new_tree(&mut runner).unwrap();
    let Some(mut why) = wrong(pool, &tree.current()).await else { return };
    eprintln!("AFTERRUN_HISTORY={seed} fails; looking for a shorter one");
    let mut shortest = tree.current();
    let mut moved = tree.simplify();
    for _ in 0..MOST_SHORTER {
        if !moved {
            break;
        }
        let steps = tree.current();
        moved = match wrong(pool, &steps).await {
            Some(still) => {
                (why, shortest) = (still, steps);
                tree.simplify()
            }
            None => tree.complicate(),
        };
    }
    panic!("AFTERRUN_HISTORY={seed} fails, and so does {shortest:#?}\n{why}");
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_is_promised_holds_in_histories_that_were_played_before(pool: PgPool) {
    for seed in 1..=5 {
        holds(&pool, seed).await;
    }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn what_is_promised_holds_in_histories_that_nobody_has_played(pool: PgPool) {
    if let Some(seed) = env::parsed("AFTERRUN_HISTORY").unwrap() {
        return holds(&pool, seed).await;
    }
    let count: u32 = env::parsed("AFTERRUN_HISTORIES").unwrap().unwrap_or(5);
    for _ in 0..count {
        holds(&pool, rand::random()).await;
    }
}
