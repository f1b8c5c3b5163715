//! What scripts and emails have in common when a run wrote them.

use serde::{Deserialize, Serialize};

use crate::id::{ClientId, ProductId, RunId, SessionId, UserId};

/// Why a text may not be worth sending: found by rules, not by a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// What kind: `UNSUPPORTED_NUMBER`, `TEMPLATE_LEFTOVER` and so on.
    pub code: String,
    /// The words in question.
    pub text: String,
}

/// What a text was written from: the facts of each source as they were read (`facts_digest` of its row).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sources {
    /// Of the product.
    pub product_digest: Option<String>,
    /// Of the client.
    pub client_digest: Option<String>,
    /// Of the company profile.
    pub company_digest: Option<String>,
}

/// How a text came about.
#[derive(Debug, Clone)]
pub struct Generation {
    /// The run that wrote it.
    pub run_id: RunId,
    /// Who asked for it.
    pub created_by: Option<UserId>,
    /// The conversation that asked for it.
    pub session_id: Option<SessionId>,
    /// What it sells.
    pub product_id: Option<ProductId>,
    /// Whom it is for.
    pub client_id: Option<ClientId>,
    /// What the user asked for.
    pub instructions: Option<String>,
    /// Who answered.
    pub provider: String,
    /// Which model.
    pub model: String,
    /// The template, with its version.
    pub prompt_version: String,
    /// What it was written from.
    pub sources: Sources,
    /// Why it may not be worth sending.
    pub warnings: Vec<Warning>,
}
