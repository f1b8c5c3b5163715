//! `summary`: the older part of a conversation, told shorter. It belongs to a session and is no turn of it.

mod history_enrich;
mod llm;
mod persist;
mod prompt;

pub use history_enrich::{History, HistoryEnrich};
pub use llm::{Llm, Written};
pub use persist::Persist;

use crate::registry::Stages;

/// The stages of a summary.
#[must_use]
pub fn stages() -> Stages {
    Stages::new().with(HistoryEnrich).with(Llm).with(Persist)
}
