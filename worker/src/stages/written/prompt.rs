//! The prompt of a thing to be written: the rules of its type from us, and from the user one message with the facts and
//! what they ask for, in which every line says by how it begins what it is.

use serde::Serialize;

use super::{Asked, KnownClient, KnownCompany, KnownProduct, Written};
use crate::prompt::{PromptError, Prompts, Section};
use crate::provider::{Message, Speaker};

/// What a model is told beside the rules.
pub(super) struct Told<'a, W> {
    pub(super) asked: Asked<'a>,
    pub(super) product: Option<&'a KnownProduct>,
    pub(super) client: Option<&'a KnownClient>,
    pub(super) company: Option<&'a KnownCompany>,
    pub(super) previous: Option<&'a W>,
    pub(super) fault: Option<&'a str>,
}

/// What the template reads.
#[derive(Serialize)]
struct Values<'a> {
    part: Part,
    kind: &'a str,
    has_product: bool,
    has_client: bool,
    has_sender: bool,
    sections: Vec<&'a Section>,
    purpose: Vec<String>,
    previous: Vec<Previous>,
    instructions: Vec<String>,
    fault: Option<&'a str>,
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
enum Part {
    Rules,
    Task,
}

/// A text of the version that is written anew.
#[derive(Serialize)]
struct Previous {
    field: &'static str,
    lines: Vec<String>,
}

/// The rules, and the task.
pub(super) fn messages<W: Written>(prompts: &Prompts, told: &Told<'_, W>) -> Result<Vec<Message>, PromptError> {
    let message = |role, part| {
        let content = prompts.render(W::TEMPLATE, values(told, part))?.trim().to_owned();
        Ok(Message { role, content })
    };
    Ok(vec![message(Speaker::System, Part::Rules)?, message(Speaker::User, Part::Task)?])
}

fn values<'a, W: Written>(told: &Told<'a, W>, part: Part) -> Values<'a> {
    let company = told.company.into_iter().flat_map(|company| &company.sections);
    let product = told.product.map(|product| &product.section);
    let client = told.client.map(|client| &client.section);
    let sections: Vec<&Section> = company.chain(product).chain(client).collect();
    let texts = told.previous.map(Written::texts).unwrap_or_default();
    Values {
        part,
        kind: told.asked.kind,
        has_product: product.is_some(),
        has_client: client.is_some(),
        has_sender: sections.iter().any(|section| section.title == "Sender"),
        sections,
        purpose: lines(told.asked.description.unwrap_or_default()),
        previous: texts.into_iter().map(|(field, text)| Previous { field, lines: lines(text) }).collect(),
        instructions: lines(told.asked.instructions.unwrap_or_default()),
        fault: told.fault,
    }
}

/// The lines of a text, none of them empty: the template puts a mark before each, so that none can pass for a heading.
fn lines(text: &str) -> Vec<String> {
    let breaks = ['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'];
    let lines = text.split(breaks).map(|line| line.replace(char::is_control, " "));
    lines.map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
}
