//! OpenAI's wire format at any base URL: Groq, vLLM, Ollama, llama.cpp and Gemini's compatible base are configurations
//! of it.

mod fault;
#[cfg(test)]
mod tests;
mod wire;

use std::fmt;
use std::sync::Arc;

use futures::stream::BoxStream;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{RequestBuilder, Url};
use secrecy::{ExposeSecret, SecretString};

use super::exchange::{Refusal, Said, Wire, exchange};
use super::http::{self, Timeouts};
use super::{Llm, LlmEvent, LlmRequest, ProviderError};
use wire::{Chunk, Request, WireError};

/// A client for one base URL.
#[derive(Clone)]
pub struct OpenAi {
    inner: Arc<Inner>,
}

struct Inner {
    provider: String,
    url: Url,
    authorization: Option<HeaderValue>,
    http: reqwest::Client,
    timeouts: Timeouts,
    json: JsonMode,
}

/// How a server is asked for JSON. Whatever it is, the answer is held against its schema when it has come, and the prompt
/// says in words what it must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonMode {
    /// By schema (`json_schema`): most servers.
    Schema,
    /// As any object (`json_object`): servers and models that know no schemas.
    Object,
    /// In words alone.
    Words,
}

impl fmt::Debug for OpenAi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAi")
            .field("provider", &self.inner.provider)
            .field("host", &self.inner.url.host_str())
            .finish_non_exhaustive()
    }
}

/// Whom to call, and how.
#[derive(Debug, Clone)]
pub struct OpenAiConfig {
    /// What the ledger and the price table call it.
    pub provider: String,
    /// Up to and with `/v1`; a last slash makes no difference.
    pub base_url: Url,
    /// The key, if it wants one.
    pub api_key: Option<SecretString>,
    /// How long it may take.
    pub timeouts: Timeouts,
    /// How it is asked for JSON.
    pub json: JsonMode,
}

/// A client can't be made.
#[derive(Debug, thiserror::Error)]
pub enum OpenAiError {
    /// The URL can't have a path.
    #[error("the provider's base URL must be http or https")]
    BaseUrl,
    /// A header can't hold the key.
    #[error("the provider's key holds characters that no header can")]
    Key,
    /// TLS could not be set up.
    #[error("the HTTP client could not be made")]
    Client(#[from] reqwest::Error),
}

impl OpenAi {
    /// A client; connects when first used.
    ///
    /// # Errors
    /// If the URL or the key can't be used.
    pub fn new(config: OpenAiConfig) -> Result<Self, OpenAiError> {
        let mut url = config.base_url;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(OpenAiError::BaseUrl);
        }
        url.path_segments_mut().map_err(|()| OpenAiError::BaseUrl)?.pop_if_empty().extend(["chat", "completions"]);
        let authorization = match &config.api_key {
            Some(key) => {
                let mut value =
                    HeaderValue::from_str(&format!("Bearer {}", key.expose_secret())).map_err(|_| OpenAiError::Key)?;
                value.set_sensitive(true);
                Some(value)
            }
            None => None,
        };
        let http = http::client(&url, &config.timeouts)?;
        let inner =
            Inner { provider: config.provider, url, authorization, http, timeouts: config.timeouts, json: config.json };
        Ok(Self { inner: Arc::new(inner) })
    }
}

impl Llm for OpenAi {
    fn provider(&self) -> &str {
        &self.inner.provider
    }

    fn generate(&self, request: LlmRequest) -> BoxStream<'static, Result<LlmEvent, ProviderError>> {
        exchange(Arc::clone(&self.inner), request)
    }
}

impl Wire for Inner {
    fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    fn ask(&self, request: &LlmRequest) -> RequestBuilder {
        let builder = self.http.post(self.url.clone()).json(&Request::new(request, self.json));
        match &self.authorization {
            Some(authorization) => builder.header(AUTHORIZATION, authorization.clone()),
            None => builder,
        }
    }

    fn read(&self, data: &str) -> Vec<Said> {
        if data.trim() == "[DONE]" {
            return vec![Said::Over];
        }
        match serde_json::from_str::<Chunk>(data) {
            Ok(Chunk { error: Some(error), .. }) => vec![Said::Fault(fault::in_stream(&error))],
            Ok(chunk) => chunk.said(),
            Err(_) => vec![Said::Fault(ProviderError::Malformed("it isn't JSON of the format"))],
        }
    }

    fn refused(&self, refusal: &Refusal<'_>) -> ProviderError {
        let wait = http::retry_after(refusal.headers).or_else(|| http::rate_limits(refusal.headers).wait());
        fault::of_status(refusal.status, &WireError::read(refusal.body), wait)
    }
}
