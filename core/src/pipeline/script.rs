//! `script`: one sales script (the plan's 3.4 and 4.6).

use serde::{Deserialize, Serialize};

use super::{Pipeline, PipelineInput, enrich, guard, transform, work};
use crate::content::script::ScriptType;
use crate::id::{ClientId, ProductId, ScriptId, ScriptVersionId, SessionId};
use crate::run::Lane;

/// The graph of a script.
pub static SCRIPT: Pipeline = Pipeline::new(
    "script",
    1,
    Lane::Standard,
    &[
        guard("input_guard"),
        enrich("product_enrich"),
        enrich("client_enrich"),
        enrich("company_enrich"),
        transform("llm")
            .needs(&["input_guard", "product_enrich", "client_enrich", "company_enrich"])
            .max_attempts(5)
            .timeout_ms(60_000)
            .streams(),
        guard("output_guard").needs(&["llm"]),
        work("persist").needs(&["product_enrich", "client_enrich", "company_enrich", "output_guard"]),
    ],
)
.tells(&["content", "key_talking_points", "objection_handlers", "discovery_questions", "closing_techniques"]);

/// What a script is to be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ScriptInput {
    /// The script, reserved when the run was submitted: new, or one that gets a new version.
    pub script_id: ScriptId,
    /// What kind of script.
    pub script_type: ScriptType,
    /// What it sells.
    pub product_id: Option<ProductId>,
    /// Whom it is for.
    pub client_id: Option<ClientId>,
    /// What the user asks for, in their own words.
    pub instructions: Option<String>,
    /// What it is to be called; made from its type, product and client if nobody said.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// The conversation that asked for it.
    pub session_id: Option<SessionId>,
    /// The version that is written anew, whose text the model is shown.
    pub previous: Option<ScriptVersionId>,
}

impl PipelineInput for ScriptInput {
    const PIPELINE: &'static Pipeline = &SCRIPT;
}
