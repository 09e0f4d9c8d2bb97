//! Histories that chance makes: a seed plays one again, and one that fails is made shorter while it
//! still fails.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use afterrun_core::env;
use futures_util::FutureExt as _;
use proptest::strategy::{Strategy, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Tries to make a history that fails shorter; each plays a history.
const MOST_SHORTER: u32 = 150;

/// Histories of one kind.
pub(crate) struct Histories<S, P> {
    /// The variable that asks for a seed: `AFTERRUN_HISTORY=<seed>`.
    pub(crate) one: &'static str,
    /// The variable that asks for more: `AFTERRUN_HISTORIES=<how many>`.
    pub(crate) many: &'static str,
    pub(crate) drawn: S,
    /// Panics where a promise is broken.
    pub(crate) play: P,
}

impl<S: Strategy, P: AsyncFn(&S::Value)> Histories<S, P> {
    /// Plays the history of each of these seeds.
    pub(crate) async fn hold(&self, seeds: impl IntoIterator<Item = u64>) {
        for seed in seeds {
            self.holds(seed).await;
        }
    }

    /// Plays the one that is asked for, or else so many that nobody has played.
    pub(crate) async fn hold_by_chance(&self, usual: u32) {
        if let Some(seed) = env::parsed(self.one).unwrap() {
            return self.holds(seed).await;
        }
        let count: u32 = env::parsed(self.many).unwrap().unwrap_or(usual);
        for _ in 0..count {
            self.holds(rand::random()).await;
        }
    }

    /// Plays the history of a seed, and if it fails the shortest one that is found to fail as well.
    async fn holds(&self, seed: u64) {
        let bytes: [u8; 32] = [seed.to_le_bytes(); 4].concat().try_into().unwrap();
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        let mut tree = self.drawn.new_tree(&mut runner).unwrap();
        let Some(mut why) = self.wrong(&tree.current()).await else { return };
        eprintln!("{}={seed} fails; looking for a shorter one", self.one);
        let mut shortest = tree.current();
        let mut moved = tree.simplify();
        for _ in 0..MOST_SHORTER {
            if !moved {
                break;
            }
            let history = tree.current();
            moved = match self.wrong(&history).await {
                Some(still) => {
                    (why, shortest) = (still, history);
                    tree.simplify()
                }
                None => tree.complicate(),
            };
        }
        panic!("{}={seed} fails, and so does {shortest:#?}\n{why}", self.one);
    }

    /// What went wrong, if something did.
    async fn wrong(&self, history: &S::Value) -> Option<String> {
        let panic = AssertUnwindSafe((self.play)(history)).catch_unwind().await.err()?;
        let said = |panic: Box<dyn Any + Send>| match panic.downcast::<String>() {
            Ok(text) => *text,
            Err(panic) => panic.downcast_ref::<&str>().copied().unwrap_or_default().to_owned(),
        };
        Some(said(panic))
    }
}
