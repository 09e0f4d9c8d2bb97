//! Claiming: one message's worth for each channel that nobody else is telling something.

use chrono::{DateTime, Utc};
use sqlx::{Connection as _, PgConnection};

use super::explain::explain;
use super::{LEASE, MOST_LOST_LEASES, Note, Room, Saying, Telling};
use crate::event::interval;
use crate::pool::Lent;
use crate::store::{bounded, column};
use crate::{Doing as _, Store, StoreError};

const DOING: &str = "look for what people are to be told of";

struct Due {
    channel: String,
    fence: i64,
    id: i64,
    /// It goes by itself.
    alone: bool,
    claimed_at: DateTime<Utc>,
}

impl Store {
    /// A configuration was just read: what a channel did not take may be mended, so each of these that
    /// rests is tried at once. Not before the time for which it asked itself.
    pub async fn wake_channels(&self, channels: &[String]) -> Result<(), StoreError> {
        let woken = self.step("end the rest of channels", async |connection| {
            sqlx::query!(
                r#"
                update notice_channel
                set rests_until = null
                where channel in (
                    select channel from notice_channel
                    where channel = any ($1) and hold in ('outage', 'refused')
                    order by channel
                    for update
                )
                "#,
                channels,
            )
            .execute(connection)
            .await
        });
        woken.await?;
        Ok(())
    }

    /// Leases each of these channels that is to be told something and that no worker tells anything
    /// now. What a worker that vanished was telling may have arrived.
    pub async fn claim_notices(
        &self,
        worker: &str,
        channels: &[Room],
    ) -> Result<Vec<Telling>, StoreError> {
        bounded(DOING, async {
            let mut lent = Lent::from(&self.pool).await.doing(DOING)?;
            let mut transaction = lent.begin().await.doing(DOING)?;
            let now = self.now();
            let free = lease(&mut transaction, worker, channels, now).await.doing(DOING)?;
            let mut tellings = Vec::new();
            if !free.is_empty() {
                note_lost(&mut transaction, &free, now).await.doing(DOING)?;
                let due = due(&mut transaction, &free, channels, now).await.doing(DOING)?;
                let chosen = together(due, channels);
                tellings = claim(&mut transaction, worker, &chosen).await.doing(DOING)?;
                explain(&mut transaction, &mut tellings).await.doing(DOING)?;
                // What was due may have been given up.
                let idle: Vec<_> = free
                    .into_iter()
                    .filter(|channel| tellings.iter().all(|telling| telling.channel != *channel))
                    .collect();
                release(&mut transaction, &idle).await.doing(DOING)?;
            }
            transaction.commit().await.doing(DOING)?;
            lent.give_back();
            Ok(tellings)
        })
        .await
    }
}

/// Takes the channels.
async fn lease(
    connection: &mut PgConnection,
    worker: &str,
    channels: &[Room],
    now: Option<DateTime<Utc>>,
) -> Result<Vec<String>, sqlx::Error> {
    let names = column(channels, |room| room.channel.clone());
    sqlx::query!(
        r#"
        insert into notice_channel (channel)
        select name from unnest($1::text[]) as name
        where exists (
                select from notice where channel = name and due_at <= coalesce($2, now())
            )
            and not exists (select from notice_channel as known where known.channel = name)
        order by name
        on conflict do nothing
        "#,
        &names,
        now,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query_scalar!(
        r#"
        update notice_channel
        set
            worker = $3, claimed_at = coalesce($2, now()), fence = fence + 1,
            lease_until = coalesce($2, now()) + $4::interval
        where channel in (
            select channel from notice_channel
            where channel = any ($1)
                and coalesce(lease_until <= coalesce($2, now()), true)
                and coalesce(rests_until <= coalesce($2, now()), true)
                and exists (
                    select from notice
                    where notice.channel = notice_channel.channel
                        and notice.due_at <= coalesce($2, now())
                        and not exists (
                            select from notice as older
                            where older.channel = notice.channel and older.kind = notice.kind
                                and older.subject = notice.subject and older.id < notice.id
                                and older.due_at is not null
                        )
                )
            for update skip locked
        )
        returning channel
        "#,
        &names,
        now,
        worker,
        interval(LEASE),
    )
    .fetch_all(connection)
    .await
}

/// Whoever had these channels has vanished.
async fn note_lost(
    connection: &mut PgConnection,
    channels: &[String],
    now: Option<DateTime<Utc>>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"
        with lost as (
            select
                id, claim, saying, attempts, in_doubt, state::text <> saying::text as has_ended,
                lost_leases + 1 >= $3 as is_over
            from notice
            where channel = any ($1) and claim is not null
            order by kind, subject, channel, id
            for update
        ),
        noted as (
            insert into notice_attempt (
                notice_id, call, attempt, saying, started_at, finished_at, outcome, error,
                possible_duplicate, together, worker
            )
            select
                id, claim, attempts, saying, coalesce($2, now()), coalesce($2, now()), 'lost',
                'the worker vanished; the message may have arrived', in_doubt, 1, 'unknown'
            from lost
            on conflict do nothing
        )
        update notice
        set
            claim = null, saying = null, in_doubt = true,
            -- Its end is another message, and is owed since this one may have arrived.
            lost_leases = case when has_ended then 0 else notice.lost_leases + 1 end,
            attempts = case when has_ended then 0 else notice.attempts end,
            due_at = case when has_ended or not is_over then notice.due_at end,
            gave_up_at = case when is_over and not has_ended then coalesce($2, now()) end,
            last_error = 'the worker vanished while it told this'
        from lost
        where notice.id = lost.id
        "#,
        channels,
        now,
        MOST_LOST_LEASES,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// What these channels are to be told of, oldest first. Before a thing's end has been told nothing is
/// said of its next time, or the end would be taken for that one's.
async fn due(
    connection: &mut PgConnection,
    channels: &[String],
    rooms: &[Room],
    now: Option<DateTime<Utc>>,
) -> Result<Vec<Due>, sqlx::Error> {
    let most = rooms.iter().map(|room| room.most).max().unwrap_or(1);
    sqlx::query_as!(
        Due,
        r#"
        select
            leased.channel, leased.fence, leased.claimed_at as "claimed_at!", notice.id as "id!",
            -- One message is enough to find out whether a channel is well again.
            notice.alone or coalesce(leased.hold in ('outage', 'refused'), false) as "alone!"
        from notice_channel as leased
        cross join lateral (
            select id, alone, due_at from notice
            where notice.channel = leased.channel and due_at <= coalesce($2, now())
                and not exists (
                    select from notice as older
                    where older.channel = notice.channel and older.kind = notice.kind
                        and older.subject = notice.subject and older.id < notice.id
                        and older.due_at is not null
                )
            order by due_at, id
            limit $3
            -- Whoever has it may be ending it; it is due again in a moment.
            for update skip locked
        ) as notice
        where leased.channel = any ($1)
        order by leased.channel, notice.due_at, notice.id
        "#,
        channels,
        now,
        i64::try_from(most).unwrap_or(i64::MAX),
    )
    .fetch_all(connection)
    .await
}

/// What one message to each channel tells of.
fn together(due: Vec<Due>, rooms: &[Room]) -> Vec<Due> {
    let most = |channel: &str| {
        rooms.iter().find(|room| room.channel == channel).map_or(1, |room| room.most)
    };
    let mut chosen: Vec<Due> = Vec::new();
    for one in due {
        let before: Vec<_> = chosen.iter().filter(|it| it.channel == one.channel).collect();
        let fits = before.len() < most(&one.channel)
            && before.iter().all(|before| !before.alone)
            && (before.is_empty() || !one.alone);
        if fits {
            chosen.push(one);
        }
    }
    chosen
}

async fn claim(
    connection: &mut PgConnection,
    worker: &str,
    chosen: &[Due],
) -> Result<Vec<Telling>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"
        update notice
        set
            claim = chosen.fence, attempts = notice.attempts + 1,
            saying = notice.state::text::notice_saying
        from unnest($1::bigint[], $2::bigint[]) as chosen (id, fence)
        where notice.id = chosen.id
        returning
            notice.id, key, channel, kind, subject, saying as "saying!: Saying", title, detail, url, opened_at,
            last_at, resolved_at, unwatched, occurrences, tellings, attempts, in_doubt
        "#,
        &column(chosen, |due| due.id),
        &column(chosen, |due| due.fence),
    )
    .fetch_all(connection)
    .await?;
    let mut tellings: Vec<Telling> = Vec::new();
    // In the order in which they are due.
    for due in chosen {
        let Some(row) = rows.iter().find(|row| row.id == due.id) else { continue };
        let note = Note {
            id: row.id,
            key: row.key.clone(),
            kind: row.kind.clone(),
            subject: row.subject.clone(),
            saying: row.saying,
            telling: row.tellings,
            title: if row.unwatched {
                format!("No longer watched: {}", row.title)
            } else {
                row.title.clone()
            },
            detail: row.detail.clone(),
            url: row.url.clone(),
            opened_at: row.opened_at,
            last_at: row.last_at,
            resolved_at: row.resolved_at,
            unwatched: row.unwatched,
            occurrences: row.occurrences,
        };
        match tellings.iter_mut().find(|telling| telling.channel == due.channel) {
            Some(telling) => {
                telling.notes.push(note);
                telling.in_doubt |= row.in_doubt;
                telling.attempts = telling.attempts.max(row.attempts);
            }
            None => tellings.push(Telling {
                channel: due.channel.clone(),
                notes: vec![note],
                in_doubt: row.in_doubt,
                attempts: row.attempts,
                fence: due.fence,
                worker: worker.to_owned(),
                claimed_at: due.claimed_at,
            }),
        }
    }
    Ok(tellings)
}

async fn release(connection: &mut PgConnection, channels: &[String]) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"
        update notice_channel set worker = null, lease_until = null, claimed_at = null
        where channel = any ($1)
        "#,
        channels,
    )
    .execute(connection)
    .await?;
    Ok(())
}
