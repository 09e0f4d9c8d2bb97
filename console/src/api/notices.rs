//! What people were told, what they are to be told, and the channels by which they are.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use afterrun_core::history::{
    ConfiguredChannel, Delivery, NoticeDetail, NoticeFilter, NoticeRow, NoticeState,
};
use afterrun_core::operator::Again;
use serde::Serialize;

use super::document::{Length, Limit};
use super::estate;
use super::page;
use super::page::Page;
use super::params::Params;
use crate::Console;
use crate::access::Who;
use crate::problem::Problem;

const STATES: &[(&str, NoticeState)] = &[
    ("open", NoticeState::Open),
    ("resolved", NoticeState::Resolved),
    ("once", NoticeState::Once),
];

const DELIVERIES: &[(&str, Delivery)] = &[
    ("waiting", Delivery::Waiting),
    ("told", Delivery::Told),
    ("not_told", Delivery::NotTold),
    ("failed", Delivery::Failed),
];

/// Newest first.
#[utoipa::path(
    get,
    path = "/api/v1/notices",
    operation_id = "list_notices",
    tag = "notices",
    params(
        ("since" = inline(Option<Length>), Query, description = "Happened last no longer ago than this, or lasts still"),
        ("state" = Option<Vec<NoticeState>>, Query, explode = false, description = "Of things in one of these states"),
        ("delivery" = Option<Vec<Delivery>>, Query, explode = false, description = "Of which the channel knows so much"),
        ("channel" = Option<String>, Query, description = "For this channel"),
        ("kind" = Option<String>, Query, description = "What an alert is `on`, or `run` for what a route tells, `test`"),
        ("subject" = Option<String>, Query, description = "About this target, source or connection; of a dbt job, `source/job`"),
        ("limit" = inline(Option<Limit>), Query, description = "Rows of a page; 50 if not said"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, description = "OK", body = Page<NoticeRow>)),
)]
pub(super) async fn list(
    request: HttpRequest,
    console: Data<Console>,
) -> Result<HttpResponse, Problem> {
    let mut params = Params::of(&request);
    let limit = params.limit()?;
    let filter = NoticeFilter {
        since: params.duration("since")?,
        states: params.any_of("state", STATES)?,
        deliveries: params.any_of("delivery", DELIVERIES)?,
        channel: params.text("channel")?,
        kind: params.text("kind")?,
        subject: params.text("subject")?,
        after: page::from(params.text("cursor")?)?,
    };
    params.end()?;
    let rows = console.ask(async move |store| store.notices(&filter, limit + 1).await).await?;
    Ok(page::answer(&request, rows, limit, |row| row.notice_id))
}

/// One with each try to tell it.
#[utoipa::path(
    get,
    path = "/api/v1/notices/{notice_id}",
    operation_id = "show_notice",
    tag = "notices",
    params(
        ("notice_id" = i64, Path, description = "Its number"),
    ),
    responses((status = 200, description = "OK", body = NoticeDetail)),
)]
pub(super) async fn show(
    request: HttpRequest,
    console: Data<Console>,
    notice_id: Path<String>,
) -> Result<HttpResponse, Problem> {
    Params::of(&request).end()?;
    let id = number(&notice_id)?;
    let found = console.ask(async move |store| store.notice(id).await).await?;
    Ok(HttpResponse::Ok().json(found.ok_or_else(nothing)?))
}

/// A notice that its channel is told.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ToldAgain {
    notice_id: i64,
    /// Whether it had been given up; otherwise it waited, and its turn is now.
    was_given_up: bool,
}

/// Tells its channel once more, now, what it could not be told.
#[utoipa::path(
    post,
    path = "/api/v1/notices/{notice_id}/retry",
    operation_id = "retry_notice",
    tag = "notices",
    params(
        ("notice_id" = i64, Path, description = "Its number"),
    ),
    responses((status = 200, description = "OK", body = ToldAgain)),
)]
pub(super) async fn retry(
    request: HttpRequest,
    console: Data<Console>,
    who: Who,
    notice_id: Path<String>,
) -> Result<HttpResponse, Problem> {
    Params::of(&request).end()?;
    let id = number(&notice_id)?;
    let again = console.act(&who, async move |store, _| store.retry_notice(id).await).await?;
    Ok(HttpResponse::Ok().json(ToldAgain { notice_id: id, was_given_up: again == Again::Anew }))
}

/// By name: those of the configuration, and those that were told something under an earlier one.
#[utoipa::path(
    get,
    path = "/api/v1/channels",
    operation_id = "list_channels",
    tag = "notices",
    params(
        ("limit" = inline(Option<Limit>), Query, description = "Rows of a page; 50 if not said"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, description = "OK", body = Page<ConfiguredChannel>)),
)]
pub(super) async fn channels(
    request: HttpRequest,
    console: Data<Console>,
) -> Result<HttpResponse, Problem> {
    let config = console.config();
    let rows = console.ask(async move |store| store.configured_channels(&config).await);
    estate::by_name(&request, rows, |row| row.row.channel.clone()).await
}

/// A channel that is sent a test next.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ChannelTested {
    name: String,
    /// What comes of it is told there, by `delivery` and `attempt_history`.
    notice_id: i64,
    notice_url: String,
}

/// Lets a worker send a message that says it is a test. What comes of it stands with its notice in a
/// moment.
#[utoipa::path(
    post,
    path = "/api/v1/channels/{name}/test",
    operation_id = "test_channel",
    tag = "notices",
    params(
        ("name" = String, Path, description = "Its name in the configuration", example = "data-slack"),
    ),
    responses((status = 202, description = "It is to be sent", body = ChannelTested)),
)]
pub(super) async fn test(
    request: HttpRequest,
    console: Data<Console>,
    who: Who,
    name: Path<String>,
) -> Result<HttpResponse, Problem> {
    Params::of(&request).end()?;
    let name = estate::known(name.into_inner())?;
    if !console.config().channels.contains_key(&name) {
        return Err(Problem::not_found("there is no such name in the configuration"));
    }
    let channel = name.clone();
    let notice_id =
        console.act(&who, async move |store, _| store.test_channel(&channel).await).await?;
    let notice_url = format!("/api/v1/notices/{notice_id}");
    Ok(HttpResponse::Accepted().json(ChannelTested { name, notice_id, notice_url }))
}

fn number(text: &str) -> Result<i64, Problem> {
    text.parse().map_err(|_| nothing())
}

fn nothing() -> Problem {
    Problem::not_found("there is no such notice")
}
