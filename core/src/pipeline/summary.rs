//! `summary`: the older part of a conversation, told shorter (the plan's 4.7).

use serde::{Deserialize, Serialize};

use super::{Pipeline, PipelineInput, enrich, transform, work};
use crate::run::Lane;

/// The graph of a summary.
pub static SUMMARY: Pipeline = Pipeline::new(
    "summary",
    1,
    Lane::Standard,
    &[
        enrich("history_enrich"),
        transform("llm").needs(&["history_enrich"]).max_attempts(5).timeout_ms(60_000),
        work("persist").needs(&["llm"]),
    ],
);

/// What a summary is made of.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SummaryInput {
    /// The last interaction that it covers.
    pub cutoff_sequence: i32,
    /// The turns that it was asked for after; taken off the session's count when it is written.
    pub turns_counted: i32,
}

impl PipelineInput for SummaryInput {
    const PIPELINE: &'static Pipeline = &SUMMARY;
}
