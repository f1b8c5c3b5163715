//! A claimed step: what a worker holds, and what its stage may know.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::error::Failure;
use crate::id::{BatchId, InteractionId, LeaseToken, OrgId, RunId, SessionId, UserId};
use crate::pipeline::{Pipeline, StageShape};
use crate::run::{Lane, QualityMode};
use crate::stream::Opened;

/// What a stage may know of its run.
#[derive(Debug, Clone)]
pub struct RunContext {
    /// The run.
    pub id: RunId,
    /// Whose it is.
    pub org_id: OrgId,
    /// Who asked for it.
    pub user_id: Option<UserId>,
    /// The session that it belongs to.
    pub session_id: Option<SessionId>,
    /// The batch that it is part of, and its item's place there.
    pub batch: Option<(BatchId, i32)>,
    /// The user's interaction that it answers.
    pub interaction_id: Option<InteractionId>,
    /// The request that submitted it.
    pub request_id: Option<String>,
    /// The trace that it belongs to (W3C).
    pub traceparent: Option<String>,
    /// Its life: 1, and one more with each redrive.
    pub generation: i32,
    /// In a turn: the number of the user's interaction; the assistant's is one more.
    pub user_sequence: Option<i32>,
    /// Whether tokens are written to its stream.
    pub stream: bool,
    /// How much thought its model may take.
    pub quality_mode: QualityMode,
    /// The model that a redrive asked for, before all others: `model`, or `provider/model`.
    pub model_override: Option<String>,
    /// The pipeline's input, as JSON.
    pub input: Value,
}

/// A step under this process's lease. Only a claim (or a settlement that hands a successor over) makes one;
/// it can't be copied, and settling consumes it.
#[derive(Debug)]
pub struct ClaimedStep {
    pub(super) run: Arc<RunContext>,
    pub(super) pipeline: &'static Pipeline,
    pub(super) stage: usize,
    pub(super) shape: &'static StageShape,
    pub(super) lane: Lane,
    pub(super) token: LeaseToken,
    pub(super) epoch: i32,
    pub(super) claimed_at: DateTime<Utc>,
    pub(super) past_deadline: bool,
    pub(super) time_left: Duration,
    pub(super) timeout: Duration,
    pub(super) max_attempts: i16,
    pub(super) failures: i16,
    pub(super) crashes: i16,
    pub(super) last_error: Option<Failure>,
    pub(super) needs: Arc<BTreeMap<usize, Value>>,
    pub(super) opened: Option<Opened>,
}

impl ClaimedStep {
    /// Its run.
    #[must_use]
    pub const fn run(&self) -> &Arc<RunContext> {
        &self.run
    }

    /// The graph that it is part of.
    #[must_use]
    pub const fn pipeline(&self) -> &'static Pipeline {
        self.pipeline
    }

    /// Its stage's place in the graph.
    #[must_use]
    pub const fn stage(&self) -> usize {
        self.stage
    }

    /// Its stage.
    #[must_use]
    pub const fn shape(&self) -> &'static StageShape {
        self.shape
    }

    /// The lane that it was claimed from.
    #[must_use]
    pub const fn lane(&self) -> Lane {
        self.lane
    }

    /// The fence.
    #[must_use]
    pub const fn token(&self) -> LeaseToken {
        self.token
    }

    /// How often it has been claimed.
    #[must_use]
    pub const fn epoch(&self) -> i32 {
        self.epoch
    }

    /// The number of this attempt, from 1: failures and crashes count, snoozes don't.
    #[must_use]
    pub const fn attempt(&self) -> i16 {
        self.failures + self.crashes + 1
    }

    /// After this many failures it is dead.
    #[must_use]
    pub const fn max_attempts(&self) -> i16 {
        self.max_attempts
    }

    /// Whether one more counted failure makes it dead.
    #[must_use]
    pub const fn is_last_attempt(&self) -> bool {
        self.failures + 1 >= self.max_attempts
    }

    /// It has taken two workers with it: it runs beside no other suspect.
    #[must_use]
    pub const fn is_suspect(&self) -> bool {
        self.crashes >= 2
    }

    /// When it was claimed, by the database's clock.
    #[must_use]
    pub const fn claimed_at(&self) -> DateTime<Utc> {
        self.claimed_at
    }

    /// Its deadline had passed when it was claimed: it must not be executed.
    #[must_use]
    pub const fn is_past_deadline(&self) -> bool {
        self.past_deadline
    }

    /// What was left until its deadline when it was claimed.
    #[must_use]
    pub const fn time_left(&self) -> Duration {
        self.time_left
    }

    /// How long an attempt may take.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Why the attempt before this one failed.
    #[must_use]
    pub const fn last_error(&self) -> Option<&Failure> {
        self.last_error.as_ref()
    }

    /// The checkpoint of a finished stage; `None` if that stage was skipped.
    #[must_use]
    pub fn need(&self, stage: usize) -> Option<&Value> {
        self.needs.get(&stage)
    }

    /// Its stream, if a hand-over has already opened it.
    #[must_use]
    pub const fn opened(&self) -> Option<Opened> {
        self.opened
    }
}
