//! Opening a stream for a claimed step: a major of its own, under the run's lock.

use serde_json::{Value, json};

use super::{Opened, StreamText};
use crate::database::Database;
use crate::error::DatabaseError;
use crate::queue::ClaimedStep;

/// Opens the stream of a claimed streaming step, durably. A second or later attempt tells readers to forget the
/// text of the one before; a writer that lost its place (`said` is not empty) gives them the text so far, one
/// token a field. `None`: the step is no longer this worker's.
///
/// # Errors
/// If the server refused, or did not answer; opening again is harmless.
pub async fn open(db: &Database, step: &ClaimedStep, said: &StreamText) -> Result<Option<Opened>, DatabaseError> {
    let run = step.run();
    let mut tx = db.begin().await?;
    let major =
        sqlx::query_scalar!("SELECT stream_major FROM pipeline_runs WHERE id = $1 FOR NO KEY UPDATE", run.id.uuid())
            .fetch_optional(tx.connection())
            .await?;
    let Some(major) = major.map(|major| major + 1) else { return Ok(None) };
    let mut events: Vec<(&str, Value)> =
        vec![("stage.started", json!({"stage": step.shape().name, "attempt": step.attempt()}))];
    let resets = step.epoch() > 1 || run.generation > 1 || !said.is_empty();
    if resets {
        events.push(("output.reset", json!({"reason": "retry", "attempt": step.attempt()})));
    }
    events.extend(said.deltas(step.attempt()));
    let next_minor = i32::try_from(events.len()).unwrap_or(i32::MAX);
    let minors: Vec<i32> = (0..next_minor).collect();
    let names: Vec<String> = events.iter().map(|(event, _)| (*event).to_owned()).collect();
    let data: Vec<Value> = events.into_iter().map(|(_, data)| data).collect();
    let written = sqlx::query!(
        "WITH mine AS (
           SELECT s.org_id FROM pipeline_steps s WHERE s.run_id = $1 AND s.stage = $2 AND s.lease_token = $3 AND s.status = 'running'
         ), moved AS (
           UPDATE pipeline_runs SET stream_major = $4 FROM mine WHERE id = $1
         )
         INSERT INTO run_stream (run_id, seq, org_id, event, data)
         SELECT $1, $4::bigint * 1000000 + v.minor, mine.org_id, v.event, v.data || jsonb_build_object('at', to_jsonb(clock_timestamp()))
         FROM mine, unnest($5::int[], $6::text[], $7::jsonb[]) AS v(minor, event, data)",
        run.id.uuid(),
        i16::try_from(step.stage()).unwrap_or(i16::MAX),
        step.token().uuid(),
        major,
        &minors,
        &names,
        &data,
    )
    .execute(tx.connection())
    .await?;
    if written.rows_affected() == 0 {
        return Ok(None);
    }
    tx.commit().await?;
    Ok(Some(Opened { major, next_minor }))
}
