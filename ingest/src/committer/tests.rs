use afterrun_core::Clock;
use afterrun_core::pool::ingest_pool;
use sqlx::postgres::PgConnectOptions;

use super::*;

/// One that waits, and who waits for it.
fn waiting(bytes: usize) -> (Waiting, oneshot::Receiver<Answer>) {
    let (answer, answered) = oneshot::channel();
    let body = Bytes::from(vec![0; bytes]);
    (Waiting { source: "prod".into(), body, keys_kept: Duration::ZERO, answer }, answered)
}

/// The sizes of the groups that bodies of these sizes make.
fn groups(bodies: impl IntoIterator<Item = usize>) -> Vec<usize> {
    let mut turns = Turns::default();
    let mut senders = Vec::new();
    for bytes in bodies {
        let (one, sender) = waiting(bytes);
        turns.waiting.push_back(one);
        senders.push(sender);
    }
    let mut sizes = Vec::new();
    loop {
        match turns.group().len() {
            0 => return sizes,
            some => sizes.push(some),
        }
    }
}

/// Its database is never asked.
fn committer() -> Committer {
    let pool = ingest_pool(PgConnectOptions::new().host("127.0.0.1").port(1), 1);
    let store = Store::new(pool, Clock::Database);
    let (tasks, counted) = (TaskTracker::new(), Counted::default());
    Committer::new(store, Duration::from_secs(1), tasks, Handle::current(), counted)
}

#[test]
fn a_group_is_bounded_by_its_rows_and_by_its_bytes() {
    const MIB: usize = 1024 * 1024;
    assert_eq!(groups([700; 300]), [128, 128, 44]);
    assert_eq!(groups([MIB; 9]), [4, 4, 1], "four of the largest are just as much as it takes");
    assert_eq!(groups([MIB, 3 * MIB + 1, 1, 5 * MIB, 1]), [1, 2, 1, 1]);
}

#[test]
fn one_whose_sender_is_gone_is_left_out() {
    let mut turns = Turns::default();
    let (there, _sender) = waiting(1);
    turns.waiting.extend([waiting(1).0, there, waiting(1).0]);
    assert_eq!(turns.group().len(), 1);
    assert!(turns.waiting.is_empty());
}

#[tokio::test]
async fn no_more_than_two_groups_are_stored_at_once() {
    let committer = committer();
    let senders: Vec<_> = (0..5)
        .map(|_| {
            let (one, sender) = waiting(1);
            committer.queue(one);
            sender
        })
        .collect();
    assert_eq!(committer.turns().under_way, AT_ONCE);
    assert_eq!(committer.turns().waiting.len(), senders.len());
}

#[tokio::test]
async fn a_turn_is_given_back_once_whether_it_ends_well_or_not() {
    let committer = committer();
    for ends_well in [true, false] {
        committer.turns().under_way = 2;
        let turn = Turn::of(committer.clone());
        if ends_well {
            turn.take().await;
        } else {
            drop(turn);
        }
        assert_eq!(committer.turns().under_way, 1);
    }
}
