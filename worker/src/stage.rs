//! A stage: the code of one node of a pipeline, with typed needs and a typed output.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use hellosales_core::pipeline::PipelineInput;
use hellosales_core::queue::{RunContext, SnoozeReason};
use hellosales_core::run::StatusReason;
use hellosales_core::{DatabaseError, ErrorCode, Failure, LeaseToken, OrgTx};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::environment::Environment;
use crate::leases::Contact;
use crate::stream::StreamHandle;

/// One node of a pipeline.
pub trait Stage: Send + Sync + 'static {
    /// Its name in the graph.
    const NAME: &'static str;
    /// The input of the pipeline that it is part of.
    type Run: PipelineInput;
    /// The stages whose output it reads: `(InputGuard, Option<ProfileEnrich>)`. One that may skip is an `Option`.
    type Needs: Needs;
    /// What it makes; its checkpoint is this as JSON.
    type Output: Serialize + DeserializeOwned + Send + Sync + 'static;

    /// Works. Slow; no transaction is open; may be tried many times, so it changes nothing.
    ///
    /// # Errors
    /// If it can't: again, for good, or not now.
    fn execute(
        &self,
        cx: &StageContext<Self::Run>,
        needs: Values<Self>,
    ) -> impl Future<Output = Result<Outcome<Self::Output>, StageError>> + Send;

    /// What the run's readers are to have instead of all that was streamed to them, if this output takes it back.
    fn takes_back(&self, _output: &Self::Output) -> Option<String> {
        None
    }

    /// Writes what the stage changes in content. Fast; in the fenced transaction: once, or not at all. Called for
    /// stages of kind WORK, and for any that cancels its run.
    ///
    /// # Errors
    /// If the database refuses.
    fn effects(
        &self,
        _tx: &mut OrgTx<'_>,
        _cx: &StageContext<Self::Run>,
        _end: &Outcome<Self::Output>,
    ) -> impl Future<Output = Result<(), DatabaseError>> + Send {
        async { Ok(()) }
    }
}

/// How a stage ended well.
#[derive(Debug, Clone)]
pub enum Outcome<T> {
    /// Done.
    Done(T),
    /// Nothing to do, for this reason.
    Skip(&'static str),
    /// The run ends here.
    Cancel {
        /// Why.
        reason: StatusReason,
        /// What the run's readers get as its only text, before the end: a guard's polite words.
        reply: Option<String>,
    },
}

/// How a stage ended otherwise.
#[derive(Debug, Clone)]
pub enum StageError {
    /// Counted, and tried again; not before the duration, if there is one.
    Retry(Failure, Option<Duration>),
    /// The run fails.
    Fail(Failure),
    /// Not counted, and tried later; the text says why, for people.
    Snooze(Duration, SnoozeReason, String),
    /// The lease or the run is gone: there is nothing to settle. Said although the lease stands, the step is
    /// given back, and runs again.
    Lost,
}

impl From<DatabaseError> for StageError {
    /// A database that can't be reached is worth another try.
    fn from(_: DatabaseError) -> Self {
        Self::Retry(Failure::new(ErrorCode::StageFailed, "the database could not be read"), None)
    }
}

/// What a stage knows while it works.
#[derive(Debug, Clone)]
pub struct StageContext<R> {
    /// Its run.
    pub run: Arc<RunContext>,
    /// The pipeline's input.
    pub input: R,
    /// Its place in the graph.
    pub stage: usize,
    /// The number of this attempt, from 1.
    pub attempt: i16,
    /// After this many failures the step is dead.
    pub max_attempts: i16,
    /// The fence of this attempt.
    pub token: LeaseToken,
    /// Why the attempt before failed.
    pub last_error: Option<Failure>,
    /// Fires when the lease is lost or the run was cancelled: stop at once.
    pub cancelled: CancellationToken,
    /// Whether the lease may be believed to hold.
    pub contact: Contact,
    /// What it may reach.
    pub environment: Environment,
    /// Where a streaming stage writes its tokens.
    pub stream: Option<StreamHandle>,
}

impl<R> StageContext<R> {
    /// Whether a provider may be called now: not without contact to the database for a lease, when others may
    /// have taken this step, and not once it was cancelled.
    #[must_use]
    pub fn may_call(&self) -> bool {
        self.contact.is_held() && !self.cancelled.is_cancelled()
    }
}

/// The needs of a stage, as values.
pub type Values<S> = <<S as Stage>::Needs as Needs>::Values;

/// A checkpoint could not be read: the shape of an output changed without a new version of the pipeline.
#[derive(Debug, thiserror::Error)]
#[error("the checkpoint of {stage} is missing or not what this stage reads")]
pub struct NeedError {
    /// Whose checkpoint.
    pub stage: &'static str,
}

/// A tuple of stages, each plain or an `Option`.
pub trait Needs {
    /// Their outputs.
    type Values: Send;

    /// The names, and whether a skipped one is accepted: what the registry holds against the graph.
    fn declared() -> Vec<(&'static str, bool)>;

    /// Reads the outputs.
    ///
    /// # Errors
    /// If one is missing that must be there, or can't be read.
    fn read(checkpoint: &dyn Fn(&str) -> Option<Value>) -> Result<Self::Values, NeedError>;
}

/// One need: a stage, or an `Option` of one.
pub trait Need {
    /// Its output, or an `Option` of it.
    type Value: Send;
    /// The stage's name.
    const NAME: &'static str;
    /// Whether it may have been skipped.
    const OPTIONAL: bool;

    /// Reads its checkpoint.
    ///
    /// # Errors
    /// If it is missing and must be there, or can't be read.
    fn read(checkpoint: Option<Value>) -> Result<Self::Value, NeedError>;
}

impl<S: Stage> Need for S {
    type Value = S::Output;
    const NAME: &'static str = S::NAME;
    const OPTIONAL: bool = false;

    fn read(checkpoint: Option<Value>) -> Result<Self::Value, NeedError> {
        checkpoint.and_then(|value| serde_json::from_value(value).ok()).ok_or(NeedError { stage: S::NAME })
    }
}

impl<S: Stage> Need for Option<S> {
    type Value = Option<S::Output>;
    const NAME: &'static str = S::NAME;
    const OPTIONAL: bool = true;

    fn read(checkpoint: Option<Value>) -> Result<Self::Value, NeedError> {
        checkpoint.map(serde_json::from_value).transpose().map_err(|_| NeedError { stage: S::NAME })
    }
}

macro_rules! needs {
    ($($need:ident),*) => {
        impl<$($need: Need),*> Needs for ($($need,)*) {
            type Values = ($($need::Value,)*);

            fn declared() -> Vec<(&'static str, bool)> {
                vec![$(($need::NAME, $need::OPTIONAL)),*]
            }

            fn read(_checkpoint: &dyn Fn(&str) -> Option<Value>) -> Result<Self::Values, NeedError> {
                Ok(($($need::read(_checkpoint($need::NAME))?,)*))
            }
        }
    };
}

needs!();
needs!(A);
needs!(A, B);
needs!(A, B, C);
needs!(A, B, C, D);
needs!(A, B, C, D, E);
