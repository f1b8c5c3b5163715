//! `chat`: one turn of a conversation (the plan's 4.2).

use serde::{Deserialize, Serialize};

use super::{Pipeline, PipelineInput, enrich, guard, transform, work};
use crate::id::InteractionId;
use crate::run::Lane;

/// The graph of a turn.
pub static CHAT: Pipeline = Pipeline::new(
    "chat",
    1,
    Lane::Interactive,
    &[
        guard("input_guard"),
        enrich("profile_enrich"),
        enrich("summary_enrich"),
        transform("llm")
            .needs(&["input_guard", "profile_enrich", "summary_enrich"])
            .max_attempts(5)
            .timeout_ms(60_000)
            .streams(),
        guard("output_guard").needs(&["llm"]),
        work("persist").needs(&["output_guard"]),
    ],
);

/// What a turn is given.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChatInput {
    /// What the user said.
    pub message: String,
    /// The client's own id of the message.
    pub message_id: Option<String>,
    /// The user's interaction.
    pub user_interaction_id: InteractionId,
    /// The assistant's, reserved when the turn was accepted.
    pub assistant_interaction_id: InteractionId,
    /// Sampling temperature, 0 to 2.
    pub temperature: Option<f64>,
    /// The most tokens that the answer may have.
    pub max_tokens: Option<u32>,
}

impl PipelineInput for ChatInput {
    const PIPELINE: &'static Pipeline = &CHAT;
}
