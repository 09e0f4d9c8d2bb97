//! Whatever happens to a channel, to the workers and to what it is told of, and in whatever order:
//! what it heard of each thing is a beginning, perhaps again, and then its end; no message stands for
//! another; and once all is well with the channel it knows what is open and what is not.
//!
//! `AFTERRUN_TELLING=<seed>` plays a history again, `AFTERRUN_TELLINGS=<how many>` plays more of them.

use std::collections::{BTreeMap, BTreeSet};

use afterrun_core::notice::Room;
use afterrun_simulators::Fault;
use afterrun_simulators::channels::{Inbox, SIGNING_KEY};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy};
use proptest::prop_oneof;
use serde_json::Value;
use sqlx::PgPool;

use super::{AT_ONCE, FAILED, MINUTE};
use crate::harness::{Scene, Stack, seconds};
use crate::seeds::Histories;

const TARGETS: u64 = 2;

#[derive(Clone, Debug)]
enum Step {
    /// The refresh of this target fails for good.
    Fails(u64),
    Succeeds(u64),
    /// From now on the channel answers so.
    Answers(u16),
    /// It takes the next message, and nobody hears of it.
    LosesAnswer,
    /// The next message does not arrive.
    Cut,
    /// It takes what it is told again.
    Well,
    /// A worker takes what is due, and vanishes.
    Vanishes,
    /// The configuration is read again, with the address of the channel right or wrong.
    Address {
        is_right: bool,
    },
    Minutes(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let target = 0..TARGETS;
    let step = prop_oneof![
        4 => target.clone().prop_map(Step::Fails),
        3 => target.prop_map(Step::Succeeds),
        1 => prop_oneof![Just(401), Just(404), Just(410), Just(429), Just(503)].prop_map(Step::Answers),
        1 => Just(Step::LosesAnswer),
        1 => Just(Step::Cut),
        2 => Just(Step::Well),
        1 => Just(Step::Vanishes),
        1 => proptest::bool::ANY.prop_map(|is_right| Step::Address { is_right }),
        3 => prop_oneof![1..5_u64, 20..90_u64].prop_map(Step::Minutes),
    ];
    vec(step, 1..14)
}

fn told_here(inbox: &Inbox, is_right: bool) -> Scene {
    let url = if is_right { inbox.url() } else { inbox.url().replace("/hook", "/elsewhere") };
    let channels = format!("\n  chat: {{ kind: http, url: '{url}', secret: {SIGNING_KEY} }}");
    let route = |n| {
        format!("\n  - {{ name: r{n}, on: success, jobs: [{}], refresh: [target-{n}] }}", n + 1)
    };
    Scene {
        channels,
        alerts: FAILED.to_owned(),
        defaults: AT_ONCE.to_owned(),
        routes: (0..TARGETS).map(route).collect(),
        ..Scene::many(usize::try_from(TARGETS).unwrap(), 4)
    }
}

struct Play {
    stack: Stack,
    inbox: Inbox,
    runs: u64,
}

impl Play {
    async fn begin(pool: &PgPool) -> Self {
        sqlx::query("truncate event, refresh, attempt, target_state, connection_state, dbt_run, notice, notice_attempt,
             notice_channel, notice_look cascade")
            .execute(pool)
            .await
            .unwrap();
        let inbox = Inbox::hook().unwrap();
        let stack = Stack::with(pool.clone(), told_here(&inbox, true)).await;
        Self { stack, inbox, runs: 100 }
    }

    async fn step(&mut self, step: &Step) {
        let Self { stack, inbox, .. } = self;
        match step {
            Step::Fails(target) => {
                stack.foresee(429);
                stack.mode.rate_limit(1, None);
                stack.run_ended(*target + 1, self.runs).await;
                stack.settle().await;
            }
            Step::Succeeds(target) => {
                stack.run_ended(*target + 1, self.runs).await;
                stack.settle().await;
            }
            Step::Answers(status) => inbox.faults().always("POST", "", Fault::status(*status)),
            Step::LosesAnswer => inbox.faults().next(1, Fault::LoseAnswer),
            Step::Cut => inbox.faults().next(1, Fault::Cut),
            Step::Well => inbox.faults().clear(),
            Step::Vanishes => {
                let config = stack.worker.targets().config().clone();
                stack.store.look_for_alerts(&config, seconds(0)).await.unwrap();
                let room = Room { channel: "chat".into(), most: 1 };
                stack.store.claim_notices("vanished", &[room]).await.unwrap();
            }
            Step::Address { is_right } => {
                let scene = told_here(inbox, *is_right);
                stack.worker.reload(stack.config(&scene).unwrap()).unwrap();
            }
            Step::Minutes(minutes) => stack.advance(seconds(minutes * MINUTE)),
        }
        self.runs += 1;
        // What ends and what begins at one moment is in no order.
        self.stack.advance(seconds(MINUTE));
        self.stack.drain().await;
    }

    /// Nothing is wrong with the channel any more, and there is time to tell it everything.
    async fn mend(&mut self) {
        self.step(&Step::Well).await;
        self.step(&Step::Address { is_right: true }).await;
        for _ in 0..20 {
            self.step(&Step::Minutes(10)).await;
        }
    }

    /// Which targets' last refresh failed, by what is open.
    async fn open(&self) -> Vec<String> {
        sqlx::query_scalar("select subject from notice where state = 'open' order by subject")
            .fetch_all(&self.stack.pool)
            .await
            .unwrap()
    }

    async fn judge(&self) {
        let shown = self.inbox.shown();
        let mut heard = BTreeMap::<&str, Vec<&Value>>::new();
        let mut by_id = BTreeMap::<&str, &Value>::new();
        for event in &shown {
            let id = event["id"].as_str().unwrap();
            let before = by_id.insert(id, event);
            assert!(before.is_none_or(|before| before == event), "{before:#?} {event:#?}");
            // A repeat after a lost answer is known as that.
            if before.is_none() {
                heard.entry(event["subject"].as_str().unwrap()).or_default().push(event);
            }
        }
        let mut known_as_open = Vec::new();
        for (subject, events) in heard {
            let (mut open, mut ended) = (None::<&str>, BTreeSet::new());
            for event in events {
                let key = event["data"]["key"].as_str().unwrap();
                let state = event["data"]["state"].as_str().unwrap();
                let fits = open.is_none_or(|open| open == key);
                assert!(fits && !ended.contains(key), "{subject}: {key}: {shown:#?}");
                // Of what it may have been told it hears the end, even if nothing had arrived.
                if state == "open" {
                    open = Some(key);
                } else {
                    open = None;
                    ended.insert(key);
                }
            }
            known_as_open.extend(open.map(|_| subject.to_owned()));
        }
        assert_eq!(known_as_open, self.open().await, "{shown:#?}");
    }
}

fn histories(
    pool: &PgPool,
) -> Histories<impl Strategy<Value = Vec<Step>>, impl AsyncFn(&Vec<Step>)> {
    Histories {
        one: "AFTERRUN_TELLING",
        many: "AFTERRUN_TELLINGS",
        drawn: steps(),
        play: async |steps: &Vec<Step>| {
            let mut play = Play::begin(pool).await;
            for step in steps {
                play.step(step).await;
            }
            play.mend().await;
            play.judge().await;
            play.stack.finish().await;
        },
    }
}

#[sqlx::test(migrator = "afterrun_core::MIGRATOR")]
async fn whatever_happens_a_channel_hears_of_each_thing_in_order_and_in_the_end_knows_what_is_open(
    pool: PgPool,
) {
    histories(&pool).hold(1..=6).await;
    histories(&pool).hold_by_chance(3).await;
}
