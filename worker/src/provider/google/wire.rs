//! The bytes: what is sent, and what is read of what comes back. Unknown members are left alone.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::exchange::Said;
use super::super::openai::JsonMode;
use super::super::{Finish, LlmRequest, ProviderError, Speaker, Usage};
use super::schema::Json;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request<'a> {
    contents: Vec<Content<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_instruction: Option<Content<'a>>,
    generation_config: Config,
}

#[derive(Serialize)]
struct Content<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    parts: Vec<Part<'a>>,
}

#[derive(Serialize)]
struct Part<'a> {
    text: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_mime_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_json_schema: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_config: Option<Thinking>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Thinking {
    ThinkingBudget(u32),
    ThinkingLevel(&'static str),
}

impl Thinking {
    /// As little as the model allows: thoughts are paid for, take their time before the first token, and are counted against
    /// the most tokens that the answer may have. A model that we don't know thinks as it likes.
    fn of(model: &str) -> Option<Self> {
        let name = model.rsplit('/').next().unwrap_or(model);
        if name.starts_with("gemini-2.5-flash") {
            Some(Self::ThinkingBudget(0))
        } else if name.starts_with("gemini-2.5-pro") {
            Some(Self::ThinkingBudget(128))
        } else if name.starts_with("gemini-3") {
            Some(Self::ThinkingLevel("low"))
        } else {
            None
        }
    }
}

impl<'a> Request<'a> {
    pub(super) fn new(request: &'a LlmRequest, mode: JsonMode) -> Self {
        let (told, said): (Vec<_>, Vec<_>) =
            request.messages.iter().partition(|message| message.role == Speaker::System);
        let part = |text: &'a String| Part { text };
        let contents = said.into_iter().map(|message| {
            let role = if message.role == Speaker::Assistant { "model" } else { "user" };
            Content { role: Some(role), parts: vec![part(&message.content)] }
        });
        let told: Vec<_> = told.into_iter().map(|message| part(&message.content)).collect();
        let schema = request.schema.filter(|_| mode == JsonMode::Schema);
        Self {
            contents: contents.collect(),
            system_instruction: (!told.is_empty()).then_some(Content { role: None, parts: told }),
            generation_config: Config {
                temperature: request.temperature,
                max_output_tokens: request.max_tokens,
                response_mime_type: request.schema.filter(|_| mode != JsonMode::Words).map(|_| "application/json"),
                response_json_schema: schema.map(|schema| Json(&schema.shape)),
                thinking_config: Thinking::of(&request.model),
            },
        }
    }
}

/// An event of a stream, or a whole answer: they are the same.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Chunk {
    candidates: Option<Vec<Candidate>>,
    prompt_feedback: Option<Feedback>,
    usage_metadata: Option<WireUsage>,
    pub(super) error: Option<WireError>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    content: Option<Answered>,
    finish_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Answered {
    parts: Option<Vec<Piece>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Piece {
    text: Option<String>,
    #[serde(default)]
    thought: bool,
    function_call: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Feedback {
    block_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireUsage {
    #[serde(default)]
    prompt_token_count: u32,
    #[serde(default)]
    tool_use_prompt_token_count: u32,
    #[serde(default)]
    candidates_token_count: u32,
    /// What it thought, which is paid for as what it said.
    #[serde(default)]
    thoughts_token_count: u32,
}

impl From<WireUsage> for Usage {
    fn from(usage: WireUsage) -> Self {
        Self {
            tokens_in: usage.prompt_token_count.saturating_add(usage.tool_use_prompt_token_count),
            tokens_out: usage.candidates_token_count.saturating_add(usage.thoughts_token_count),
        }
    }
}

impl Chunk {
    /// What it says, in order. Usage grows from event to event: that of the last one counts, and an answer that breaks off
    /// before is counted by us.
    pub(super) fn said(self) -> Vec<Said> {
        let mut said = Vec::new();
        if let Some(candidate) = self.candidates.into_iter().flatten().next() {
            candidate.say(&mut said);
        }
        if self.prompt_feedback.is_some_and(|feedback| feedback.block_reason.is_some()) {
            said.push(Said::Refused);
        }
        let ends = said.iter().any(|said| !matches!(said, Said::Text(_)));
        if let Some(usage) = self.usage_metadata.filter(|_| ends) {
            // Before a fault: what was thought up to it is paid for.
            said.insert(0, Said::Usage(usage.into()));
        }
        said
    }
}

impl Candidate {
    fn say(self, said: &mut Vec<Said>) {
        let parts = self.content.and_then(|content| content.parts);
        for Piece { text, thought, function_call } in parts.into_iter().flatten() {
            if function_call.is_some() {
                said.push(Said::Fault(ProviderError::Malformed("a call of a tool")));
            }
            said.extend(text.filter(|_| !thought).map(Said::Text));
        }
        said.extend(self.finish_reason.as_deref().and_then(finish));
    }
}

/// What a reason to finish means. One that is new is no end as it should be: most of them are refusals.
fn finish(reason: &str) -> Option<Said> {
    let malformed = |what| Some(Said::Fault(ProviderError::Malformed(what)));
    match reason {
        "" | "FINISH_REASON_UNSPECIFIED" => None,
        "STOP" => Some(Said::Finish(Finish::Stop)),
        "MAX_TOKENS" | "CONTINUATION" => Some(Said::Finish(Finish::Length)),
        "SAFETY"
        | "RECITATION"
        | "LANGUAGE"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "ESCALATION"
        | "MODEL_ARMOR"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION" => Some(Said::Refused),
        // The account, not the request, is at fault.
        "PUP_LIMITED_DISABLED" => Some(Said::Fault(ProviderError::Unauthorised(403))),
        "MALFORMED_FUNCTION_CALL" | "UNEXPECTED_TOOL_CALL" | "TOO_MANY_TOOL_CALLS" => malformed("a call of a tool"),
        "MALFORMED_RESPONSE" => malformed("the model's answer was malformed"),
        "OTHER" => malformed("the model stopped and doesn't say why"),
        _ => malformed("an unknown finish"),
    }
}

/// An error: `google.rpc.Status`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct WireError {
    #[serde(default)]
    pub(super) code: Value,
    #[serde(default)]
    pub(super) status: Value,
    #[serde(default)]
    pub(super) message: Value,
    #[serde(default)]
    details: Value,
}

impl WireError {
    /// Reads `{"error": {…}}`, or the list of one that a stream without `alt=sse` would begin with.
    pub(super) fn read(body: &[u8]) -> Self {
        let Ok(mut value) = serde_json::from_slice::<Value>(body) else { return Self::default() };
        let value = if value.is_array() { value.get_mut(0).map(Value::take).unwrap_or_default() } else { value };
        value.get("error").and_then(|error| serde_json::from_value(error.clone()).ok()).unwrap_or_default()
    }

    /// The details of one kind, such as `RetryInfo`.
    pub(super) fn details(&self, kind: &str) -> impl Iterator<Item = &Value> {
        let all = self.details.as_array().into_iter().flatten();
        all.filter(move |detail| {
            let named = detail.get("@type").and_then(Value::as_str).unwrap_or_default();
            named.rsplit(['.', '/']).next() == Some(kind)
        })
    }
}
