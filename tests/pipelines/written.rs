//! What tests ask to be written.

use hellosales_core::content::email::EmailType;
use hellosales_core::content::script::ScriptType;
use hellosales_core::pipeline::{EmailInput, ScriptInput};
use hellosales_core::{EmailId, ScriptId};

use super::bench::Bench;

/// A new email of this type about nothing, to nobody.
pub(super) fn plain_email(email_type: EmailType) -> EmailInput {
    EmailInput {
        email_id: EmailId::new(),
        email_type,
        product_id: None,
        client_id: None,
        instructions: None,
        name: None,
        description: None,
        session_id: None,
        previous: None,
    }
}

/// A new script of this type about nothing, for nobody.
pub(super) fn plain_script(script_type: ScriptType) -> ScriptInput {
    ScriptInput {
        script_id: ScriptId::new(),
        script_type,
        product_id: None,
        client_id: None,
        instructions: None,
        name: None,
        description: None,
        session_id: None,
        previous: None,
    }
}

/// A follow-up to Ana Reyes about Beacon.
pub(super) async fn email(bench: &Bench<'_>, instructions: &str) -> EmailInput {
    let (product, client) = bench.content("Ana Reyes").await;
    EmailInput {
        product_id: Some(product),
        client_id: Some(client),
        instructions: Some(instructions.to_owned()),
        ..plain_email(EmailType::FollowUp)
    }
}

/// A demo for Ana Reyes of Beacon.
pub(super) async fn script(bench: &Bench<'_>, instructions: &str) -> ScriptInput {
    let (product, client) = bench.content("Ana Reyes").await;
    ScriptInput {
        product_id: Some(product),
        client_id: Some(client),
        instructions: Some(instructions.to_owned()),
        ..plain_script(ScriptType::Demo)
    }
}
