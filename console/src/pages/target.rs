//! One target: how fresh it is, what is done for it, and how its lag rose and fell.

use std::time::Duration;

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use afterrun_core::history::{BecameFresh, Run, TargetDetail};
use chrono::{DateTime, TimeDelta, Utc};
use maud::{Markup, html};

use super::asked::{self, Asked};
use super::chart::{self, Bar, Chart, Tooth};
use super::layout::{self, Section};
use super::problem::NoPage;
use super::when::{self, Long};
use super::{freshness, link, mark, notice, refreshes, text};
use crate::Console;
use crate::access::Who;

/// How far back a chart of the lag goes, and how many bars it has.
const REACHES: [(&str, u64, i32, &str); 3] = [
    ("24h", 24 * 60 * 60, 96, "24 hours ago"),
    ("7d", 7 * 24 * 60 * 60, 84, "7 days ago"),
    ("30d", 30 * 24 * 60 * 60, 90, "30 days ago"),
];

pub(super) async fn show(
    request: HttpRequest,
    name: Path<String>,
    console: Data<Console>,
    who: Who,
) -> Result<HttpResponse, NoPage> {
    let asked = Asked::of(request.query_string().as_bytes())?;
    let name = asked::plain(&name)?.to_owned();
    let word = asked.one("over")?.unwrap_or("24h");
    let reach = REACHES.iter().find(|(known, ..)| *known == word);
    let Some(reach) = reach else {
        return Err(NoPage::wrong("`over` is one of 24h, 7d, 30d"));
    };
    let over = Duration::from_secs(reach.1);
    let found = console
        .ask(async move |store| Ok((store.time().await?, store.target(&name, over).await?)))
        .await?;
    let (now, Some(detail)) = found else {
        return Err(NoPage::missing("No target of this name is configured."));
    };
    let content = html! {
        (notice::shown(&asked)?)
        (facts(&detail, now))
        @if who.may_change() { (actions(&detail)) }
        (lag(&detail, now, *reach))
        section aria-labelledby="refreshes-title" data-live #refreshes {
            h2 #refreshes-title { "Newest refreshes" }
            (refreshes::table(&detail.refreshes, now, false))
        }
    };
    Ok(layout::page(&who, Section::Freshness, &text::short(&detail.target.target), &content))
}

fn facts(detail: &TargetDetail, now: DateTime<Utc>) -> Markup {
    let row = &detail.target;
    html! {
        section.facts data-live #facts aria-label="How fresh it is" {
            dl {
                dt { "Name" } dd { code { (text::name(&row.target)) } (text::copy("name of the target", &row.target)) }
                dt { "State" } dd { (mark::target(row.state)) " " (freshness::stale_since(row, now)) }
                dt { "Shows runs until" }
                dd { (known(row.fresh_as_of, now)) }
                dt { "Should show" }
                dd { (known(row.last_run_finished_at, now))
                    @if let Some(run) = &detail.newest_run { " " (told(run)) } }
                dt { "Last success" } dd { (known(row.last_success_at, now)) }
                dt { "Connection" } dd { (text::name(&row.connection)) " · " (row.connector) }
                @let going_on = freshness::going_on(row, now);
                @if !going_on.0.is_empty() { dt { "What is going on" } dd { (going_on) } }
            }
        }
    }
}

fn actions(detail: &TargetDetail) -> Markup {
    let row = &detail.target;
    let at = link::target(&row.target);
    html! {
        div.actions {
            @if !detail.refreshes.is_empty() {
                form method="post" action={ (at) "/retry" } { button.main type="submit" { "Refresh again" } }
            }
            form method="post" action={ (at) @if row.paused { "/resume" } @else { "/pause" } } {
                button type="submit" { @if row.paused { "Resume" } @else { "Pause" } }
            }
            a href={ "/refreshes?target=" (row.target) } { "All its refreshes" }
        }
    }
}

fn known(at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Markup {
    html! { @if let Some(at) = at { (when::both(at, now)) } @else { span.none { "never" } } }
}

/// The event that told of a run.
fn told(run: &Run) -> Markup {
    html! {
        span.sub {
            @if let Some(job) = run.job_name.as_ref().or(run.job_id.as_ref()) { "job " (text::name(job)) ", " }
            @if let Some(run) = &run.run_id { "run " (text::name(run)) ", " }
            "event " a href=(link::event(&run.source, &run.event_id)) { (text::name(&run.event_id)) }
        }
    }
}

fn lag(
    detail: &TargetDetail,
    now: DateTime<Utc>,
    (word, seconds, parts, ago): (&str, u64, i32, &str),
) -> Markup {
    let tooth = |fresh: &BecameFresh| Tooth { since: fresh.stale_since, until: fresh.at };
    let mut teeth: Vec<_> = detail.lag.iter().map(tooth).collect();
    teeth.extend(detail.target.stale_since.map(|since| Tooth { since, until: now }));
    let values = chart::highest(&teeth, now, Duration::from_secs(seconds), parts);
    let most = values.iter().copied().max().unwrap_or(0);
    let part = TimeDelta::seconds(seconds as i64) / parts;
    let bars = values.iter().enumerate().map(|(place, value)| {
        let from = now - part * (parts - place as i32);
        let said = format!("from {}: at most {}", from.format("%d %b %H:%M UTC"), Long(*value));
        Bar { pieces: vec![(*value, "lag")], said }
    });
    let drawn = Chart {
        id: "lag",
        title: "Lag over time",
        description: &if most == 0 {
            "It showed every run at once.".to_owned()
        } else {
            format!("The highest lag was {}. The table below has the same numbers.", Long(most))
        },
        bars: bars.collect(),
        ends: (ago, "now"),
        most: Long(most).to_string(),
    };
    html! {
        section aria-labelledby="lag-heading" data-live #lag-section {
            div.head {
                h2 #lag-heading { "Lag over time" }
                ul.choices {
                    @for (known, ..) in REACHES {
                        li { a href={ "?over=" (known) } aria-current=[(known == word).then_some("true")] { (known) } }
                    }
                }
            }
            (drawn.draw())
            details {
                summary { "As a table" }
                (teeth_table(&detail.lag, now))
            }
        }
    }
}

fn teeth_table(lag: &[BecameFresh], now: DateTime<Utc>) -> Markup {
    html! {
        div.scroll {
            table {
                caption { "When it became fresh, newest first" }
                thead { tr {
                    th scope="col" { "Became fresh" } th scope="col" { "Did not show a run since" }
                    th scope="col" { "Lag" } th scope="col" { "Refresh" } th scope="col" { "Run" }
                } }
                tbody {
                    @for fresh in lag.iter().rev() {
                        tr {
                            td { (when::ago(fresh.at, now)) }
                            td { (when::ago(fresh.stale_since, now)) }
                            td { (Long((fresh.at - fresh.stale_since).num_seconds())) }
                            td { a href=(link::refresh(fresh.refresh_id)) { (fresh.refresh_id) } }
                            td { @if let Some(run) = &fresh.run { (told(run)) } }
                        }
                    }
                    @if lag.is_empty() { tr { td.empty colspan="5" { "It did not become fresh within this time." } } }
                }
            }
        }
    }
}
