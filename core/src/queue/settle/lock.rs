//! The rows that a transaction decides on: locked first, so that nobody else can change them.

use std::collections::HashMap;

use super::group::Bundle;
use crate::database::Tx;
use crate::error::DatabaseError;
use crate::id::{OrgId, RunId, SessionId, UserId};
use crate::run::RunStatus;

/// A run whose row this transaction holds.
#[derive(Debug)]
pub(in crate::queue) struct LockedRun {
    pub(in crate::queue) id: RunId,
    pub(in crate::queue) org_id: OrgId,
    pub(in crate::queue) session_id: Option<SessionId>,
    pub(in crate::queue) user_id: Option<UserId>,
    pub(in crate::queue) request_id: Option<String>,
    pub(in crate::queue) turn: Option<i32>,
    pub(in crate::queue) status: RunStatus,
    pub(in crate::queue) done: u64,
    pub(in crate::queue) made: u64,
    pub(in crate::queue) generation: i32,
    pub(in crate::queue) major: i32,
    pub(in crate::queue) stream: bool,
}

/// Takes the session's lock, which comes before its runs'.
pub(super) async fn lock_session(tx: &mut Tx, session: SessionId) -> Result<(), DatabaseError> {
    sqlx::query!("SELECT id FROM sessions WHERE id = $1 FOR NO KEY UPDATE", session.uuid())
        .fetch_optional(tx.connection())
        .await?;
    Ok(())
}

/// Locks the runs' rows, in a statement of its own and in the order of their ids: what is decided is decided on
/// rows that nobody else can change, not on a snapshot older than the lock.
pub(super) async fn lock_runs(
    tx: &mut Tx,
    bundles: &[Bundle],
    wait: bool,
) -> Result<HashMap<RunId, LockedRun>, DatabaseError> {
    let ids: Vec<_> = bundles.iter().map(|bundle| bundle.run.uuid()).collect();
    macro_rules! lock {
        ($how:literal) => {
            sqlx::query_as!(
                RunRow,
                r#"SELECT id AS "id: RunId", org_id AS "org_id: OrgId", session_id AS "session_id: SessionId",
                     user_id AS "user_id: UserId", request_id, turn, status, done, made, generation, stream_major, stream
                   FROM pipeline_runs WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE "#
                    + $how,
                &ids
            )
            .fetch_all(tx.connection())
            .await?
        };
    }
    let rows = if wait { lock!("") } else { lock!("SKIP LOCKED") };
    rows.into_iter().map(|row| Ok((row.id, row.locked()?))).collect()
}

struct RunRow {
    id: RunId,
    org_id: OrgId,
    session_id: Option<SessionId>,
    user_id: Option<UserId>,
    request_id: Option<String>,
    turn: Option<i32>,
    status: String,
    done: i64,
    made: i64,
    generation: i32,
    stream_major: i32,
    stream: bool,
}

impl RunRow {
    fn locked(self) -> Result<LockedRun, DatabaseError> {
        Ok(LockedRun {
            id: self.id,
            org_id: self.org_id,
            session_id: self.session_id,
            user_id: self.user_id,
            request_id: self.request_id,
            turn: self.turn,
            status: RunStatus::parse(&self.status)?,
            done: self.done.cast_unsigned(),
            made: self.made.cast_unsigned(),
            generation: self.generation,
            major: self.stream_major,
            stream: self.stream,
        })
    }
}

/// Locks those of these runs that nobody holds, in the order of their ids.
pub(in crate::queue) async fn lock_free_runs(tx: &mut Tx, ids: &[uuid::Uuid]) -> Result<Vec<LockedRun>, DatabaseError> {
    let rows = sqlx::query_as!(
        RunRow,
        r#"SELECT id AS "id: RunId", org_id AS "org_id: OrgId", session_id AS "session_id: SessionId",
             user_id AS "user_id: UserId", request_id, turn, status, done, made, generation, stream_major, stream
           FROM pipeline_runs WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED"#,
        ids,
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter().map(RunRow::locked).collect()
}

/// Locks one run's row, waiting: for the single transactions of an api or an operator.
pub(in crate::queue) async fn lock_run(tx: &mut Tx, run: RunId) -> Result<Option<LockedRun>, DatabaseError> {
    let row = sqlx::query_as!(
        RunRow,
        r#"SELECT id AS "id: RunId", org_id AS "org_id: OrgId", session_id AS "session_id: SessionId",
             user_id AS "user_id: UserId", request_id, turn, status, done, made, generation, stream_major, stream
           FROM pipeline_runs WHERE id = $1 FOR NO KEY UPDATE"#,
        run.uuid(),
    )
    .fetch_optional(tx.connection())
    .await?;
    row.map(RunRow::locked).transpose()
}
