//! What dbt answered of a run, written down in one transaction with what follows from it.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{Connection as _, PgConnection};

use super::{Inquiry, results};
use crate::artifact::{Graph, Judgement, Kind, Outcome, RunResults, judge};
use crate::pool::Lent;
use crate::store::{bounded, column};
use crate::{Doing as _, Store, StoreError};

const DOING: &str = "note what dbt said of a run";

/// What dbt said.
#[derive(Debug)]
pub struct Answer<'a> {
    /// Where people look at the run.
    pub url: Option<String>,
    pub error: Option<RunError>,
    /// What it built, where that was asked.
    pub built: Option<Built<'a>>,
}

/// What a run built.
#[derive(Debug)]
pub struct Built<'a> {
    /// As [`Store::keep_manifest`] gave it; a run may leave none.
    pub manifest: Option<(i64, &'a Graph)>,
    pub results: RunResults,
    pub environment_id: Option<String>,
    pub finished_at: DateTime<Utc>,
}

/// Why a run failed.
#[derive(Debug, Clone)]
pub struct RunError {
    /// On one line.
    pub summary: String,
    /// An array of what failed.
    pub detail: Value,
}

impl Store {
    /// Notes what dbt said, and lets the events that wait for it be planned. Nothing, if another
    /// worker has taken the run over.
    pub async fn answer_inquiry(
        &self,
        worker: &str,
        inquiry: &Inquiry,
        answer: &Answer<'_>,
    ) -> Result<(), StoreError> {
        let noted = bounded(DOING, self.note_answer(worker, inquiry, answer)).await?;
        if noted {
            self.wake_after_commit().await;
        }
        Ok(())
    }

    /// Whether the run was still this worker's.
    async fn note_answer(
        &self,
        worker: &str,
        inquiry: &Inquiry,
        answer: &Answer<'_>,
    ) -> Result<bool, StoreError> {
        let built = answer.built.as_ref();
        let results = built.map(|built| results::packed(&built.results));
        let mut lent = Lent::from(&self.pool).await.doing(DOING)?;
        let mut transaction = lent.begin().await.doing(DOING)?;
        let ours = sqlx::query!(
            r#"
            update dbt_run
            set
                -- What it built may have come to be of interest while only its failure was.
                answered_at = case when not wants_built or $9::boolean then coalesce($4, now()) end,
                ask_due_at = case when wants_built and not $9 then coalesce($4, now()) end,
                ask_error = null, worker = null, lease_until = null,
                url = $5, error = $6, manifest_id = $7, results = $8
            where source = $1 and run_id = $2 and worker = $3
            "#,
            inquiry.source,
            inquiry.run_id,
            worker,
            self.now(),
            answer.url,
            answer.error.as_ref().map(|error| crate::attempt::text(&error.summary)),
            built.and_then(|built| built.manifest.map(|(id, _)| id)),
            results,
            built.is_some(),
        )
        .execute(&mut *transaction)
        .await
        .doing(DOING)?
        .rows_affected();
        if ours == 0 {
            transaction.rollback().await.doing(DOING)?;
            lent.give_back();
            return Ok(false);
        }
        if let Some(error) = &answer.error {
            note_error(&mut transaction, inquiry, error).await?;
        }
        if let Some(built) = built {
            note_builds(&mut transaction, inquiry, built).await?;
        }
        plan_now(&mut transaction, inquiry, self.now()).await?;
        transaction.commit().await.doing(DOING)?;
        lent.give_back();
        Ok(true)
    }
}

async fn note_error(
    connection: &mut PgConnection,
    inquiry: &Inquiry,
    error: &RunError,
) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        insert into run_error (source, run_id, detail) values ($1, $2, $3)
        on conflict (source, run_id) do update set detail = excluded.detail
        "#,
        inquiry.source,
        inquiry.run_id,
        error.detail,
    )
    .execute(connection)
    .await
    .doing(DOING)?;
    Ok(())
}

/// Of what some exposure reads: when it was built, or that it was not.
async fn note_builds(
    connection: &mut PgConnection,
    inquiry: &Inquiry,
    built: &Built<'_>,
) -> Result<(), StoreError> {
    let Some((_, graph)) = built.manifest else { return Ok(()) };
    let exposures = graph.ids().filter(|id| graph.node(*id).kind() == Kind::Exposure).collect();
    let Judgement { upstream, .. } = judge(graph, &exposures, &built.results);
    let known = |outcome| match outcome {
        // What dbt saw no need to build anew is as good as built.
        Outcome::BuiltWell { .. } | Outcome::LeftAsItWas => Some(true),
        Outcome::NotWell => Some(false),
        Outcome::NotSelected => None,
    };
    let ended: Vec<_> = upstream
        .iter()
        .filter_map(|model| Some((model.unique_id.as_str(), known(model.outcome)?)))
        .collect();
    sqlx::query!(
        r#"
        insert into model_build as known (source, environment_id, model, built_at, failed_at, run_id)
        select
            $1, $2, model,
            case when well then $5::timestamptz end,
            case when not well then $5 end,
            $6
        from unnest($3::text[], $4::boolean[]) as ended (model, well)
        order by model
        on conflict (source, environment_id, model) do update
        set
            built_at = greatest(known.built_at, excluded.built_at),
            failed_at = greatest(known.failed_at, excluded.failed_at),
            run_id = excluded.run_id
        "#,
        inquiry.source,
        built.environment_id.as_deref().unwrap_or_default(),
        &column(&ended, |(model, _)| *model) as _,
        &column(&ended, |(_, well)| *well),
        built.finished_at,
        inquiry.run_id,
    )
    .execute(connection)
    .await
    .doing(DOING)?;
    Ok(())
}

/// The events of the run that wait for what dbt says are planned at once.
pub(super) async fn plan_now(
    connection: &mut PgConnection,
    inquiry: &Inquiry,
    now: Option<DateTime<Utc>>,
) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        update event
        set plan_due_at = coalesce($3, now())
        where state = 'stored' and waits_for is not null and source = $1 and run_id = $2
        "#,
        inquiry.source,
        inquiry.run_id,
        now,
    )
    .execute(connection)
    .await
    .doing(DOING)?;
    Ok(())
}
