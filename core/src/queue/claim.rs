//! Claim: `ready -> running`, exactly as many steps as a worker has free slots, in one statement (`protocol.md` 3).
//!
//! It touches no run, waits for nobody, and commits without waiting for the disk: what follows it and must last
//! flushes it, and if it is lost its token is lost with it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{ClaimedStep, RunContext, Shapes};
use crate::database::Database;
use crate::error::{DatabaseError, Failure};
use crate::id::{BatchId, InteractionId, LeaseToken, OrgId, RunId, SessionId, UserId, WorkerId};
use crate::run::{Lane, QualityMode};

/// What a worker asks for.
#[derive(Debug, Clone)]
pub struct ClaimRequest {
    /// Who asks; its lease must hold.
    pub worker: WorkerId,
    /// The fence, made beforehand: with it a claim whose answer was lost is found again.
    pub token: LeaseToken,
    /// What its code knows.
    pub kinds: Arc<[String]>,
    /// Free slots.
    pub free: i64,
    /// The most of each lane; standard's is for standard and bulk together: see the worker's slots.
    pub max: [i64; 3],
    /// The most of standard alone. When it is reached, bulk gets nothing: there may be more of standard.
    pub standard: i64,
    /// Suspects that it may take: 1 if it runs none.
    pub suspects: i64,
    /// The organisations that have their share of standard and of bulk: nothing more of theirs is taken.
    pub except: [Arc<[OrgId]>; 2],
}

/// So many of a lane's steps a claim looks at when it passes over organisations that have their share. Whoever waits has its
/// next rank near virtual time, among the first of those that have more than they may run.
const REACH: i64 = 2_048;

/// A claimed row; the columns that `claim.sql`, `companions.sql` and `adopt.sql` share.
pub(super) struct Row {
    pub(super) run_id: RunId,
    pub(super) kind: String,
    pub(super) org_id: OrgId,
    pub(super) lane: i16,
    pub(super) token: LeaseToken,
    pub(super) epoch: i32,
    pub(super) claimed_at: DateTime<Utc>,
    pub(super) left_ms: i64,
    pub(super) timeout_ms: i32,
    pub(super) max_attempts: i16,
    pub(super) failures: i16,
    pub(super) crashes: i16,
    pub(super) error: Option<Value>,
    pub(super) input: Value,
    pub(super) user_id: Option<UserId>,
    pub(super) session_id: Option<SessionId>,
    pub(super) batch_id: Option<BatchId>,
    pub(super) batch_n: Option<i32>,
    pub(super) interaction_id: Option<InteractionId>,
    pub(super) request_id: Option<String>,
    pub(super) traceparent: Option<String>,
    pub(super) generation: i32,
    pub(super) user_sequence: Option<i32>,
    pub(super) stream: bool,
    pub(super) quality_mode: String,
    pub(super) model_override: Option<String>,
    pub(super) needs: Option<Value>,
    pub(super) rank: i64,
    pub(super) held: bool,
}

/// What a claim brought.
#[derive(Debug, Default)]
pub struct Claimed {
    /// The steps, now this worker's.
    pub steps: Vec<ClaimedStep>,
    /// The highest rank claimed in each lane: its virtual time moves up to it ([`super::rank::advance`]).
    pub highest: [Option<i64>; 3],
    /// How many were held instead, since they are paused: behind them there may be more.
    pub held: usize,
}

/// Claims. An error leaves open whether it was done: [`adopt`] with the same token finds out.
///
/// # Errors
/// If the server refused, or did not answer.
pub async fn claim(db: &Database, request: &ClaimRequest, shapes: &Shapes) -> Result<Claimed, DatabaseError> {
    let rows = sqlx::query_file_as!(
        Row,
        "src/queue/claim.sql",
        request.worker.uuid(),
        request.token.uuid(),
        &request.kinds[..],
        request.free.max(0),
        request.max[0].max(0),
        request.max[1].max(0),
        request.max[2].max(0),
        request.suspects.max(0),
        request.standard.max(0),
        &orgs(&request.except[0]),
        &orgs(&request.except[1]),
        REACH,
    )
    .fetch_all(db.fast())
    .await?;
    claimed(rows, shapes)
}

/// Finds what a claim or a settlement did whose answer was lost: the steps that run under this token.
///
/// # Errors
/// If the server can't be reached.
pub async fn adopt(
    db: &Database,
    worker: WorkerId,
    token: LeaseToken,
    shapes: &Shapes,
) -> Result<Claimed, DatabaseError> {
    let rows =
        sqlx::query_file_as!(Row, "src/queue/adopt.sql", worker.uuid(), token.uuid()).fetch_all(db.fast()).await?;
    claimed(rows, shapes)
}

fn orgs(except: &[OrgId]) -> Vec<uuid::Uuid> {
    except.iter().map(|org| org.uuid()).collect()
}

pub(super) fn claimed(rows: Vec<Row>, shapes: &Shapes) -> Result<Claimed, DatabaseError> {
    let mut claimed = Claimed::default();
    for row in rows {
        if row.held {
            claimed.held += 1;
            continue;
        }
        let slot = usize::try_from(row.lane).ok().and_then(|lane| claimed.highest.get_mut(lane));
        if let Some(highest) = slot {
            *highest = (*highest).max(Some(row.rank));
        }
        // A kind that was asked for is known; one that is found by a token alone may not be, and is given back.
        if let Some(step) = step(row, shapes)? {
            claimed.steps.push(step);
        }
    }
    Ok(claimed)
}

fn step(row: Row, shapes: &Shapes) -> Result<Option<ClaimedStep>, DatabaseError> {
    let Some((pipeline, stage, shape)) = shapes.find(&row.kind) else { return Ok(None) };
    let run = RunContext {
        id: row.run_id,
        org_id: row.org_id,
        user_id: row.user_id,
        session_id: row.session_id,
        batch: row.batch_id.zip(row.batch_n),
        interaction_id: row.interaction_id,
        request_id: row.request_id,
        traceparent: row.traceparent,
        generation: row.generation,
        user_sequence: row.user_sequence,
        stream: row.stream,
        quality_mode: QualityMode::parse(&row.quality_mode)?,
        model_override: row.model_override,
        input: row.input,
    };
    let last_error: Option<Failure> = row.error.map(serde_json::from_value).transpose()?;
    Ok(Some(ClaimedStep {
        run: Arc::new(run),
        pipeline,
        stage,
        shape,
        lane: Lane::from_number(row.lane)?,
        token: row.token,
        epoch: row.epoch,
        claimed_at: row.claimed_at,
        past_deadline: row.left_ms <= 0,
        time_left: Duration::from_millis(u64::try_from(row.left_ms).unwrap_or(0)),
        timeout: Duration::from_millis(u64::try_from(row.timeout_ms).unwrap_or(0)),
        max_attempts: row.max_attempts,
        failures: row.failures,
        crashes: row.crashes,
        last_error,
        needs: Arc::new(needs(row.needs)),
        opened: None,
    }))
}

/// `{"0": output, …}`: the checkpoints of finished stages by number.
fn needs(checkpoints: Option<Value>) -> BTreeMap<usize, Value> {
    match checkpoints {
        Some(Value::Object(map)) => {
            map.into_iter().filter_map(|(stage, output)| Some((stage.parse().ok()?, output))).collect()
        }
        _ => BTreeMap::new(),
    }
}
