//! What stages may reach.

use hellosales_core::Database;

use crate::config::PipelineConfig;
use crate::guard::Guard;
use crate::prompt::Prompts;
use crate::provider::call::LlmDoor;
use crate::stages::written::SourceReads;

/// What stages may reach: at most seven things, each cheap to clone.
#[derive(Debug, Clone)]
pub struct Environment {
    /// The database, in the worker's role.
    pub database: Database,
    /// The door to the model.
    pub llm: LlmDoor,
    /// What may be asked and answered.
    pub guard: Guard,
    /// What models are told.
    pub prompts: Prompts,
    /// What texts are written from.
    pub sources: SourceReads,
    /// What operators say.
    pub config: PipelineConfig,
}
