//! From typed stages to what the ring can call: the one place where a stage's types are forgotten.

use std::sync::Arc;

use futures::future::BoxFuture;
use hellosales_core::pipeline::{PipelineInput, StageKind};
use hellosales_core::queue::{ClaimedStep, Effects, End};
use hellosales_core::step::MAX_OUTPUT_BYTES;
use hellosales_core::{DatabaseError, ErrorCode, Failure, OrgTx};
use serde::Deserialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::environment::Environment;
use crate::leases::Contact;
use crate::stage::{Needs, Outcome, Stage, StageContext, StageError};
use crate::stream::StreamHandle;

/// What a stage is given, its types forgotten.
#[derive(Debug)]
pub struct Work<'s> {
    /// The step.
    pub step: &'s ClaimedStep,
    /// Stops it.
    pub cancelled: CancellationToken,
    /// Whether the lease holds.
    pub contact: Contact,
    /// What it may reach.
    pub environment: Environment,
    /// Where it streams.
    pub stream: Option<StreamHandle>,
}

/// What came of it.
pub enum Executed {
    /// To be settled.
    Ended {
        /// How.
        end: End,
        /// And with it.
        effects: Option<Arc<dyn Effects>>,
        /// What readers are to have instead of what was streamed.
        instead: Option<String>,
    },
    /// The stage found its lease or its run gone.
    Lost,
}

impl Executed {
    pub(crate) const fn plain(end: End) -> Self {
        Self::Ended { end, effects: None, instead: None }
    }
}

impl std::fmt::Debug for Executed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ended { effects, .. } => {
                f.debug_struct("Ended").field("effects", &effects.is_some()).finish_non_exhaustive()
            }
            Self::Lost => f.write_str("Lost"),
        }
    }
}

/// A stage whose types are forgotten.
pub trait ErasedStage: Send + Sync {
    /// Its name in the graph.
    fn name(&self) -> &'static str;
    /// The pipeline whose input it takes.
    fn input_of(&self) -> &'static str;
    /// What it reads, and whether it may do without.
    fn needs(&self) -> Vec<(&'static str, bool)>;
    /// An output as its dependants read it from its checkpoint, written again: the same, or it doesn't survive there.
    ///
    /// # Errors
    /// If it can't be read.
    fn reread(&self, output: &Value) -> Result<Value, serde_json::Error>;
    /// Works on a step: reads its input and needs, executes, and makes of the outcome an end and its effects.
    fn execute<'a>(&'a self, work: Work<'a>) -> BoxFuture<'a, Executed>;
}

pub(super) fn erase<S: Stage>(stage: S) -> Arc<dyn ErasedStage> {
    Arc::new(Typed(Arc::new(stage)))
}

struct Typed<S>(Arc<S>);

impl<S: Stage> ErasedStage for Typed<S> {
    fn name(&self) -> &'static str {
        S::NAME
    }

    fn input_of(&self) -> &'static str {
        <S::Run as PipelineInput>::PIPELINE.name
    }

    fn needs(&self) -> Vec<(&'static str, bool)> {
        S::Needs::declared()
    }

    fn reread(&self, output: &Value) -> Result<Value, serde_json::Error> {
        serde_json::to_value(S::Output::deserialize(output)?)
    }

    fn execute<'a>(&'a self, work: Work<'a>) -> BoxFuture<'a, Executed> {
        Box::pin(async move {
            match self.run(work).await {
                Ok(executed) => executed,
                Err(failure) => Executed::plain(End::Fail(failure)),
            }
        })
    }
}

impl<S: Stage> Typed<S> {
    async fn run(&self, work: Work<'_>) -> Result<Executed, Failure> {
        let step = work.step;
        let input = S::Run::deserialize(&step.run().input)
            .map_err(|_| Failure::new(ErrorCode::StageFailed, "the run's input is not what this pipeline reads"))?;
        let checkpoint = |name: &str| step.pipeline().stage(name).and_then(|n| step.need(n)).cloned();
        let needs =
            S::Needs::read(&checkpoint).map_err(|error| Failure::new(ErrorCode::StageFailed, error.to_string()))?;
        let cx = StageContext {
            run: Arc::clone(step.run()),
            input,
            stage: step.stage(),
            attempt: step.attempt(),
            max_attempts: step.max_attempts(),
            token: step.token(),
            last_error: step.last_error().cloned(),
            cancelled: work.cancelled,
            contact: work.contact,
            environment: work.environment,
            stream: work.stream,
        };
        match self.0.execute(&cx, needs).await {
            Ok(outcome) => self.ended(step, cx, outcome),
            Err(StageError::Retry(failure, retry_after)) => Ok(Executed::plain(End::Retry { failure, retry_after })),
            Err(StageError::Fail(failure)) => Err(failure),
            Err(StageError::Snooze(delay, reason, detail)) => {
                Ok(Executed::plain(End::Snooze { delay, reason, detail }))
            }
            Err(StageError::Lost) => Ok(Executed::Lost),
        }
    }

    fn ended(
        &self,
        step: &ClaimedStep,
        cx: StageContext<S::Run>,
        outcome: Outcome<S::Output>,
    ) -> Result<Executed, Failure> {
        let end = match &outcome {
            Outcome::Done(output) => End::Ok(checkpoint_of(output)?),
            Outcome::Skip(reason) => End::Skip { reason: (*reason).to_owned() },
            Outcome::Cancel { reason, reply } => End::Cancel { reason: *reason, reply: reply.clone() },
        };
        let instead = match &outcome {
            Outcome::Done(output) => self.0.takes_back(output),
            _ => None,
        };
        let has_effects = step.shape().kind == StageKind::Work || matches!(end, End::Cancel { .. });
        let effects: Option<Arc<dyn Effects>> =
            has_effects.then(|| Arc::new(TypedEffects { stage: Arc::clone(&self.0), cx, outcome }) as _);
        Ok(Executed::Ended { end, effects, instead })
    }
}

fn checkpoint_of<T: serde::Serialize>(output: &T) -> Result<Value, Failure> {
    let unreadable = |_| Failure::new(ErrorCode::StageFailed, "the stage's output could not be written as JSON");
    let text = serde_json::to_vec(output).map_err(unreadable)?;
    if text.len() > MAX_OUTPUT_BYTES {
        return Err(Failure::new(ErrorCode::StageFailed, "the stage's output is larger than a checkpoint may be"));
    }
    serde_json::from_slice(&text).map_err(unreadable)
}

/// A stage's effects and what they need to know, kept until the settlement has committed.
struct TypedEffects<S: Stage> {
    stage: Arc<S>,
    cx: StageContext<S::Run>,
    outcome: Outcome<S::Output>,
}

impl<S: Stage> Effects for TypedEffects<S> {
    fn apply<'a>(&'a self, tx: &'a mut OrgTx<'_>) -> BoxFuture<'a, Result<(), DatabaseError>> {
        Box::pin(self.stage.effects(tx, &self.cx, &self.outcome))
    }
}
