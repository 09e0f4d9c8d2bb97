//! How long an event takes from the moment it is to be sent to the first byte of the call that it
//! leads to, at a fixed rate; beside a relay that stores nothing. And how long its own answer takes
//! while a worker runs.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::body::{Template, text};
use crate::estate::Estate;
use crate::figures::{Pair, Rounds, Side};
use crate::goal::{Goal, Unit};
use crate::ground::Ground;
use crate::load::Sending;
use crate::machine::Outside;
use crate::pace;
use crate::relay::Relay;
use crate::report::Figure;
use crate::served;
use crate::stored;
use crate::tool::Tool;
use crate::turns::{self, Whose};

/// Jobs whose runs end in turns, each leading to a report of its own: at a thousand a second a
/// report's next run comes half a second after the one before, so that nothing is joined.
const JOBS: usize = 500;
/// Events a second.
const RATES: [u32; 2] = [20, 1000];

/// What came of one round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Called {
    /// From sending to the first byte of the call.
    pub(crate) call: Side,
    /// From sending to the answer.
    pub(crate) answer: Side,
}

pub(crate) async fn measure(ground: Ground<'_>) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for per_second in RATES {
        let what = format!("received to called, {per_second} events/s");
        let length = ground.args.length();
        let rounds = turns::pairs(&what, ground.args.rounds(), async |whose| match whose {
            Whose::Ours => take(ground, per_second, length).await,
            Whose::Theirs => relayed(ground, per_second).await,
        });
        figures.extend(lines(per_second, &rounds.await?));
    }
    Ok(figures)
}

fn lines(per_second: u32, rounds: &Rounds<Pair<Called>>) -> Vec<Figure> {
    let counted = rounds.counted();
    let line = |what: &str, figure: fn(&Called) -> f64| {
        Figure::of(what, Unit::Milliseconds, &counted, |pair| figure(&pair.ours))
            .beside("relay", counted.median(|pair| figure(&pair.theirs)))
    };
    let call = |share: &str| format!("received to first byte of the call, {per_second}/s, {share}");
    let mut lines = vec![
        line(&call("p50"), |called| called.call.p50_ms).goal(Goal::AtMost(3.0)),
        line(&call("p99"), |called| called.call.p99_ms).goal(Goal::AtMost(10.0)),
    ];
    if per_second == 1000 {
        let what = "answer at 1000/s, worker running, p99";
        lines.push(line(what, |called| called.answer.p99_ms).goal(Goal::AtMost(10.0)));
    }
    lines
}

/// One round of ours, and what others took of the processors meanwhile.
pub(crate) async fn take(
    ground: Ground<'_>,
    per_second: u32,
    length: Duration,
) -> anyhow::Result<(Called, f64)> {
    let Ground { database, .. } = ground;
    let since = database.reset().await?;
    let now = database.now().await?;
    let (template, tool) = (Template::new(now), Tool::start(Duration::ZERO, now)?);
    let both = ground.both(&Estate::new(JOBS, 1), &tool).await?;
    let watch = Outside::watch();
    let to = both.ingest.address;
    let sending = pace::send(to, template.clone(), JOBS, per_second, length).await?;
    let done = database.until_done().await;
    done.with_context(|| format!("the worker said: {}", both.worker.last_words()))?;
    let outside = watch.share();
    both.stop().await?;
    stored::check(database, since, &template, &sending.sent).await?;
    let runs = tool.runs();
    let served = served::check(database, since, &runs).await?;
    let calls = served.into_iter().map(|served| (served.event_key, runs[served.run].at));
    Ok((called(&sending, &calls.collect())?, outside))
}

/// The same by way of the relay.
async fn relayed(ground: Ground<'_>, per_second: u32) -> anyhow::Result<(Called, f64)> {
    let now = ground.database.now().await?;
    let (template, tool) = (Template::new(now), Tool::start(Duration::ZERO, now)?);
    let relay = Relay::start(&tool).await?;
    let watch = Outside::watch();
    let length = ground.args.length();
    let sending = pace::send(relay.address, template, JOBS, per_second, length).await?;
    let outside = watch.share();
    // It runs a report that is called as the event is.
    let calls = tool.runs().into_iter().map(|run| (run.report.into_string(), run.at));
    Ok((called(&sending, &calls.collect())?, outside))
}

/// Of all events that were to be sent while it counts, how long their calls and their answers took:
/// for ever, where they were refused. An event that was acknowledged and led to no call fails the run.
fn called(sending: &Sending, calls: &HashMap<String, Instant>) -> anyhow::Result<Called> {
    let (mut call_ms, mut answer_ms) = (Vec::new(), Vec::new());
    for sent in &sending.sent {
        let id = text(&sent.event_id);
        let call = calls.get(id);
        if sent.acknowledged() && call.is_none() {
            bail!("{id} was acknowledged and led to no call");
        }
        if (sending.from..sending.until).contains(&sent.began) {
            let took = |at: &Instant| at.saturating_duration_since(sent.began).as_secs_f64() * 1e3;
            call_ms.push(call.map_or(f64::INFINITY, took));
            answer_ms.push(sent.answered_ms());
        }
    }
    let per_second = call_ms.len() as f64 / (sending.until - sending.from).as_secs_f64();
    let side = |latencies_ms: &[f64]| Side::new(per_second, latencies_ms);
    Ok(Called { call: side(&call_ms), answer: side(&answer_ms) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Answer;
    use crate::load::Sent;

    const MS: Duration = Duration::from_millis(1);

    /// One event, answered in 2 ms.
    fn sent(status: u16) -> (Sending, String) {
        let event_id = Template::new(chrono::DateTime::UNIX_EPOCH).renew(7);
        let (from, body) = (Instant::now(), Box::default());
        let sent = Sent::new(event_id, Ok(Answer { status, body }), from + MS, 2 * MS);
        let until = from + Duration::from_secs(1);
        (Sending { sent: vec![sent], from, until }, text(&event_id).to_owned())
    }

    #[test]
    fn a_call_takes_as_long_as_it_comes_after_the_time_to_send() {
        let (sending, id) = sent(200);
        let calls = HashMap::from([(id, sending.from + 6 * MS)]);
        let called = called(&sending, &calls).unwrap();
        assert_eq!((called.call.p50_ms, called.answer.p50_ms), (5.0, 2.0));
    }

    #[test]
    fn an_event_that_is_refused_takes_for_ever() {
        let (sending, _) = sent(503);
        let called = called(&sending, &HashMap::new()).unwrap();
        assert_eq!((called.call.p99_ms, called.answer.p99_ms), (f64::INFINITY, f64::INFINITY));
    }

    #[test]
    fn an_event_that_was_acknowledged_and_led_to_no_call_fails_the_run() {
        let (sending, _) = sent(200);
        assert!(called(&sending, &HashMap::new()).is_err());
    }
}
