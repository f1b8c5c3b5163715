//! `script`: one sales script.

use std::collections::BTreeMap;

use hellosales_core::content::script::{self, GeneratedScript, ScriptType};
use hellosales_core::pipeline::ScriptInput;
use hellosales_core::{DatabaseError, ErrorCode, OrgTx, ScriptVersionId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::prompt::Template;
use crate::provider::schema::{Schema, Shape, line, list, member, text};
use crate::registry::Stages;
use crate::stage::Stage;
use crate::stages::written::{self, Asked, Making, Persist, Written};

/// The stages of a script.
#[must_use]
pub fn stages() -> Stages {
    written::stages::<Script>()
}

/// A script's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Script {
    /// The words to say.
    pub content: String,
    /// What must be said.
    pub key_talking_points: Vec<String>,
    /// What to answer, by objection.
    pub objection_handlers: BTreeMap<String, String>,
    /// What to ask.
    pub discovery_questions: Vec<String>,
    /// How to ask for the decision.
    pub closing_techniques: Vec<String>,
}

static ITEM: Shape = text("", 1_000);
static HANDLER: Shape = Shape::Object(&[
    member("objection", line("The objection, as the client would say it", 500)),
    member("response", text("What to answer", 1_000)),
]);
static SCHEMA: Schema = Schema {
    name: "script",
    shape: Shape::Object(&[
        member("content", text("The whole script in plain text, as it is spoken, with its parts in order", 20_000)),
        member("key_talking_points", list("What must be said, three to six points", &ITEM, 1, 20)),
        // Strict schemas have no free-form objects: pairs travel as a list, and are kept as an object.
        member(
            "objection_handlers",
            list("The likeliest objections, two to five, each with its answer", &HANDLER, 0, 20),
        ),
        member("discovery_questions", list("Open questions to the client, three to six", &ITEM, 0, 20)),
        member("closing_techniques", list("Ways to ask for the next step, two to four, in words to say", &ITEM, 0, 20)),
    ]),
};

/// The answer, as it travels.
#[derive(Deserialize)]
struct Told {
    content: String,
    key_talking_points: Vec<String>,
    objection_handlers: Vec<Handler>,
    discovery_questions: Vec<String>,
    closing_techniques: Vec<String>,
}

#[derive(Deserialize)]
struct Handler {
    objection: String,
    response: String,
}

impl Written for Script {
    type Input = ScriptInput;
    const TEMPLATE: Template = Template::Script;
    const SCHEMA: &'static Schema = &SCHEMA;
    const MAX_TOKENS: u32 = 3_500;
    const NOT_FOUND: ErrorCode = ErrorCode::ScriptNotFound;

    fn asked(input: &ScriptInput) -> Asked<'_> {
        Asked {
            kind: input.script_type.as_str(),
            title: match input.script_type {
                ScriptType::ColdCall => "Cold call script",
                ScriptType::FollowUp => "Follow-up script",
                ScriptType::Demo => "Demo script",
                ScriptType::Closing => "Closing script",
                ScriptType::General => "Script",
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
        let told: Told = serde_json::from_value(answer)?;
        let mut objection_handlers = BTreeMap::new();
        for Handler { objection, response } in told.objection_handlers {
            // The first answer to an objection is the one it thought of first.
            objection_handlers.entry(objection).or_insert(response);
        }
        Ok(Self {
            content: told.content,
            key_talking_points: told.key_talking_points,
            objection_handlers,
            discovery_questions: told.discovery_questions,
            closing_techniques: told.closing_techniques,
        })
    }

    fn texts(&self) -> Vec<(&'static str, &str)> {
        let mut texts = vec![("content", self.content.as_str())];
        texts.extend(named("key_talking_points", &self.key_talking_points));
        for (objection, response) in &self.objection_handlers {
            texts.extend([("objection_handlers", objection.as_str()), ("objection_handlers", response.as_str())]);
        }
        texts.extend(named("discovery_questions", &self.discovery_questions));
        texts.extend(named("closing_techniques", &self.closing_techniques));
        texts
    }

    async fn previous(tx: &mut OrgTx<'_>, input: &ScriptInput) -> Result<Option<Self>, DatabaseError> {
        let Some(id) = input.previous else { return Ok(None) };
        let found = script::version_text(tx, id).await?;
        Ok(found.map(|found| Self {
            content: found.content,
            key_talking_points: found.key_talking_points,
            objection_handlers: found.objection_handlers,
            discovery_questions: found.discovery_questions,
            closing_techniques: found.closing_techniques,
        }))
    }

    async fn write(&self, tx: &mut OrgTx<'_>, input: &ScriptInput, making: Making) -> Result<(), DatabaseError> {
        let script = GeneratedScript {
            version_id: ScriptVersionId::derived(making.generation.run_id, Persist::<Self>::NAME, 0),
            script_id: input.script_id,
            name: making.name,
            description: input.description.clone(),
            script_type: input.script_type,
            content: self.content.clone(),
            key_talking_points: self.key_talking_points.clone(),
            objection_handlers: self.objection_handlers.clone(),
            discovery_questions: self.discovery_questions.clone(),
            closing_techniques: self.closing_techniques.clone(),
            generation: making.generation,
        };
        script::write_generated(tx, &script).await
    }
}

fn named<'a>(name: &'static str, items: &'a [String]) -> impl Iterator<Item = (&'static str, &'a str)> {
    items.iter().map(move |item| (name, item.as_str()))
}
