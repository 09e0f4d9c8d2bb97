//! The last day in numbers, by the hour, and what waits now.

use actix_web::HttpResponse;
use actix_web::web::Data;
use afterrun_core::history::{Hour, Numbers, Overview};
use chrono::{DateTime, TimeDelta, Utc};
use maud::{Markup, html};

use super::chart::{Bar, Chart};
use super::layout::{self, Section};
use super::problem::NoPage;
use super::when::{self, Long};
use super::{mark, notices};
use crate::Console;
use crate::access::Who;

pub(super) async fn show(console: Data<Console>, who: Who) -> Result<HttpResponse, NoPage> {
    let (now, overview, channels) = console
        .ask(async |store| {
            Ok((store.time().await?, store.overview().await?, store.channels().await?))
        })
        .await?;
    let content = html! {
        (notices::untold(&channels))
        (total(&overview, now))
        (waiting(&overview, now))
        (charts(&overview.hours))
        details {
            summary { "The same as a table" }
            (table(&overview.hours))
        }
    };
    Ok(layout::page(&who, Section::Overview, "The last 24 hours", &content))
}

fn total(overview: &Overview, now: DateTime<Utc>) -> Markup {
    let total = &overview.total;
    html! {
        section.facts data-live #total aria-label="Numbers of the last 24 hours" {
            dl {
                dt { "Counted" } dd { "this hour and the 23 before it" }
                dt { "Events received" } dd { (total.events) }
                dt { "Refreshes" }
                dd {
                    (total.succeeded) " " (mark::good("succeeded")) "· "
                    (total.failed) " " (mark::bad("failed")) "· "
                    (total.skipped) " skipped · " (total.cancelled) " cancelled"
                }
                dt { "Success rate" } dd { (percent(total.success_rate)) }
                dt { "From run end to confirmed" }
                dd {
                    @if let (Some(p50), Some(p95)) = (total.p50_seconds, total.p95_seconds) {
                        "half within " (seconds(p50)) ", 19 in 20 within " (seconds(p95))
                    } @else { span.none { "no refresh was confirmed" } }
                }
                @if let Some(since) = overview.counted_since {
                    dt { "Counted" } dd { "since " (when::ago(since, now)) "; there was more before" }
                }
            }
        }
    }
}

fn waiting(overview: &Overview, now: DateTime<Utc>) -> Markup {
    let unplanned = &overview.unplanned;
    html! {
        section aria-labelledby="waiting-heading" data-live #waiting {
            h2 #waiting-heading { "What waits or is under way now" }
            div.scroll {
                table {
                    caption.hidden { "Open work by its state" }
                    thead { tr {
                        th scope="col" { "What" }
                        th.number scope="col" { "How many" }
                        th scope="col" { "The oldest" }
                    } }
                    tbody {
                        @if unplanned.count > 0 {
                            tr {
                                th scope="row" { "events that are not planned yet" }
                                td.number { (unplanned.count) }
                                td { (when::maybe(unplanned.oldest, now)) }
                            }
                        }
                        @if unplanned.ask_dbt > 0 {
                            tr {
                                th scope="row" { "events that wait for what dbt says of their run" }
                                td.number { (unplanned.ask_dbt) } td {}
                            }
                        }
                        @for open in &overview.open {
                            tr {
                                th scope="row" {
                                    a href={ "/refreshes?state=" (open.state.as_str()) } { (mark::refresh(open.state)) }
                                }
                                td.number { (open.count) }
                                td { (when::ago(open.oldest, now)) }
                            }
                        }
                        @if overview.open.is_empty() && unplanned.count + unplanned.ask_dbt == 0 {
                            tr { td.empty colspan="3" { "Nothing waits." } }
                        }
                    }
                }
            }
        }
    }
}

fn charts(hours: &[Hour]) -> Markup {
    let events = |hour: &Hour| Bar {
        pieces: vec![(hour.numbers.events, "lag")],
        said: format!("{}: {} events", span(hour), hour.numbers.events),
    };
    let refreshes = |hour: &Hour| {
        let Numbers { succeeded, failed, skipped, cancelled, .. } = hour.numbers;
        Bar {
            pieces: vec![(succeeded, "good"), (skipped + cancelled, "held"), (failed, "bad")],
            said: format!(
                "{}: {succeeded} succeeded, {failed} failed, {skipped} skipped, {cancelled} cancelled",
                span(hour)
            ),
        }
    };
    html! {
        (drawn("confirmed", "From run end to confirmed refresh: half within, 19 in 20 within",
            hours.iter().map(confirmed).collect(), when::millis))
        (drawn("rate", "Success rate of the refreshes that succeeded or failed",
            hours.iter().map(rate).collect(), |most| format!("{} %", most / 10)))
        (drawn("ended", "Refreshes that ended in each hour: succeeded, skipped or cancelled, failed",
            hours.iter().map(refreshes).collect(), |most| most.to_string()))
        (drawn("events", "Events received in each hour", hours.iter().map(events).collect(), |most| most.to_string()))
    }
}

/// How long refreshes took to be confirmed: half of them up to the lower piece.
fn confirmed(hour: &Hour) -> Bar {
    let millis = |took: Option<f64>| took.map_or(0, |seconds| (seconds * 1e3) as i64);
    let (half, most) = (millis(hour.numbers.p50_seconds), millis(hour.numbers.p95_seconds));
    Bar {
        pieces: vec![(half, "lag"), (most - half, "rest")],
        said: format!(
            "{}: half within {}, 19 in 20 within {}",
            span(hour),
            when::millis(half),
            when::millis(most)
        ),
    }
}

/// In thousandths; an hour in which nothing succeeded or failed has no rate, and no bar.
fn rate(hour: &Hour) -> Bar {
    let Numbers { succeeded, failed, success_rate, .. } = hour.numbers;
    let said = format!("{}: {succeeded} of {} succeeded", span(hour), succeeded + failed);
    let pieces = success_rate.map_or_else(Vec::new, |rate| {
        let well = thousandths(rate);
        vec![(well, "good"), (1000 - well, "bad")]
    });
    Bar { pieces, said }
}

fn drawn(id: &str, title: &str, bars: Vec<Bar>, unit: impl Fn(i64) -> String) -> Markup {
    let sums = bars.iter().map(|bar| bar.pieces.iter().map(|(value, _)| value).sum::<i64>());
    let most = unit(sums.max().unwrap_or(0));
    let chart = Chart {
        id,
        title,
        description: &format!("The highest bar is {most}. The table below has the same numbers."),
        bars,
        ends: ("24 hours ago", "now"),
        most: most.clone(),
    };
    html! {
        section data-live id={ (id) "-section" } aria-label=(title) {
            h2 { (title) }
            (chart.draw())
        }
    }
}

fn table(hours: &[Hour]) -> Markup {
    html! {
        div.scroll {
            table {
                caption { "By the hour, in UTC, newest first" }
                thead { tr {
                    th scope="col" { "Hour" }
                    @for column in ["Events", "Succeeded", "Failed", "Skipped", "Cancelled", "Success rate", "Half within", "19 in 20 within"] {
                        th.number scope="col" { (column) }
                    }
                } }
                tbody {
                    @for hour in hours.iter().rev() {
                        @let numbers = &hour.numbers;
                        tr {
                            th scope="row" { (span(hour)) }
                            @for count in [numbers.events, numbers.succeeded, numbers.failed, numbers.skipped, numbers.cancelled] {
                                td.number { (count) }
                            }
                            td.number { @if let Some(rate) = numbers.success_rate { (share(rate)) } @else { "–" } }
                            @for took in [numbers.p50_seconds, numbers.p95_seconds] {
                                td.number { @if let Some(took) = took { (seconds(took)) } @else { "–" } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn span(hour: &Hour) -> String {
    let end = hour.at + TimeDelta::hours(1);
    format!("{}–{}", hour.at.format("%d %b %H:%M"), end.format("%H:%M"))
}

fn percent(rate: Option<f64>) -> Markup {
    html! {
        @if let Some(rate) = rate { (share(rate)) }
        @else { span.none { "nothing succeeded or failed" } }
    }
}

fn share(rate: f64) -> String {
    let well = thousandths(rate);
    format!("{}.{} %", well / 10, well % 10)
}

/// Cut and not rounded: 100 % are said, and drawn, only of all.
fn thousandths(rate: f64) -> i64 {
    // A share such as 0.57 may lie just below itself.
    (rate * 1e3 + 1e-6).floor() as i64
}

fn seconds(seconds: f64) -> String {
    if seconds < 60.0 {
        when::millis((seconds * 1e3) as i64)
    } else {
        Long(seconds as i64).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_percent_are_said_only_of_all() {
        for (rate, said) in [(1.0, "100.0 %"), (0.9999, "99.9 %"), (0.57, "57.0 %"), (0.0, "0.0 %")]
        {
            assert_eq!(share(rate), said);
        }
    }
}
