//! How soon a worker goes at full speed that finds a backlog when it starts.
//!
//! Full speed is plain to define where work has an end: the calls are counted in tenths of a second
//! from the start of the process. The usual tenth is the median of all in which it called, and full
//! speed is reached at the end of the first tenth with nine tenths of the usual number.

use std::time::{Duration, Instant};

use afterrun_core::{Clock, Store};
use anyhow::{Context as _, anyhow};

use crate::estate::Estate;
use crate::figures::median;
use crate::goal::{Goal, Unit};
use crate::ground::{Configuration, Ground};
use crate::machine::Outside;
use crate::report::Figure;
use crate::tool::Tool;
use crate::worker::PER_EVENT;
use crate::{served, turns, worker};

/// Events that wait.
const EVENTS: usize = 200;
/// What calls are counted in.
const TENTH: Duration = Duration::from_millis(100);

pub(crate) async fn measure(ground: Ground<'_>) -> anyhow::Result<Figure> {
    let what = "backlog of 2,000 refreshes: at full speed after the start of the worker within";
    let rounds = turns::alone(what, ground.args.rounds(), async || take(ground).await).await?;
    let counted = rounds.counted();
    Ok(Figure::of(what, Unit::Seconds, &counted, |took| *took).goal(Goal::AtMost(1.0)))
}

async fn take(ground: Ground<'_>) -> anyhow::Result<(f64, f64)> {
    let Ground { database, .. } = ground;
    let since = database.reset().await?;
    let tool = Tool::start(Duration::ZERO, database.now().await?)?;
    let estate = Estate::new(EVENTS, PER_EVENT);
    let configuration = Configuration::whole(&estate, &tool)?;
    worker::arrive(&Store::new(database.pool.clone(), Clock::Database), EVENTS).await?;
    database.settle().await?;
    let watch = Outside::watch();
    let service = ground.start("worker", &configuration)?;
    let done = database.until_done().await;
    done.with_context(|| format!("the worker said: {}", service.last_words()))?;
    let outside = watch.share();
    let started = service.started;
    service.stop().await?;
    served::check(database, since, &tool.runs()).await?;
    let took = full_speed(started, &tool.calls()).ok_or_else(|| anyhow!("nothing was called"))?;
    Ok((took.as_secs_f64(), outside))
}

fn full_speed(started: Instant, calls: &[Instant]) -> Option<Duration> {
    let mut tenths = Vec::<f64>::new();
    for call in calls {
        let tenth =
            (call.saturating_duration_since(started).as_nanos() / TENTH.as_nanos()) as usize;
        if tenths.len() <= tenth {
            tenths.resize(tenth + 1, 0.0);
        }
        tenths[tenth] += 1.0;
    }
    let busy: Vec<f64> = tenths.iter().copied().filter(|calls| *calls > 0.0).collect();
    let full = 0.9 * median(&busy);
    let first = tenths.iter().position(|calls| *calls > 0.0 && *calls >= full)?;
    Some(TENTH * u32::try_from(first + 1).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(started: Instant, in_tenths: &[u32]) -> Vec<Instant> {
        let tenths = in_tenths.iter().zip(0..);
        let calls = tenths.flat_map(|(calls, tenth)| (0..*calls).map(move |_| tenth));
        calls.map(|tenth| started + TENTH * tenth + TENTH / 2).collect()
    }

    #[test]
    fn full_speed_is_reached_with_the_first_tenth_that_comes_near_the_usual_one() {
        let started = Instant::now();
        let soon = calls(started, &[0, 95, 100, 100, 100, 30]);
        assert_eq!(full_speed(started, &soon), Some(TENTH * 2));
        let late = calls(started, &[0, 10, 0, 50, 92, 100, 100, 100, 100, 30]);
        assert_eq!(full_speed(started, &late), Some(TENTH * 5));
    }

    #[test]
    fn where_nothing_is_called_nothing_is_reached() {
        assert_eq!(full_speed(Instant::now(), &[]), None);
    }
}
