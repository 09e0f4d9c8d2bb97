//! What can happen, and how often it does.
//!
//! A step names things by a number that is taken modulo what there is, so every list of steps can
//! be played, and a shorter one as well.

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any};
use proptest::prop_oneof;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Well,
    Badly,
    Cancelled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    Once,
    Thrice,
    /// Also, or only, through the second source.
    ToBoth,
    ToTheOther,
    /// Kept back for [`Step::Late`].
    Later,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    Mode,
    Tableau,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    AnswerLost,
    Cut,
    Garbage,
    Status(u16),
    /// 429, with the seconds after which to come back.
    SlowDown(u8),
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    /// A run of one of the jobs ended so many seconds ago, or will have.
    RunEnds {
        job: u8,
        end: End,
        ago: i16,
        sent: Sent,
    },
    /// What was kept back arrives.
    Late(u8),
    /// An event that has arrived arrives once more.
    Again(u8),
    Advance(u32),
    /// Time passes, and then a worker looks.
    Pass {
        seconds: u32,
        worker: u8,
    },
    Work {
        worker: u8,
    },
    /// All workers at the same moment.
    WorkTogether,
    /// A worker claims what is due and is killed.
    Vanish,
    StartsMeet {
        tool: Tool,
        trouble: Trouble,
        times: u8,
    },
    QuestionsMeet {
        tool: Tool,
        trouble: Trouble,
        times: u8,
    },
    Away {
        tool: Tool,
        trouble: Trouble,
    },
    Back(Tool),
    SessionsExpire,
    /// The tool's own schedule refreshes the target.
    Scheduled(u8),
    /// The next refresh of the target fails in the tool, or somebody cancels it there.
    WillFail {
        target: u8,
        cancelled: bool,
    },
    PauseTarget {
        target: u8,
        paused: bool,
    },
    PauseConnection {
        tool: Tool,
        paused: bool,
    },
    Cancel(u8),
    Retry(u8),
    Replay(u8),
    /// The configuration is read anew, without one target or with all of them.
    Reload {
        whole: bool,
    },
    /// The tool's own webhook.
    Nudge(Tool),
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    vec(step(), 40..80)
}

fn step() -> impl Strategy<Value = Step> {
    let job = 0_u8..5;
    let end = prop_oneof![6 => Just(End::Well), 2 => Just(End::Badly), 1 => Just(End::Cancelled)];
    let ago = prop_oneof![6 => 0_i16..30, 2 => 30_i16..900, 1 => 900_i16..5000, 1 => -30_i16..0];
    let sent = prop_oneof![
        6 => Just(Sent::Once),
        1 => Just(Sent::Thrice),
        1 => Just(Sent::ToBoth),
        1 => Just(Sent::ToTheOther),
        2 => Just(Sent::Later),
    ];
    let advance = prop_oneof![
        4 => 0_u32..15,
        6 => 15_u32..90,
        3 => 90_u32..900,
        1 => 900_u32..15_000,
    ];
    let target = 0_u8..5;
    let times = 1_u8..4;
    let some = any::<u8>();
    prop_oneof![
        30 => (job, end, ago, sent)
            .prop_map(|(job, end, ago, sent)| Step::RunEnds { job, end, ago, sent }),
        3 => some.prop_map(Step::Late),
        2 => some.prop_map(Step::Again),
        6 => advance.clone().prop_map(Step::Advance),
        40 => (advance, 0_u8..3).prop_map(|(seconds, worker)| Step::Pass { seconds, worker }),
        14 => (0_u8..3).prop_map(|worker| Step::Work { worker }),
        6 => Just(Step::WorkTogether),
        3 => Just(Step::Vanish),
        9 => (tool(), trouble(), times.clone())
            .prop_map(|(tool, trouble, times)| Step::StartsMeet { tool, trouble, times }),
        3 => (tool(), trouble(), times)
            .prop_map(|(tool, trouble, times)| Step::QuestionsMeet { tool, trouble, times }),
        1 => (tool(), trouble()).prop_map(|(tool, trouble)| Step::Away { tool, trouble }),
        3 => tool().prop_map(Step::Back),
        1 => Just(Step::SessionsExpire),
        4 => target.clone().prop_map(Step::Scheduled),
        3 => (target.clone(), any::<bool>())
            .prop_map(|(target, cancelled)| Step::WillFail { target, cancelled }),
        4 => (target, seldom())
            .prop_map(|(target, paused)| Step::PauseTarget { target, paused }),
        2 => (tool(), seldom())
            .prop_map(|(tool, paused)| Step::PauseConnection { tool, paused }),
        2 => some.prop_map(Step::Cancel),
        2 => some.prop_map(Step::Retry),
        2 => some.prop_map(Step::Replay),
        3 => seldom().prop_map(|gone| Step::Reload { whole: !gone }),
        3 => tool().prop_map(Step::Nudge),
    ]
}

/// What holds others back is undone more often than it is done.
fn seldom() -> impl Strategy<Value = bool> {
    prop_oneof![3 => Just(false), 2 => Just(true)]
}

fn tool() -> impl Strategy<Value = Tool> {
    prop_oneof![Just(Tool::Mode), Just(Tool::Tableau)]
}

fn trouble() -> impl Strategy<Value = Trouble> {
    prop_oneof![
        3 => Just(Trouble::AnswerLost),
        3 => Just(Trouble::Cut),
        1 => Just(Trouble::Garbage),
        1 => Just(Trouble::Status(500)),
        1 => Just(Trouble::Status(503)),
        1 => Just(Trouble::Status(429)),
        1 => Just(Trouble::Status(403)),
        1 => (1_u8..200).prop_map(Trouble::SlowDown),
    ]
}
