//! One item: what is done to it, in the transaction that says so.

use serde_json::json;

use super::execute::Means;
use super::{Kind, Options};
use crate::audit::{self, Entry};
use crate::database::Tx;
use crate::error::DatabaseError;
use crate::id::{DeadLetterId, OperationId, OrgId, RunId, UserId};
use crate::queue::Wakes;
use crate::queue::cancel::{self, Cancelled};
use crate::queue::letter::{self, Changed, Decided, Decision};
use crate::queue::redrive::{self, Model, Redrive, Redriven};
use crate::run::StatusReason;

/// An operation whose row this transaction holds.
pub(super) struct Held {
    pub(super) id: OperationId,
    pub(super) kind: Kind,
    pub(super) actor: String,
    pub(super) user: Option<UserId>,
    pub(super) reason: Option<String>,
    pub(super) options: Options,
}

/// An item that is to be done.
pub(super) struct Item {
    pub(super) n: i32,
    pub(super) org_id: OrgId,
    pub(super) target_id: uuid::Uuid,
    pub(super) run_id: RunId,
    /// The life that its dead letter is of.
    pub(super) generation: Option<i32>,
}

/// What became of it.
pub(super) enum Outcome {
    /// It is done; a redriven run lives this life.
    Ok(Option<i32>),
    /// It could not be done, and nothing was written.
    Refused(String),
}

impl Held {
    /// Does it, with all that a single command would write.
    pub(super) async fn carry_out(
        &self,
        tx: &mut Tx,
        item: &Item,
        means: &Means<'_>,
    ) -> Result<(Outcome, Wakes), DatabaseError> {
        match (self.kind, self.kind.decision()) {
            (Kind::Cancel, _) => self.cancel(tx, item).await,
            (_, Some(decision)) => self.decide(tx, item, decision).await,
            (_, None) => self.redrive(tx, item, means).await,
        }
    }

    async fn redrive(&self, tx: &mut Tx, item: &Item, means: &Means<'_>) -> Result<(Outcome, Wakes), DatabaseError> {
        if item.generation.is_none() {
            return Ok((Outcome::Refused("there is no such dead letter any more".to_owned()), Wakes::default()));
        }
        let how = Redrive {
            user: self.user,
            reason: self.reason.as_deref(),
            from: self.options.from,
            model: self.options.model.as_deref().map_or(Model::Usual, Model::This),
            generation: item.generation,
            operation: Some(self.id),
            stage_timeout_ms: means.stage_timeout_ms,
            pipelines: means.pipelines,
            ..Redrive::new(&self.actor)
        };
        let (redriven, wakes) = redrive::within(tx, item.org_id, item.run_id, &how).await?;
        let outcome = match redriven {
            Redriven::Resumed { generation } | Redriven::Restarted { generation } => Outcome::Ok(Some(generation)),
            Redriven::InvalidState(status) => {
                Outcome::Refused(format!("the run was redriven already, and is {status}"))
            }
            Redriven::Refused(refusal) => Outcome::Refused(refusal.to_string()),
            Redriven::NotFound => Outcome::Refused("its run was pruned".to_owned()),
        };
        Ok((outcome, wakes))
    }

    async fn decide(&self, tx: &mut Tx, item: &Item, decision: Decision) -> Result<(Outcome, Wakes), DatabaseError> {
        let how = Decided {
            decision,
            actor: &self.actor,
            user: self.user,
            reason: self.reason.as_deref(),
            notes: self.options.notes.as_deref(),
            operation: Some(self.id),
        };
        let (changed, wakes) = letter::within(tx, item.org_id, DeadLetterId::from(item.target_id), &how).await?;
        let outcome = match changed {
            Changed::Now => Outcome::Ok(None),
            Changed::InvalidState(standing) => Outcome::Refused(standing.to_string()),
            Changed::NotFound => Outcome::Refused("there is no such dead letter any more".to_owned()),
        };
        Ok((outcome, wakes))
    }

    async fn cancel(&self, tx: &mut Tx, item: &Item) -> Result<(Outcome, Wakes), DatabaseError> {
        let (cancelled, wakes) = cancel::within(tx, item.org_id, item.run_id, StatusReason::Operator).await?;
        let outcome = match cancelled {
            Cancelled::Now | Cancelled::Before => Outcome::Ok(None),
            Cancelled::Ended(status) => Outcome::Refused(format!("the run is {status}")),
            Cancelled::NotFound => Outcome::Refused("there is no such run any more".to_owned()),
        };
        if cancelled == Cancelled::Now {
            let entry = Entry {
                org_id: Some(item.org_id),
                actor: &self.actor,
                action: "run.cancel",
                target_type: "run",
                target_id: &item.run_id.to_string(),
                reason: self.reason.as_deref(),
                details: json!({"operation": self.id}),
            };
            audit::record(tx.connection(), &entry).await?;
        }
        Ok((outcome, wakes))
    }
}
