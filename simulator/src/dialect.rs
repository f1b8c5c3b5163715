//! Whose API a request speaks, and what is said in its words.

use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use crate::google;
use crate::openai::{self, provider_headers, set};
use crate::refusal::WireError;
use crate::request::ChatRequest;

/// Whose API a request speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Dialect {
    OpenAi,
    /// Adds `x_groq`, and its own times to the usage.
    Groq,
    Google,
}

/// An answer's parts on the wire.
pub(crate) trait Words: Send + Sync {
    /// What comes before the first token, if anything does.
    fn opening(&self) -> String;
    /// A token, the `n`-th.
    fn token(&self, piece: &str, n: usize) -> String;
    /// All that follows the last token.
    fn closing(&self, tokens: usize, finish_reason: &str) -> String;
    /// What breaks off inside its JSON, and an end as if nothing had happened.
    fn garbled(&self) -> String;
    /// The whole answer at once.
    fn whole(&self, text: &str, tokens: usize, finish_reason: &str) -> Value;
}

impl Dialect {
    /// Of a path that is OpenAI's or Groq's.
    pub(crate) fn of(path: &str) -> Self {
        if path.starts_with("/openai/") {
            Self::Groq
        } else if google::is_path(path) {
            Self::Google
        } else {
            Self::OpenAi
        }
    }

    pub(crate) fn words(self, request: &ChatRequest, prompt_tokens: usize) -> Box<dyn Words> {
        let model = request.model.clone();
        match self {
            Self::OpenAi | Self::Groq => {
                Box::new(openai::Envelope::new(self, model, prompt_tokens, request.include_usage))
            }
            Self::Google => Box::new(google::Envelope::new(model, prompt_tokens)),
        }
    }

    /// An error answer.
    pub(crate) fn refuse(self, error: &WireError) -> Response {
        match self {
            Self::OpenAi | Self::Groq => error.response(),
            Self::Google => google::refusal(error),
        }
    }

    /// The status for a request without a key.
    pub(crate) const fn keyless(self) -> u16 {
        match self {
            Self::OpenAi | Self::Groq => 401,
            Self::Google => 403,
        }
    }

    /// Adds what every answer of the provider has. `exhausted_s`: no request is left for so long.
    pub(crate) fn finish(
        self,
        mut response: Response,
        began: Instant,
        prompt_tokens: usize,
        exhausted_s: Option<u32>,
    ) -> Response {
        let (headers, took) = (response.headers_mut(), began.elapsed().as_millis());
        match self {
            Self::OpenAi | Self::Groq => {
                provider_headers(headers, prompt_tokens, exhausted_s);
                set(headers, "openai-processing-ms", took);
            }
            Self::Google => set(headers, "server-timing", format_args!("gfet4t7; dur={took}")),
        }
        response
    }
}
