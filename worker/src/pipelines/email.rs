//! `email`: one sales email, single or of a batch.

use hellosales_core::content::email::{self, EmailType, GeneratedEmail};
use hellosales_core::pipeline::EmailInput;
use hellosales_core::{DatabaseError, EmailVersionId, ErrorCode, OrgTx};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::prompt::Template;
use crate::provider::schema::{Schema, Shape, line, list, member, text};
use crate::registry::Stages;
use crate::stage::Stage;
use crate::stages::written::{self, Asked, MERGE_FIELDS, Making, Persist, Written};

/// The stages of an email.
#[must_use]
pub fn stages() -> Stages {
    written::stages::<Email>()
}

/// An email's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Email {
    /// The subject line.
    pub subject: String,
    /// The text.
    pub body: String,
    /// What the reader is asked to do; an edited one may ask for nothing.
    pub call_to_action: Option<String>,
    /// The merge fields that it holds.
    pub personalization_fields: Vec<String>,
}

static FIELD: Shape = line("A field's name without braces, for example first_name", 100);
static SCHEMA: Schema = Schema {
    name: "email",
    shape: Shape::Object(&[
        member("subject", line("The subject line", 200)),
        member("body", text("The whole text of the email, from the greeting to the sign-off, in plain text", 10_000)),
        member("call_to_action", line("The one thing that the reader is asked to do, in one sentence", 1_000)),
        member(
            MERGE_FIELDS,
            list("The merge fields that subject and body hold; empty if they hold none", &FIELD, 0, 20),
        ),
    ]),
};

impl Written for Email {
    type Input = EmailInput;
    const TEMPLATE: Template = Template::Email;
    const SCHEMA: &'static Schema = &SCHEMA;
    const MAX_TOKENS: u32 = 1_500;
    const NOT_FOUND: ErrorCode = ErrorCode::EmailNotFound;

    fn asked(input: &EmailInput) -> Asked<'_> {
        Asked {
            kind: input.email_type.as_str(),
            title: match input.email_type {
                EmailType::ColdOutreach => "Cold outreach",
                EmailType::FollowUp => "Follow-up",
                EmailType::Proposal => "Proposal",
                EmailType::Closing => "Closing email",
                EmailType::General => "Email",
            },
            product_id: input.product_id,
            client_id: input.client_id,
            session_id: input.session_id,
            instructions: input.instructions.as_deref(),
            name: input.name.as_deref(),
            description: input.description.as_deref(),
            is_anew: input.previous.is_some(),
        }
    }

    fn of_answer(answer: Value) -> Result<Self, serde_json::Error> {
        let mut email: Self = serde_json::from_value(answer)?;
        // Models write them as they stand in the text, or twice.
        let mut fields: Vec<String> = Vec::new();
        for field in email.personalization_fields {
            let bare = field.trim_matches(|c: char| c.is_whitespace() || matches!(c, '{' | '}'));
            if !bare.is_empty() && !fields.iter().any(|known| known == bare) {
                fields.push(bare.to_owned());
            }
        }
        email.personalization_fields = fields;
        Ok(email)
    }

    fn texts(&self) -> Vec<(&'static str, &str)> {
        let mut texts = vec![("subject", self.subject.as_str()), ("body", self.body.as_str())];
        texts.extend(self.call_to_action.as_deref().map(|text| ("call_to_action", text)));
        texts.extend(self.personalization_fields.iter().map(|field| (MERGE_FIELDS, field.as_str())));
        texts
    }

    fn merge_fields(&self) -> Option<&[String]> {
        Some(&self.personalization_fields)
    }

    fn sent(&self) -> Option<(&str, &str)> {
        Some((&self.subject, &self.body))
    }

    async fn previous(tx: &mut OrgTx<'_>, input: &EmailInput) -> Result<Option<Self>, DatabaseError> {
        let Some(id) = input.previous else { return Ok(None) };
        let found = email::version_text(tx, id).await?;
        Ok(found.map(|found| Self {
            subject: found.subject,
            body: found.body,
            call_to_action: found.call_to_action,
            personalization_fields: found.personalization_fields,
        }))
    }

    async fn write(&self, tx: &mut OrgTx<'_>, input: &EmailInput, making: Making) -> Result<(), DatabaseError> {
        let email = GeneratedEmail {
            version_id: EmailVersionId::derived(making.generation.run_id, Persist::<Self>::NAME, 0),
            email_id: input.email_id,
            name: making.name,
            description: input.description.clone(),
            email_type: input.email_type,
            subject: self.subject.clone(),
            body: self.body.clone(),
            call_to_action: self.call_to_action.clone(),
            personalization_fields: self.personalization_fields.clone(),
            batch: making.batch,
            generation: making.generation,
        };
        email::write_generated(tx, &email).await
    }
}
