//! Both sides in turns, so that whatever changes on the machine meanwhile changes for both.

use crate::figures::{Round, Series, Side};

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
        for series in all.iter_mut().filter(|series| series.needs_more(wanted)) {
            let (what, clients) = (series.what, series.clients);
            eprintln!("{what}, {clients} clients, round {round}");
            let (ours, theirs);
            if theirs_first {
                theirs = measure(Whose::Theirs, clients).await?;
                ours = measure(Whose::Ours, clients).await?;
            } else {
                ours = measure(Whose::Ours, clients).await?;
                theirs = measure(Whose::Theirs, clients).await?;
            }
            let outside = ours.1.max(theirs.1);
            series.rounds.push(Round { ours: ours.0, theirs: theirs.0, outside });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn both_sides_come_first_in_turns_and_disturbed_rounds_are_measured_again() {
        let mut all = [Series::new("it", 7)];
        let mut turns = Vec::new();
        let measure = async |whose, clients| {
            turns.push(whose);
            let outside = if turns.len() == 1 { 0.9 } else { 0.0 };
            Ok((Side::new(clients as f64, &[]), outside))
        };
        take(2, &mut all, measure).await.unwrap();
        let (ours, theirs) = (Whose::Ours, Whose::Theirs);
        assert_eq!(turns, [theirs, ours, ours, theirs, theirs, ours]);
        assert_eq!(all[0].rounds.len(), 3);
        assert_eq!(all[0].counted().rounds.len(), 2);
    }
}
