//! What is so: a thing begins, happens again, or is over.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::attempt::text;
use crate::event::interval;
use crate::store::column;

/// Something that people are to be told of.
#[derive(Debug, Clone)]
pub(crate) struct Thing {
    pub(crate) channel: String,
    pub(crate) kind: &'static str,
    pub(crate) subject: String,
    pub(crate) title: String,
    pub(crate) detail: String,
    pub(crate) url: Option<String>,
    /// When it happened. What is no newer than what is known is known.
    pub(crate) at: DateTime<Utc>,
    pub(crate) occurrences: i32,
    /// The channel is told of it no more often.
    pub(crate) window: Duration,
    /// It can happen again while it is open, and not only go on.
    pub(crate) repeats: bool,
    /// It has no end.
    pub(crate) once: bool,
    /// The dbt run, by its source and its id, of which it tells.
    pub(crate) run: Option<(String, String)>,
    /// So long it waits for more to be known of it.
    pub(crate) wait: Duration,
}

/// Longer ones would be of no use to anybody who reads them.
const LONGEST_TITLE: usize = 1000;

/// Opens what is not open, and counts what happened again. Of a thing that was told of lately, and
/// was well in between, the channel is told once its window is over.
pub(crate) async fn raise(
    connection: &mut PgConnection,
    things: &[Thing],
    now: Option<DateTime<Utc>>,
) -> Result<(), sqlx::Error> {
    if things.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        r#"
        insert into notice (
            channel, kind, subject, state, title, detail, url, opened_at, last_at, resolved_at,
            occurrences, repeat_after, run_source, run_id, due_at, tries_since
        )
        select
            thing.channel, thing.kind, thing.subject,
            (case when thing.once then 'once' else 'open' end)::notice_state, thing.title, thing.detail, thing.url,
            thing.at, thing.at, case when thing.once then thing.at end, thing.occurrences,
            thing.repeat_after, thing.run_source, thing.run_id,
            greatest(coalesce($1, now()) + thing.wait, before.told_at + thing.repeat_after),
            coalesce($1, now())
        from unnest(
            $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
            $8::timestamptz[], $9::integer[], $10::interval[], $11::boolean[], $13::boolean[],
            $14::text[], $15::text[], $16::interval[]
        ) as thing (
            channel, kind, subject, title, detail, url, at, occurrences, repeat_after, repeats, once,
            run_source, run_id, wait
        )
        left join lateral (
            select
                max(last_at) as last_at, max(told_at) as told_at,
                coalesce(bool_or(run_id = thing.run_id), false) as knows_run
            from (
                select last_at, told_at, run_id from notice
                where notice.channel = thing.channel and notice.kind = thing.kind
                    and notice.subject = thing.subject
                order by id desc
                limit 20
            ) as lately
        ) as before on true
        where (not thing.repeats or before.last_at is null or before.last_at < thing.at)
            -- A failed run sends two events.
            and not before.knows_run
        order by thing.channel, thing.kind, thing.subject
        on conflict (channel, kind, subject) where state = 'open' do update
        set
            occurrences = notice.occurrences + excluded.occurrences,
            last_at = excluded.last_at,
            title = excluded.title,
            detail = excluded.detail,
            url = excluded.url,
            repeat_after = excluded.repeat_after,
            run_source = excluded.run_source,
            run_id = excluded.run_id,
            due_at = coalesce(notice.due_at, excluded.due_at),
            tries_since = case
                when notice.due_at is null
                then greatest(coalesce($1, now()), notice.told_at + excluded.repeat_after)
                else notice.tries_since
            end,
            attempts = case when notice.due_at is null then 0 else notice.attempts end,
            gave_up_at = null
        where notice.last_at < excluded.last_at
            and excluded.kind = any ($12)
            and (excluded.run_id is null or notice.run_id is distinct from excluded.run_id)
        "#,
        now,
        &column(things, |thing| thing.channel.clone()),
        &column(things, |thing| thing.kind.to_owned()),
        &column(things, |thing| text(&thing.subject)),
        &column(things, |thing| cut(&thing.title)),
        &column(things, |thing| text(&thing.detail)),
        &column(things, |thing| thing.url.as_deref().map(text)) as _,
        &column(things, |thing| thing.at),
        &column(things, |thing| thing.occurrences),
        &column(things, |thing| interval(thing.window)) as _,
        &column(things, |thing| thing.repeats),
        &repeating(things),
        &column(things, |thing| thing.once),
        &column(things, |thing| thing.run.as_ref().map(|(source, _)| source.clone())) as _,
        &column(things, |thing| thing.run.as_ref().map(|(_, run)| text(run))) as _,
        &column(things, |thing| interval(thing.wait)) as _,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Ends what is open of this kind, but for these subjects. What the channel was never told of ends
/// without a word.
pub(crate) async fn resolve_all_but(
    connection: &mut PgConnection,
    kind: &str,
    subjects: &[String],
    now: Option<DateTime<Utc>>,
) -> Result<(), sqlx::Error> {
    resolve(connection, kind, subjects, true, now).await
}

/// Ends what is open of this kind for these subjects.
pub(crate) async fn resolve_these(
    connection: &mut PgConnection,
    kind: &str,
    subjects: &[String],
    now: Option<DateTime<Utc>>,
) -> Result<(), sqlx::Error> {
    resolve(connection, kind, subjects, false, now).await
}

/// Ends the failure of a dbt job that has succeeded since; gives the channels that are told so.
pub(crate) async fn run_ended_well(
    connection: &mut PgConnection,
    subject: &str,
    at: DateTime<Utc>,
    now: Option<DateTime<Utc>>,
) -> Result<Vec<String>, sqlx::Error> {
    let ended = sqlx::query!(
        r#"
        update notice
        set
            state = 'resolved',
            resolved_at = greatest($3, last_at),
            due_at = case
                when claim is not null then due_at
                when told is not null or in_doubt then coalesce($4, now())
            end,
            tries_since = coalesce($4, now()),
            attempts = case when claim is null then 0 else attempts end,
            gave_up_at = null
        where state = 'open' and kind = $1 and subject = $2 and last_at <= $3
        returning channel, due_at is not null as "is_told!"
        "#,
        super::RUN,
        subject,
        at,
        now,
    )
    .fetch_all(connection)
    .await?;
    Ok(ended.into_iter().filter(|row| row.is_told).map(|row| row.channel).collect())
}

async fn resolve(
    connection: &mut PgConnection,
    kind: &str,
    subjects: &[String],
    all_but: bool,
    now: Option<DateTime<Utc>>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"
        update notice
        set
            state = 'resolved',
            resolved_at = greatest(coalesce($4, now()), last_at),
            due_at = case
                -- It is being told right now: what came of that decides.
                when claim is not null then due_at
                when told is not null or in_doubt then coalesce($4, now())
            end,
            tries_since = coalesce($4, now()),
            attempts = case when claim is null then 0 else attempts end,
            gave_up_at = null
        where state = 'open' and kind = $1 and (subject = any ($2)) <> $3
        "#,
        kind,
        subjects,
        all_but,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

fn repeating(things: &[Thing]) -> Vec<String> {
    let kinds = things.iter().filter(|thing| thing.repeats).map(|thing| thing.kind.to_owned());
    let mut kinds: Vec<_> = kinds.collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

fn cut(title: &str) -> String {
    let mut title = text(title);
    title.truncate(title.floor_char_boundary(LONGEST_TITLE));
    title
}
