//! A settlement: how a stage ended, with what it changes and what it streamed.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::Value;

use super::ClaimedStep;
use crate::database::OrgTx;
use crate::error::{DatabaseError, Failure};
use crate::id::LeaseToken;
use crate::run::{StatusReason, text_enum};
use crate::stream::StreamText;

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

text_enum! {
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
    /// All that a reader should have.
    pub text: StreamText,
}

/// A result on its way to the database.
pub struct Settlement {
    pub(super) step: ClaimedStep,
    pub(super) end: End,
    pub(super) effects: Option<Arc<dyn Effects>>,
    pub(super) stream: Option<StreamTail>,
    pub(super) instead: Option<String>,
    /// The token of the successor that this settlement may hand over: made beforehand, so that it can be
    /// found again when the answer to COMMIT is lost.
    pub(super) hand_over: LeaseToken,
    /// How often its run's row was locked by somebody else.
    pub(super) skipped: u8,
}

impl Settlement {
    /// A result. A retry of a step that has no attempt left is a failure.
    #[must_use]
    pub fn new(step: ClaimedStep, end: End) -> Self {
        let end = match end {
            End::Retry { failure, .. } if step.is_last_attempt() => End::Fail(failure.without_nul()),
            End::Retry { failure, retry_after } => End::Retry { failure: failure.without_nul(), retry_after },
            End::Fail(failure) => End::Fail(failure.without_nul()),
            end => end,
        };
        Self { step, end, effects: None, stream: None, instead: None, hand_over: LeaseToken::random(), skipped: 0 }
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

    /// With what the run's readers are to have instead of all that was streamed to them.
    #[must_use]
    pub fn with_instead(mut self, text: String) -> Self {
        self.instead = Some(text);
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
    pub(super) fn is_closing(&self) -> bool {
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
