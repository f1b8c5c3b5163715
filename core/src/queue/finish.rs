//! Finish: the end of a run, whoever brings it about. In one transaction with what ended it: the run's row, its
//! steps folded into it (or kept, if it failed), `pipeline.wide`, one end event if it streams, and its session's next turn.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::journal::{self, StreamEvent, WideEvent};
use super::settle::LockedRun;
use super::{Wakes, gate};
use crate::database::Tx;
use crate::error::{DatabaseError, Failure};
use crate::id::{LeaseToken, OrgId, RunId, SessionId};
use crate::run::{RunStatus, StatusReason};
use crate::stream::seq;

/// A run that ends in this transaction.
#[derive(Debug)]
pub(super) struct EndedRun {
    run: RunId,
    org: OrgId,
    session: Option<SessionId>,
    is_turn: bool,
    status: RunStatus,
    reason: Option<StatusReason>,
    token: Option<LeaseToken>,
    result: Option<Value>,
    failure: Option<Failure>,
    cancelled_stage: Option<i16>,
    done: u64,
    made: u64,
    generation: i32,
    major: i32,
    stream: bool,
    started_at: Option<DateTime<Utc>>,
}

impl EndedRun {
    /// A run that is completed or cancelled: its steps go.
    pub(super) fn folded(
        run: &mut LockedRun,
        status: RunStatus,
        reason: Option<StatusReason>,
        token: Option<LeaseToken>,
        started_at: impl Into<Option<DateTime<Utc>>>,
    ) -> Self {
        run.major += 1;
        run.status = status;
        Self {
            run: run.id,
            org: run.org_id,
            session: run.session_id,
            is_turn: run.turn.is_some(),
            status,
            reason,
            token,
            result: None,
            failure: None,
            cancelled_stage: None,
            done: run.done,
            made: run.made,
            generation: run.generation,
            major: run.major,
            stream: run.stream,
            started_at: started_at.into(),
        }
    }

    /// A run that failed: its steps stay, for a redrive.
    pub(super) fn failed(
        run: &mut LockedRun,
        failure: Failure,
        token: Option<LeaseToken>,
        started_at: Option<DateTime<Utc>>,
    ) -> Self {
        let ended = Self::folded(run, RunStatus::Failed, Some(StatusReason::Error), token, started_at);
        Self { failure: Some(failure), ..ended }
    }

    pub(super) fn with_result(mut self, result: Option<Value>) -> Self {
        self.result = result;
        self
    }

    pub(super) const fn with_cancelled_stage(mut self, stage: i16) -> Self {
        self.cancelled_stage = Some(stage);
        self
    }

    const fn event(&self) -> &'static str {
        match self.status {
            RunStatus::Failed => "run.failed",
            RunStatus::Cancelled => "run.cancelled",
            _ => "run.completed",
        }
    }
}

/// Ends runs. The caller holds their locks, and that of the session, if there is one (then there is one run).
pub(super) async fn finish(tx: &mut Tx, ended: &[EndedRun], wakes: &mut Wakes) -> Result<(), DatabaseError> {
    if ended.is_empty() {
        return Ok(());
    }
    let wide = write_runs(tx, ended).await?;
    journal::write_wide(tx.connection(), &wide).await?;
    let events: Vec<StreamEvent> = ended.iter().filter(|run| run.stream).map(end_event).collect();
    journal::write_stream(tx.connection(), &events).await?;
    for run in ended {
        wakes.stream(run.run);
        match run.session {
            Some(session) if run.is_turn => gate::pass(tx, session, run.run, wakes).await?,
            Some(session) => clear_pending_summary(tx, session, run.run).await?,
            None => {}
        }
    }
    Ok(())
}

fn end_event(run: &EndedRun) -> StreamEvent {
    StreamEvent::new(run.run, run.org, seq(run.major, 0), run.event(), json!({"generation": run.generation}))
}

/// Writes the rows, folding the steps of those that are not kept, and returns the wide event of each.
async fn write_runs(tx: &mut Tx, ended: &[EndedRun]) -> Result<Vec<WideEvent>, DatabaseError> {
    let runs: Vec<Uuid> = ended.iter().map(|e| e.run.uuid()).collect();
    let statuses: Vec<String> = ended.iter().map(|e| e.status.as_str().to_owned()).collect();
    let reasons: Vec<Option<String>> =
        ended.iter().map(|e| e.reason.map(|reason| reason.as_str().to_owned())).collect();
    let tokens: Vec<Option<Uuid>> = ended.iter().map(|e| e.token.map(LeaseToken::uuid)).collect();
    let results: Vec<Option<Value>> = ended.iter().map(|e| e.result.clone()).collect();
    let failures: Vec<Option<Value>> =
        ended.iter().map(|e| e.failure.as_ref().map(serde_json::to_value).transpose()).collect::<Result<_, _>>()?;
    let cancelled: Vec<Option<i16>> = ended.iter().map(|e| e.cancelled_stage).collect();
    let done: Vec<i64> = ended.iter().map(|e| e.done.cast_signed()).collect();
    let made: Vec<i64> = ended.iter().map(|e| e.made.cast_signed()).collect();
    let majors: Vec<i32> = ended.iter().map(|e| e.major).collect();
    let started: Vec<Option<DateTime<Utc>>> = ended.iter().map(|e| e.started_at).collect();
    let rows = sqlx::query_file!(
        "src/queue/finish.sql",
        &runs,
        &statuses,
        &reasons as &[Option<String>],
        &tokens as &[Option<Uuid>],
        &results as &[Option<Value>],
        &failures as &[Option<Value>],
        &cancelled as &[Option<i16>],
        &done,
        &made,
        &majors,
        &started as &[Option<DateTime<Utc>>],
    )
    .fetch_all(tx.connection())
    .await?;
    let wide = rows.into_iter().map(|row| WideEvent {
        run: row.id.into(),
        org: row.org_id.into(),
        request_id: row.request_id,
        session: row.session_id,
        user: row.user_id,
        event: "pipeline.wide",
        data: row.data,
    });
    Ok(wide.collect())
}

/// A summary run ends, in whatever way: its session may ask for another.
async fn clear_pending_summary(tx: &mut Tx, session: SessionId, run: RunId) -> Result<(), DatabaseError> {
    sqlx::query!(
        "UPDATE summary_states SET pending_run_id = NULL, updated_at = clock_timestamp() WHERE session_id = $1 AND pending_run_id = $2",
        session.uuid(),
        run.uuid(),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
