//! What is so: a thing begins, or happens again.

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
    /// When it happened first, as far as it is told here.
    pub(crate) since: DateTime<Utc>,
    /// When it happened last. What is no newer than what is known is known.
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
            occurrences, repeat_after, run_source, run_id, due_at, tries_since, watched_at, key
        )
        select
            thing.channel, thing.kind, thing.subject,
            (case when thing.once then 'once' else 'open' end)::notice_state, thing.title, thing.detail, thing.url,
            thing.since, thing.at, case when thing.once then thing.at end, thing.occurrences,
            thing.repeat_after, thing.run_source, thing.run_id,
            greatest(coalesce($1, now()) + thing.wait, before.told_at + thing.repeat_after),
            coalesce($1, now()), coalesce($1, now()),
            -- Nobody else's: several databases may tell one channel.
            thing.kind || '/' || thing.subject || '/' || gen_random_uuid()
        from unnest(
            $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
            $8::timestamptz[], $9::integer[], $10::interval[], $11::boolean[], $13::boolean[],
            $14::text[], $15::text[], $16::interval[], $17::timestamptz[]
        ) as thing (
            channel, kind, subject, title, detail, url, at, occurrences, repeat_after, repeats, once,
            run_source, run_id, wait, since
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
        order by thing.kind, thing.subject, thing.channel
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
            watched_at = excluded.watched_at,
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
        &column(things, |thing| thing.since),
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
