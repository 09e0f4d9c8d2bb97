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
        for series in all.iter_mut().filter(|series| series.rounds.needs_more(wanted)) {
            let clients = series.clients;
            eprintln!("{}, {clients} clients, round {round}", series.what);
            let (pair, outside) = both(round, async |whose| measure(whose, clients).await).await?;
            series.rounds.push(pair, outside);
        }
    }
    Ok(())
}

/// The same of a measurement that gives more than a rate.
pub(crate) async fn pairs<T>(
    what: &str,
    wanted: usize,
    mut measure: impl AsyncFnMut(Whose) -> anyhow::Result<(T, f64)>,
) -> anyhow::Result<Rounds<Pair<T>>> {
    rounds(what, wanted, async |round| both(round, &mut measure).await).await
}

/// The same of a measurement that has nothing beside it.
pub(crate) async fn alone<T>(
    what: &str,
    wanted: usize,
    mut measure: impl AsyncFnMut() -> anyhow::Result<(T, f64)>,
) -> anyhow::Result<Rounds<T>> {
    rounds(what, wanted, async |_round| measure().await).await
}

async fn rounds<T>(
    what: &str,
    wanted: usize,
    mut measure: impl AsyncFnMut(usize) -> anyhow::Result<(T, f64)>,
) -> anyhow::Result<Rounds<T>> {
    let mut rounds = Rounds::default();
    let mut round = 0;
    while rounds.needs_more(wanted) {
        round += 1;
        eprintln!("{what}, round {round}");
        let (measured, outside) = measure(round).await?;
        rounds.push(measured, outside);
    }
    Ok(rounds)
}

/// One after the other, of which neither always comes first.
async fn both<T>(
    round: usize,
    mut measure: impl AsyncFnMut(Whose) -> anyhow::Result<(T, f64)>,
) -> anyhow::Result<(Pair<T>, f64)> {
    let (ours, theirs);
    if round.is_multiple_of(2) {
        ours = measure(Whose::Ours).await?;
        theirs = measure(Whose::Theirs).await?;
    } else {
        theirs = measure(Whose::Theirs).await?;
        ours = measure(Whose::Ours).await?;
    }
    Ok((Pair { ours: ours.0, theirs: theirs.0 }, ours.1.max(theirs.1)))
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
