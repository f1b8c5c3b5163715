//! The context of a dead letter: all that its stages could know, so that it can be played again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::id::{BatchId, InteractionId, OrgId, RunId, SessionId, UserId};
use crate::pipeline::{self, Pipeline};
use crate::queue::RunContext;
use crate::run::QualityMode;

/// What was known when a run died. Of letters that were written before, some of it is not there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns of pipeline_runs, by their names")]
pub struct Snapshot {
    pub pipeline_run_id: RunId,
    pub org_id: OrgId,
    pub user_id: Option<UserId>,
    pub session_id: Option<SessionId>,
    pub request_id: Option<String>,
    pub generation: i32,
    pub turn: Option<i32>,
    pub done: u64,
    pub user_sequence: Option<i32>,
    pub quality_mode: Option<QualityMode>,
    #[serde(default)]
    pub pipeline: Option<String>,
    #[serde(default)]
    pub pipeline_version: Option<i32>,
    #[serde(default)]
    pub lane: Option<String>,
    #[serde(default)]
    pub stream: bool,
    #[serde(default)]
    pub interaction_id: Option<InteractionId>,
    #[serde(default)]
    pub target_type: Option<String>,
    #[serde(default)]
    pub target_id: Option<Uuid>,
    #[serde(default)]
    pub parent_run_id: Option<RunId>,
    #[serde(default)]
    pub batch_id: Option<BatchId>,
    #[serde(default)]
    pub batch_n: Option<i32>,
    #[serde(default)]
    pub traceparent: Option<String>,
    #[serde(default)]
    pub model_override: Option<String>,
    /// What finished stages gave, by their names.
    #[serde(default)]
    pub outputs: Option<BTreeMap<String, Value>>,
}

impl Snapshot {
    /// The graph, if this program knows it.
    #[must_use]
    pub fn pipeline(&self) -> Option<&'static Pipeline> {
        pipeline::find(self.pipeline.as_deref()?, self.pipeline_version?)
    }

    /// What its stages were told, with the letter's input.
    #[must_use]
    pub fn context(&self, input: Value) -> RunContext {
        RunContext {
            id: self.pipeline_run_id,
            org_id: self.org_id,
            user_id: self.user_id,
            session_id: self.session_id,
            batch: self.batch_id.zip(self.batch_n),
            interaction_id: self.interaction_id,
            request_id: self.request_id.clone(),
            traceparent: self.traceparent.clone(),
            generation: self.generation,
            user_sequence: self.user_sequence,
            stream: self.stream,
            quality_mode: self.quality_mode.unwrap_or(QualityMode::Balanced),
            model_override: self.model_override.clone(),
            input,
        }
    }

    /// What this stage had to go by: the outputs of finished ones, by their places in the graph.
    #[must_use]
    pub fn needs(&self, pipeline: &Pipeline) -> BTreeMap<usize, Value> {
        let outputs = self.outputs.iter().flatten();
        outputs.filter_map(|(stage, output)| Some((pipeline.stage(stage)?, output.clone()))).collect()
    }
}
