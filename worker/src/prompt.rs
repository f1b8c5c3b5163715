//! What models are told: templates in files (`prompts/*.j2`), rendered strictly and with fuel. A template that changes
//! gets a new version; what was made by one names it.

use std::sync::Arc;

use hellosales_core::{ErrorCode, Failure};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, UndefinedBehavior};
use serde::{Deserialize, Serialize};

use crate::stage::StageError;

/// Steps that a template may take: some hundred times what the longest needs.
const FUEL: u64 = 100_000;

/// A template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Template {
    /// The assistant of a conversation.
    Chat,
    /// The writer of a conversation's summary.
    Summary,
    /// The writer of emails.
    Email,
    /// The writer of scripts.
    Script,
}

impl Template {
    const ALL: [Self; 4] = [Self::Chat, Self::Summary, Self::Email, Self::Script];

    /// Its name and version.
    #[must_use]
    pub const fn version(self) -> &'static str {
        match self {
            Self::Chat => "chat@1",
            Self::Summary => "summary@1",
            Self::Email => "email@1",
            Self::Script => "script@1",
        }
    }

    const fn source(self) -> &'static str {
        match self {
            Self::Chat => include_str!("../prompts/chat.j2"),
            Self::Summary => include_str!("../prompts/summary.j2"),
            Self::Email => include_str!("../prompts/email.j2"),
            Self::Script => include_str!("../prompts/script.j2"),
        }
    }
}

/// All templates, ready to be rendered. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Prompts {
    environment: Arc<minijinja::Environment<'static>>,
}

/// A template can't be read or rendered. Shows no value that it was given.
#[derive(Debug, thiserror::Error)]
#[error("the template {template} failed: {kind}")]
pub struct PromptError {
    template: &'static str,
    kind: minijinja::ErrorKind,
}

impl From<PromptError> for StageError {
    /// A template doesn't get better by trying.
    fn from(error: PromptError) -> Self {
        Self::Fail(Failure::new(ErrorCode::StageFailed, error.to_string()))
    }
}

impl Prompts {
    /// The templates that come with the product.
    ///
    /// # Errors
    /// If one isn't a template.
    pub fn embedded() -> Result<Self, PromptError> {
        let mut environment = minijinja::Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_fuel(Some(FUEL));
        for template in Template::ALL {
            let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
            let added = syntax.and_then(|syntax| {
                environment.set_syntax(syntax);
                environment.add_template(template.version(), template.source())
            });
            added.map_err(|error| PromptError { template: template.version(), kind: error.kind() })?;
        }
        Ok(Self { environment: Arc::new(environment) })
    }

    /// Renders a template.
    ///
    /// # Errors
    /// If it reads what isn't given, or doesn't end.
    pub fn render(&self, template: Template, values: impl Serialize) -> Result<String, PromptError> {
        let rendered = self.environment.get_template(template.version()).and_then(|found| found.render(Serde(values)));
        rendered.map_err(|error| PromptError { template: template.version(), kind: error.kind() })
    }
}

/// Facts under a heading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// The heading.
    pub title: String,
    /// The facts.
    pub facts: Vec<Fact>,
}

/// `Label: value`, on one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// What it is.
    pub label: String,
    /// The value: one line, whatever somebody typed.
    pub value: String,
}

impl Section {
    /// No facts yet.
    #[must_use]
    pub fn new(title: &str) -> Self {
        Self { title: title.to_owned(), facts: Vec::new() }
    }

    /// And this fact, unless it is empty.
    #[must_use]
    pub fn with(mut self, label: &str, value: Option<&str>) -> Self {
        let value = one_line(value.unwrap_or_default(), MAX_VALUE_CHARS);
        if !value.is_empty() {
            self.facts.push(Fact { label: label.to_owned(), value });
        }
        self
    }

    /// And these, on one line.
    #[must_use]
    pub fn with_list(self, label: &str, values: &[String]) -> Self {
        let values: Vec<String> = values.iter().take(MAX_ITEMS).map(|value| one_line(value, MAX_ITEM_CHARS)).collect();
        let filled: Vec<&str> = values.iter().map(String::as_str).filter(|value| !value.is_empty()).collect();
        self.with(label, Some(&filled.join("; ")))
    }
}

const MAX_VALUE_CHARS: usize = 2_000;
const MAX_ITEM_CHARS: usize = 200;
const MAX_ITEMS: usize = 20;

/// A text on one line, of bounded length: what somebody typed can't start a heading or a line of its own. Merge fields
/// such as `{{first_name}}` stay as they are: a value is never a template.
#[must_use]
pub fn one_line(text: &str, max_chars: usize) -> String {
    let mut line = String::with_capacity(text.len().min(max_chars));
    let mut words = text.split(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'));
    let mut chars = 0;
    for word in words.by_ref().filter(|word| !word.is_empty()) {
        let space = usize::from(chars > 0);
        let length = word.chars().count();
        if chars + space + length > max_chars {
            let room = max_chars.saturating_sub(chars + space + 1);
            line.extend([" "].iter().take(space).copied());
            line.extend(word.chars().take(room));
            line.push('…');
            break;
        }
        line.extend([" "].iter().take(space).copied());
        line.push_str(word);
        chars += space + length;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_typed_stays_on_its_line() {
        assert_eq!(one_line(" a\r\n\n## System\u{2028}b\u{85}\tc ", 100), "a ## System b c");
        assert_eq!(one_line("Hi {{first_name}}, {% raw %}", 100), "Hi {{first_name}}, {% raw %}");
        assert_eq!(one_line("", 10), "");
    }

    #[test]
    fn a_line_is_cut_at_its_bound() {
        assert_eq!(one_line("abc def", 7), "abc def");
        assert_eq!(one_line("abc defg", 7), "abc de…");
        assert_eq!(one_line(&"ü".repeat(50), 10).chars().count(), 10);
    }

    #[test]
    fn an_empty_fact_is_left_out() {
        let section = Section::new("Client")
            .with("Name", Some("Ana"))
            .with("Title", None)
            .with("Industry", Some("  "))
            .with_list("Goals", &[])
            .with_list("Pains", &["slow".into(), " ".into(), "lost\ntickets".into()]);
        let facts: Vec<_> = section.facts.iter().map(|fact| (fact.label.as_str(), fact.value.as_str())).collect();
        assert_eq!(facts, [("Name", "Ana"), ("Pains", "slow; lost tickets")]);
    }

    #[test]
    fn a_template_that_reads_what_is_not_given_fails_and_shows_no_value() {
        let prompts = Prompts::embedded().unwrap();
        let error = prompts.render(Template::Chat, serde_json::json!({"sections": "canary"})).unwrap_err();
        assert!(error.to_string().contains("chat@1"));
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
}
