//! Both sides in turns, so that whatever changes on the machine meanwhile changes for both.

use crate::figures::{Pair, Rounds, Side};
use crate::report::Series;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    Ours,
    Theirs,
}

/// Measures until each series has as many quiet rounds as wanted, or twice as many in all. The
/// measurement gets whose turn it is and with how many clients, and gives what was done, and what
/// others took of the processors meanwhile.
pub(crate) async fn take(
    wanted: usize,
    all: &mut [Series],
    mut measure: impl AsyncFnMut(Whose, usize) -> anyhow::Result<(Side, f64)>,
) -> anyhow::Result<()> {
    for round in 1..=2 * wanted {
        // Neither side always comes first.
        let theirs_first = round % 2 == 1;
        for series in all.iter_mut().filter(|series| series.rounds.needs_more(wanted)) {
            eprintln!("{}, {} clients, round {round}", series.what, series.clients);
            let (ours, theirs);
            if theirs_first {
                theirs = measure(Whose::Theirs, series.clients).await?;
                ours = measure(Whose::Ours, series.clients).await?;
            } else {
                ours = measure(Whose::Ours, series.clients).await?;
                theirs = measure(Whose::Theirs, series.clients).await?;
            }
            let outside = ours.1.max(theirs.1);
            series.rounds.push(Pair { ours: ours.0, theirs: theirs.0 }, outside);
        }
    }
    Ok(())
}

/// The same of a measurement that has nothing beside it.
pub(crate) async fn alone<T>(
    what: &str,
    wanted: usize,
    mut measure: impl AsyncFnMut() -> anyhow::Result<(T, f64)>,
) -> anyhow::Result<Rounds<T>> {
    let mut rounds = Rounds::default();
    let mut round = 0;
    while rounds.needs_more(wanted) {
        round += 1;
        eprintln!("{what}, round {round}");
        let (measured, outside) = measure().await?;
        rounds.push(measured, outside);
    }
    Ok(rounds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn both_sides_come_first_in_turns_and_disturbed_rounds_are_measured_again() {
        let mut all = [Series::new("it", 7, "the other")];
        let mut turns = Vec::new();
        let measure = async |whose, clients| {
            turns.push(whose);
            let outside = if turns.len() == 1 { 0.9 } else { 0.0 };
            Ok((Side::new(clients as f64, &[]), outside))
        };
        take(2, &mut all, measure).await.unwrap();
        let (ours, theirs) = (Whose::Ours, Whose::Theirs);
        assert_eq!(turns, [theirs, ours, ours, theirs, theirs, ours]);
        assert_eq!(all[0].rounds.counted().columns(), ["2 of 3", "0 %"]);
    }

    #[tokio::test]
    async fn what_stands_alone_is_measured_until_enough_rounds_were_quiet() {
        let mut outside = [0.9, 0.0, 0.0, 0.0].into_iter();
        let measure = async || Ok(((), outside.next().unwrap()));
        let rounds = alone("it", 2, measure).await.unwrap();
        assert_eq!(rounds.counted().columns(), ["2 of 3", "0 %"]);
    }
}
