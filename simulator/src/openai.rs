//! What goes out on the wire, in OpenAI's shapes and Groq's dialect of them.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use chrono::Utc;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::dialect::{Dialect, Words};

/// A JSON answer.
pub(crate) fn reply(status: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// Sets a header whose value was computed; one that can't be a header is left out.
pub(crate) fn set(headers: &mut HeaderMap, name: &'static str, value: impl ToString) {
    if let Ok(value) = HeaderValue::from_str(&value.to_string()) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

/// The requests and tokens a minute that the headers speak of. They are named, not enforced: a
/// fault rule makes the 429s.
const REQUESTS_A_MINUTE: usize = 10_000;
const TOKENS_A_MINUTE: usize = 2_000_000;

/// Headers on every answer of the provider. `exhausted_s`: no request is left for so long.
pub(crate) fn provider_headers(headers: &mut HeaderMap, prompt_tokens: usize, exhausted_s: Option<u32>) {
    set(headers, "x-request-id", format_args!("req_{}", Uuid::now_v7().simple()));
    set(headers, "openai-version", "2020-10-01");
    set(headers, "x-ratelimit-limit-requests", REQUESTS_A_MINUTE);
    set(headers, "x-ratelimit-limit-tokens", TOKENS_A_MINUTE);
    let (requests, reset) = match exhausted_s {
        Some(seconds) => (0, format!("{seconds}s")),
        None => (REQUESTS_A_MINUTE - 1, "6ms".to_owned()),
    };
    set(headers, "x-ratelimit-remaining-requests", requests);
    set(headers, "x-ratelimit-reset-requests", reset);
    set(headers, "x-ratelimit-remaining-tokens", TOKENS_A_MINUTE.saturating_sub(prompt_tokens));
    // Tokens come back evenly: so many milliseconds until the budget is full again.
    set(
        headers,
        "x-ratelimit-reset-tokens",
        format_args!("{}ms", prompt_tokens.saturating_mul(60_000) / TOKENS_A_MINUTE),
    );
}

/// The models, as `GET /models` lists them.
pub(crate) fn models(names: &[String], dialect: Dialect) -> Value {
    let owner = if dialect == Dialect::Groq { "Groq" } else { "openai" };
    let model = |name: &String| json!({"id": name, "object": "model", "created": 1_715_367_049, "owned_by": owner});
    json!({"object": "list", "data": names.iter().map(model).collect::<Vec<_>>()})
}

/// What all parts of one answer have in common.
pub(crate) struct Envelope {
    pub(crate) dialect: Dialect,
    pub(crate) model: String,
    pub(crate) prompt_tokens: usize,
    /// `null` or the numbers on every chunk, as asked by `stream_options.include_usage`.
    pub(crate) include_usage: bool,
    id: String,
    groq_id: String,
    created: i64,
}

impl Envelope {
    pub(crate) fn new(dialect: Dialect, model: String, prompt_tokens: usize, include_usage: bool) -> Self {
        Self {
            dialect,
            model,
            prompt_tokens,
            include_usage,
            id: format!("chatcmpl-{}", Uuid::now_v7().simple()),
            groq_id: format!("req_{}", Uuid::now_v7().simple()),
            created: Utc::now().timestamp(),
        }
    }

    fn usage(&self, completion_tokens: usize) -> Value {
        let mut usage = json!({
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": self.prompt_tokens + completion_tokens,
        });
        let more = match self.dialect {
            Dialect::OpenAi | Dialect::Google => json!({
                "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
                "completion_tokens_details": {
                    "reasoning_tokens": 0, "audio_tokens": 0,
                    "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
                },
            }),
            Dialect::Groq => json!({
                "queue_time": 0.01, "prompt_time": 0.02, "completion_time": 0.1, "total_time": 0.12,
            }),
        };
        if let (Some(usage), Value::Object(more)) = (usage.as_object_mut(), more) {
            usage.extend(more);
        }
        usage
    }

    fn chunk(&self, choices: Value) -> Value {
        let mut chunk = json!({
            "id": self.id, "object": "chat.completion.chunk", "created": self.created,
            "model": self.model, "service_tier": "default", "system_fingerprint": "fp_simulator",
            "choices": choices,
        });
        if self.include_usage {
            put(&mut chunk, "usage", Value::Null);
        }
        chunk
    }

    fn delta(&self, delta: Value, finish_reason: Option<&str>) -> Value {
        self.chunk(json!([
            {"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason}
        ]))
    }
}

impl Words for Envelope {
    fn whole(&self, text: &str, tokens: usize, finish_reason: &str) -> Value {
        let mut body = json!({
            "id": self.id, "object": "chat.completion", "created": self.created, "model": self.model,
            "choices": [{
                "index": 0,
                "message": {"role": "assistant", "content": text, "refusal": null, "annotations": []},
                "logprobs": null,
                "finish_reason": finish_reason,
            }],
            "usage": self.usage(tokens),
            "service_tier": "default",
            "system_fingerprint": "fp_simulator",
        });
        if self.dialect == Dialect::Groq {
            put(&mut body, "x_groq", json!({"id": self.groq_id}));
        }
        body
    }

    /// The first chunk: the role, and no text yet.
    fn opening(&self) -> String {
        let delta = json!({"role": "assistant", "content": "", "refusal": null});
        let mut chunk = self.delta(delta, None);
        if self.dialect == Dialect::Groq {
            put(&mut chunk, "x_groq", json!({"id": self.groq_id}));
        }
        data(&chunk)
    }

    fn token(&self, piece: &str, _: usize) -> String {
        data(&self.delta(json!({"content": piece}), None))
    }

    fn closing(&self, tokens: usize, finish_reason: &str) -> String {
        let mut last = self.delta(json!({}), Some(finish_reason));
        if self.dialect == Dialect::Groq {
            put(&mut last, "x_groq", json!({"id": self.groq_id, "usage": self.usage(tokens)}));
        }
        let mut frames = data(&last);
        if self.include_usage {
            let mut usage = self.chunk(json!([]));
            put(&mut usage, "usage", self.usage(tokens));
            frames.push_str(&data(&usage));
        }
        frames.push_str("data: [DONE]\n\n");
        frames
    }

    fn garbled(&self) -> String {
        let id = &self.id;
        format!("data: {{\"id\":\"{id}\",\"choices\":[{{\"delta\":{{\"conte\u{fffd}\n\ndata: [DONE]\n\n")
    }
}

fn put(object: &mut Value, name: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
}

fn data(chunk: &Value) -> String {
    format!("data: {chunk}\n\n")
}
