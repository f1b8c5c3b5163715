//! The bytes: what is sent, and what is read of what comes back. Unknown members are left alone.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::exchange::Said;
use super::super::schema::{Schema, Shape};
use super::super::{self as provider, Finish, LlmRequest, ProviderError, Usage};
use super::JsonMode;

#[derive(Serialize)]
pub(super) struct Request<'a> {
    model: &'a str,
    messages: &'a [provider::Message],
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<ResponseFormat>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
}

#[derive(Serialize)]
struct ResponseFormat {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    json_schema: Option<JsonSchema>,
}

#[derive(Serialize)]
struct JsonSchema {
    name: &'static str,
    strict: bool,
    schema: &'static Shape,
}

impl ResponseFormat {
    fn of(schema: &'static Schema, mode: JsonMode) -> Option<Self> {
        let json_schema = JsonSchema { name: schema.name, strict: true, schema: &schema.shape };
        match mode {
            JsonMode::Schema => Some(Self { r#type: "json_schema", json_schema: Some(json_schema) }),
            JsonMode::Object => Some(Self { r#type: "json_object", json_schema: None }),
            JsonMode::Words => None,
        }
    }
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

impl<'a> Request<'a> {
    pub(super) fn new(request: &'a LlmRequest, mode: JsonMode) -> Self {
        Self {
            model: &request.model,
            messages: &request.messages,
            temperature: request.temperature,
            max_tokens: request.max_tokens,
            response_format: request.schema.and_then(|schema| ResponseFormat::of(schema, mode)),
            stream: request.stream,
            stream_options: request.stream.then_some(StreamOptions { include_usage: true }),
        }
    }
}

/// An event of a stream, or a whole answer: they differ in what a choice calls its text.
#[derive(Debug, Deserialize)]
pub(super) struct Chunk {
    choices: Option<Vec<Choice>>,
    usage: Option<WireUsage>,
    x_groq: Option<Groq>,
    pub(super) error: Option<WireError>,
}

impl Chunk {
    /// What it says, in order.
    pub(super) fn said(self) -> Vec<Said> {
        let usage = self.usage();
        let choice = self.choices.into_iter().flatten().next();
        choice.map(Choice::said).into_iter().flatten().chain(usage.map(Said::Usage)).collect()
    }

    fn usage(&self) -> Option<Usage> {
        let groq = self.x_groq.as_ref().and_then(|groq| groq.usage.as_ref());
        let usage = self.usage.as_ref().or(groq)?;
        Some(Usage { tokens_in: usage.prompt_tokens, tokens_out: usage.completion_tokens })
    }
}

#[derive(Debug, Deserialize)]
struct Groq {
    usage: Option<WireUsage>,
}

#[derive(Debug, Deserialize)]
struct WireUsage {
    #[serde(default)]
    prompt_tokens: u32,
    #[serde(default)]
    completion_tokens: u32,
}

#[derive(Debug, Deserialize)]
struct Choice {
    delta: Option<Message>,
    message: Option<Message>,
    finish_reason: Option<String>,
}

impl Choice {
    fn said(self) -> Vec<Said> {
        // More, or all.
        let Message { content, refusal } = self.delta.or(self.message).unwrap_or_default();
        let mut said = Vec::new();
        if refusal.is_some_and(|text| !text.is_empty()) {
            said.push(Said::Refused);
        }
        said.extend(content.map(Said::Text));
        match self.finish_reason.as_deref() {
            None | Some("") => {}
            Some("content_filter") => said.extend([Said::Refused, Said::Finish(Finish::Stop)]),
            Some("length" | "max_tokens") => said.push(Said::Finish(Finish::Length)),
            Some("tool_calls" | "function_call") => {
                said.push(Said::Fault(ProviderError::Malformed("a call of a tool")));
            }
            Some(_) => said.push(Said::Finish(Finish::Stop)),
        }
        said
    }
}

#[derive(Debug, Default, Deserialize)]
struct Message {
    content: Option<String>,
    refusal: Option<String>,
}

/// An error's body. `code` is a text with most vendors, a number with some.
#[derive(Debug, Default, Deserialize)]
pub(super) struct WireError {
    #[serde(default)]
    pub(super) message: Value,
    #[serde(default, rename = "type")]
    pub(super) kind: Value,
    #[serde(default)]
    pub(super) code: Value,
}

impl WireError {
    /// Reads `{"error": {…}}`, `{"error": "…"}`, and the list of one that Gemini sends.
    pub(super) fn read(body: &[u8]) -> Self {
        let Ok(value) = serde_json::from_slice::<Value>(body) else { return Self::default() };
        let value = value.get(0).unwrap_or(&value);
        let Some(error) = value.get("error") else { return Self::default() };
        match error {
            Value::String(message) => Self { message: message.as_str().into(), ..Self::default() },
            error => serde_json::from_value(error.clone()).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::schema::{line, member};
    use super::*;

    #[test]
    fn a_server_is_asked_for_json_as_it_knows_how() {
        static SCHEMA: Schema = Schema { name: "note", shape: Shape::Object(&[member("title", line("Short.", 10))]) };
        let mut asked = LlmRequest {
            model: "m".into(),
            messages: vec![],
            temperature: None,
            max_tokens: None,
            schema: Some(&SCHEMA),
            stream: true,
        };
        let format = |asked: &LlmRequest, mode| {
            let sent = serde_json::to_value(Request::new(asked, mode)).unwrap();
            sent.get("response_format").cloned()
        };
        let strict = json!({"type": "json_schema", "json_schema": {"name": "note", "strict": true, "schema": {
            "type": "object", "properties": {"title": {"type": "string", "description": "Short."}},
            "required": ["title"], "additionalProperties": false,
        }}});
        assert_eq!(format(&asked, JsonMode::Schema), Some(strict));
        assert_eq!(format(&asked, JsonMode::Object), Some(json!({"type": "json_object"})));
        assert_eq!(format(&asked, JsonMode::Words), None);
        asked.schema = None;
        assert_eq!(format(&asked, JsonMode::Schema), None);
    }
}
