//! The queue: every statement that changes a run's or a step's status, one file a transition.
//!
//! A run is `queued -> running -> completed | failed | cancelled`; a redrive takes `failed -> queued`.
//! A step is `ready -> running -> completed | skipped | dead`, with `running -> delayed -> ready` for a retry
//! or a snooze, and `held` while it waits for something that isn't time.
//!
//! # What holds
//! 1. A settlement writes only where `lease_token` still matches a `running` step; no match, nothing is written.
//! 2. A step's output, effects, events, successors and its run's progress commit in one transaction.
//! 3. Only the database's clock decides: `now()` in predicates, `clock_timestamp()` in values.
//! 4. Claims never touch a run; fan-in reads the locked row, never a snapshot older than the lock.
//!
//! # Lock order
//! idempotency key < session < batch < run (by id) < step < dead letter < org_lanes. Nobody goes back.
//! Nobody waits for a row in a group: claim, group settlement, reap and promote use SKIP LOCKED. Only single
//! transactions wait (accept, closing with a session, cancel, redrive, ledger, a stream's opening), in that order.

pub mod backoff;
pub mod cancel;
pub mod claim;
mod complete;
mod defer;
mod fail;
pub mod finish;
mod gate;
pub mod janitor;
mod journal;
pub mod lease;
pub mod promote;
pub mod rank;
pub mod reap;
pub mod redrive;
pub mod settle;
pub mod submit;
pub mod turn;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use serde_json::Value;

use crate::database::OrgTx;
use crate::error::{DatabaseError, Failure};
use crate::id::{InteractionId, LeaseToken, OrgId, RunId, SessionId, UserId};
use crate::pipeline::{Pipeline, StageShape};
use crate::run::{Lane, QualityMode, StatusReason};
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
    /// The pipeline's input, as JSON.
    pub input: Value,
}

/// A step under this process's lease. Only a claim (or a settlement that hands a successor over) makes one;
/// it can't be copied, and settling consumes it.
#[derive(Debug)]
pub struct ClaimedStep {
    run: Arc<RunContext>,
    pipeline: &'static Pipeline,
    stage: usize,
    shape: &'static StageShape,
    lane: Lane,
    token: LeaseToken,
    epoch: i32,
    claimed_at: DateTime<Utc>,
    past_deadline: bool,
    time_left: Duration,
    timeout: Duration,
    max_attempts: i16,
    failures: i16,
    crashes: i16,
    last_error: Option<Failure>,
    needs: Arc<BTreeMap<usize, Value>>,
    opened: Option<Opened>,
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

/// The stages that a worker has code for.
#[derive(Debug, Clone, Default)]
pub struct Shapes {
    by_kind: HashMap<String, (&'static Pipeline, usize)>,
}

impl Shapes {
    /// All stages of these pipelines.
    #[must_use]
    pub fn new(pipelines: &[&'static Pipeline]) -> Self {
        let by_kind = pipelines
            .iter()
            .flat_map(|&pipeline| {
                pipeline.stages.iter().enumerate().map(move |(n, stage)| (pipeline.kind(stage), (pipeline, n)))
            })
            .collect();
        Self { by_kind }
    }

    /// The kinds, as a claim asks for them.
    #[must_use]
    pub fn kinds(&self) -> Vec<String> {
        let mut kinds: Vec<String> = self.by_kind.keys().cloned().collect();
        kinds.sort_unstable();
        kinds
    }

    fn find(&self, kind: &str) -> Option<(&'static Pipeline, usize, &'static StageShape)> {
        let &(pipeline, n) = self.by_kind.get(kind)?;
        Some((pipeline, n, pipeline.stages.get(n)?))
    }
}

/// How a stage ended.
#[derive(Debug, Clone)]
pub enum End {
    /// Done, with its output.
    Ok(Value),
    /// Nothing to do; counts as done.
    Skip {
        /// Why, for people.
        reason: String,
    },
    /// Failed, and worth another try: counted.
    Retry {
        /// What happened.
        failure: Failure,
        /// Not before this much time.
        retry_after: Option<Duration>,
    },
    /// Failed for good.
    Fail(Failure),
    /// Can't run now: not counted.
    Snooze {
        /// For how long.
        delay: Duration,
        /// Why: what `waiting.reason` shows.
        reason: SnoozeReason,
        /// Why, for people.
        detail: String,
    },
    /// The run ends here, by a guard's decision.
    Cancel {
        /// Why.
        reason: StatusReason,
        /// What the user is told instead of an answer.
        reply: Option<String>,
    },
    /// Given back, as it was: the worker drains.
    GiveBack,
}

crate::run::text_enum! {
    /// Why a step can't run now.
    SnoozeReason {
        /// A provider's or our own limit.
        RateLimited = "rate_limited",
        /// A breaker is open.
        ProviderDown = "provider_down",
        /// A budget is spent.
        Budget = "budget",
    }
}

/// What a stage changes in content, in the fenced transaction that settles it: once, or not at all. May be
/// applied in several transactions, of which one commits.
pub trait Effects: Send + Sync {
    /// Writes.
    ///
    /// # Errors
    /// If the database refuses.
    fn apply<'a>(&'a self, tx: &'a mut OrgTx<'_>) -> BoxFuture<'a, Result<(), DatabaseError>>;
}

/// The end of what a streaming step wrote, so that its settlement can check that it is there.
#[derive(Debug, Clone)]
pub struct StreamTail {
    /// The major that it wrote under.
    pub major: i32,
    /// The minor of its last event.
    pub last_minor: i32,
    /// The whole text that a reader should have.
    pub text: String,
}

/// A result on its way to the database.
pub struct Settlement {
    step: ClaimedStep,
    end: End,
    effects: Option<Arc<dyn Effects>>,
    stream: Option<StreamTail>,
    /// The token of the successor that this settlement may hand over: made beforehand, so that it can be
    /// found again when the answer to COMMIT is lost.
    hand_over: LeaseToken,
    /// How often its run's row was locked by somebody else.
    skipped: u8,
}

impl Settlement {
    /// A result. A retry of a step that has no attempt left is a failure.
    #[must_use]
    pub fn new(step: ClaimedStep, end: End) -> Self {
        let end = match end {
            End::Retry { failure, .. } if step.is_last_attempt() => End::Fail(failure),
            end => end,
        };
        Self { step, end, effects: None, stream: None, hand_over: LeaseToken::random(), skipped: 0 }
    }

    /// With what it changes in content.
    #[must_use]
    pub fn with_effects(mut self, effects: Arc<dyn Effects>) -> Self {
        self.effects = Some(effects);
        self
    }

    /// With what it streamed.
    #[must_use]
    pub fn with_stream(mut self, tail: StreamTail) -> Self {
        self.stream = Some(tail);
        self
    }

    /// Whose result it is.
    #[must_use]
    pub const fn step(&self) -> &ClaimedStep {
        &self.step
    }

    /// What it is.
    #[must_use]
    pub const fn end(&self) -> &End {
        &self.end
    }

    /// Whether it may end its run or change content: then its transaction is its session's or organisation's.
    fn is_closing(&self) -> bool {
        let last = self.step.stage + 1 == self.step.pipeline.stages.len();
        match self.end {
            End::Fail(_) | End::Cancel { .. } => true,
            End::Ok(_) | End::Skip { .. } => last || self.effects.is_some(),
            End::Retry { .. } | End::Snooze { .. } | End::GiveBack => false,
        }
    }
}

impl std::fmt::Debug for Settlement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settlement")
            .field("step", &self.step)
            .field("effects", &self.effects.is_some())
            .finish_non_exhaustive()
    }
}

/// Whom to wake after a commit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wakes {
    /// Lanes that have something to claim, by number.
    pub lanes: [bool; 3],
    /// Runs with something new in their stream.
    pub streams: Vec<RunId>,
    /// Runs that were cancelled.
    pub cancels: Vec<RunId>,
}

impl Wakes {
    /// Adds a lane.
    pub fn lane(&mut self, lane: Lane) {
        match lane {
            Lane::Interactive => self.lanes[0] = true,
            Lane::Standard => self.lanes[1] = true,
            Lane::Bulk => self.lanes[2] = true,
        }
    }

    /// Adds a run's stream.
    pub fn stream(&mut self, run: RunId) {
        if self.streams.last() != Some(&run) {
            self.streams.push(run);
        }
    }

    /// Adds all of another's.
    pub fn merge(&mut self, other: Self) {
        for (mine, theirs) in self.lanes.iter_mut().zip(other.lanes) {
            *mine |= theirs;
        }
        self.streams.extend(other.streams);
        self.cancels.extend(other.cancels);
    }

    /// Whether there is nobody to wake.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lanes == [false; 3] && self.streams.is_empty() && self.cancels.is_empty()
    }
}
