//! `operation`: what is done to many at once, and how the runs that it redrove have ended.

use chrono::{DateTime, Utc};
use hellosales_core::operation::read::{Ends, Operation};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// How redriven runs have ended.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct RedrivenRuns {
    pub live: i64,
    pub completed: i64,
    /// Failed again.
    pub failed: i64,
    pub cancelled: i64,
}

/// What is done to many at once.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Operation)]
pub(crate) struct OperationObject {
    #[schema(example = "operation")]
    pub object: &'static str,
    pub id: Uuid,
    /// `redrive`, `cancel`, `investigate`, `resolve`, `abandon` or `reopen`.
    pub kind: String,
    /// `canary`, `running`, `done`, `aborted` or `failed`.
    pub status: String,
    pub status_reason: Option<String>,
    pub total: i32,
    pub done: i32,
    pub ok: i32,
    /// Refused: they stood otherwise by then.
    pub failed: i32,
    pub runs: RedrivenRuns,
    pub canary: i32,
    pub rate_per_second: Option<f64>,
    #[schema(value_type = Option<Object>)]
    pub filter: Option<Value>,
    #[schema(value_type = Object)]
    pub options: Value,
    pub actor: String,
    pub reason: Option<String>,
    pub ended_by_actor: Option<String>,
    pub created_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
}

impl From<(Operation, Ends)> for OperationObject {
    fn from((op, ends): (Operation, Ends)) -> Self {
        Self {
            object: "operation",
            id: op.id.uuid(),
            kind: op.kind,
            status: op.status,
            status_reason: op.status_reason,
            total: op.total,
            done: op.done,
            ok: op.ok,
            failed: op.failed,
            runs: RedrivenRuns {
                live: ends.live,
                completed: ends.completed,
                failed: ends.failed,
                cancelled: ends.cancelled,
            },
            canary: op.canary,
            rate_per_second: op.rate_per_s,
            filter: op.filter,
            options: op.options,
            actor: op.actor,
            reason: op.reason,
            ended_by_actor: op.ended_by_actor,
            created_at: op.created_at,
            ended_at: op.ended_at,
        }
    }
}
