//! `email`: one sales email, single or of a batch (the plan's 3.4 and 4.6).

use serde::{Deserialize, Serialize};

use super::{Pipeline, PipelineInput, enrich, guard, transform, work};
use crate::content::email::EmailType;
use crate::id::{ClientId, EmailId, EmailVersionId, ProductId, SessionId};
use crate::run::Lane;

/// The graph of an email.
pub static EMAIL: Pipeline = Pipeline::new(
    "email",
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
.tells(&["subject", "body", "call_to_action"]);

/// What an email is to be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EmailInput {
    /// The email, reserved when the run was submitted: new, or one that gets a new version.
    pub email_id: EmailId,
    /// What kind of email.
    pub email_type: EmailType,
    /// What it sells.
    pub product_id: Option<ProductId>,
    /// Whom it is to.
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
    pub previous: Option<EmailVersionId>,
}

impl PipelineInput for EmailInput {
    const PIPELINE: &'static Pipeline = &EMAIL;
}
