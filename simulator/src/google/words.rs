//! What goes out on the wire, in Gemini's shapes.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::dialect::Words;
use crate::fault::Quota;
use crate::openai::reply;
use crate::refusal::WireError;

/// What all parts of one answer have in common.
pub(crate) struct Envelope {
    model: String,
    prompt_tokens: usize,
    id: String,
}

impl Envelope {
    pub(crate) fn new(model: String, prompt_tokens: usize) -> Self {
        Self { model, prompt_tokens, id: Uuid::now_v7().simple().to_string() }
    }

    fn usage(&self, tokens: usize) -> Value {
        json!({
            "promptTokenCount": self.prompt_tokens,
            "candidatesTokenCount": tokens,
            "totalTokenCount": self.prompt_tokens + tokens,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": self.prompt_tokens}],
        })
    }

    fn chunk(&self, text: &str, tokens: usize, finish_reason: Option<&str>) -> Value {
        let mut candidate = json!({"content": {"parts": [{"text": text}], "role": "model"}, "index": 0});
        if let (Some(candidate), Some(reason)) = (candidate.as_object_mut(), finish_reason) {
            let reason = match reason {
                "length" => "MAX_TOKENS",
                "content_filter" => "SAFETY",
                _ => "STOP",
            };
            if reason == "SAFETY" {
                let category =
                    json!({"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "probability": "HIGH", "blocked": true});
                candidate.insert("safetyRatings".to_owned(), json!([category]));
            }
            candidate.insert("finishReason".to_owned(), reason.into());
        }
        json!({
            "candidates": [candidate], "usageMetadata": self.usage(tokens),
            "modelVersion": self.model, "responseId": self.id,
        })
    }
}

impl Words for Envelope {
    fn opening(&self) -> String {
        String::new()
    }

    fn token(&self, piece: &str, n: usize) -> String {
        data(&self.chunk(piece, n, None))
    }

    fn closing(&self, tokens: usize, finish_reason: &str) -> String {
        data(&self.chunk("", tokens, Some(finish_reason)))
    }

    fn garbled(&self) -> String {
        "data: {\"candidates\": [{\"content\": {\"parts\": [{\"te\u{fffd}\r\n\r\n".to_owned()
    }

    fn whole(&self, text: &str, tokens: usize, finish_reason: &str) -> Value {
        self.chunk(text, tokens, Some(finish_reason))
    }
}

fn data(chunk: &Value) -> String {
    format!("data: {chunk}\r\n\r\n")
}

/// A model, as it is listed.
pub(super) fn model(name: &str, context_tokens: usize) -> Value {
    json!({
        "name": format!("models/{name}"), "version": "001", "displayName": name,
        "description": "Answers from the prompt.", "inputTokenLimit": context_tokens, "outputTokenLimit": 65_536,
        "supportedGenerationMethods": ["generateContent", "countTokens"],
        "temperature": 1, "maxTemperature": 2, "topP": 0.95, "topK": 64,
    })
}

/// An error answer: `google.rpc.Status`.
pub(crate) fn refusal(error: &WireError) -> Response {
    let mut body = json!({"code": error.status, "message": message(error), "status": name(error.status)});
    let details = details(error);
    if let (Some(body), false) = (body.as_object_mut(), details.is_empty()) {
        body.insert("details".to_owned(), details.into());
    }
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    reply(status, json!({"error": body}).to_string())
}

fn name(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        400..=498 => "INVALID_ARGUMENT",
        501 => "UNIMPLEMENTED",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        _ => "INTERNAL",
    }
}

const NO_KEY: &str = "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API consumer identity to call this API.";

fn message(error: &WireError) -> String {
    if let Some((most, got)) = error.about.tokens {
        return format!("The input token count ({got}) exceeds the maximum number of tokens allowed ({most}).");
    }
    match (error.status, error.about.model.as_deref()) {
        (401, Some(_)) => "API keys are not supported by this API. Expected OAuth2 access token.".to_owned(),
        (403, Some(_)) => NO_KEY.to_owned(),
        (404, Some(model)) => format!(
            "models/{model} is not found for this API version, or is not supported for generateContent. Call ListModels to see the list of available models and their supported methods."
        ),
        (413, Some(_)) => "Request payload size exceeds the limit.".to_owned(),
        (429, Some(_)) if error.about.limit == Some(Quota::Spent) => {
            "Your prepayment credits are depleted. Please go to AI Studio to manage your project and billing."
                .to_owned()
        }
        (429, Some(model)) => {
            format!(
                "You exceeded your current quota, please check your plan and billing details.\n* Quota exceeded for metric: generativelanguage.googleapis.com/generate_content_requests, limit: 10, model: {model}"
            )
        }
        (503, Some(_)) => "The model is overloaded. Please try again later.".to_owned(),
        (504, Some(_)) => "Deadline expired before operation could complete.".to_owned(),
        (500.., Some(_)) => "An internal error has occurred. Please retry.".to_owned(),
        _ => error.message.clone(),
    }
}

fn details(error: &WireError) -> Vec<Value> {
    let quota = match error.about.limit {
        Some(Quota::Minute) => Some("GenerateRequestsPerMinutePerProjectPerModel"),
        Some(Quota::Day) => Some("GenerateRequestsPerDayPerProjectPerModel"),
        Some(Quota::Spent) | None => None,
    };
    let violation = quota.map(|id| {
        json!({"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{
            "quotaMetric": "generativelanguage.googleapis.com/generate_content_requests", "quotaId": id,
            "quotaDimensions": {"location": "global", "model": error.about.model}, "quotaValue": "10",
        }]})
    });
    let retry = error.about.retry_after_s.map(
        |seconds| json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": format!("{seconds}s")}),
    );
    violation.into_iter().chain(retry).collect()
}
