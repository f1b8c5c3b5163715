//! Gemini's own wire format: `generateContent`, streamed or as one.

mod fault;
mod schema;
#[cfg(test)]
mod tests;
mod wire;

use std::fmt;
use std::sync::Arc;

use futures::stream::BoxStream;
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{RequestBuilder, Url};
use secrecy::{ExposeSecret, SecretString};

use super::exchange::{Refusal, Said, Wire, exchange};
use super::http::{self, Timeouts};
use super::openai::JsonMode;
use super::{Llm, LlmEvent, LlmRequest, ProviderError};
use wire::{Chunk, Request, WireError};

/// Where Gemini is.
pub const BASE: &str = "https://generativelanguage.googleapis.com";
const VERSION: &str = "v1beta";
const KEY: HeaderName = HeaderName::from_static("x-goog-api-key");

/// A client for one base URL.
#[derive(Clone)]
pub struct Google {
    inner: Arc<Inner>,
}

struct Inner {
    provider: String,
    base: Url,
    key: HeaderValue,
    http: reqwest::Client,
    timeouts: Timeouts,
    json: JsonMode,
}

impl fmt::Debug for Google {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Google")
            .field("provider", &self.inner.provider)
            .field("host", &self.inner.base.host_str())
            .finish_non_exhaustive()
    }
}

/// Whom to call, and how.
#[derive(Debug, Clone)]
pub struct GoogleConfig {
    /// What the ledger and the price table call it.
    pub provider: String,
    /// Usually [`BASE`]; with or without the version of the interface.
    pub base_url: Url,
    /// The key.
    pub api_key: SecretString,
    /// How long it may take.
    pub timeouts: Timeouts,
    /// How it is asked for JSON.
    pub json: JsonMode,
}

/// A client can't be made.
#[derive(Debug, thiserror::Error)]
pub enum GoogleError {
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

impl Google {
    /// A client; connects when first used.
    ///
    /// # Errors
    /// If the URL or the key can't be used.
    pub fn new(config: GoogleConfig) -> Result<Self, GoogleError> {
        let mut base = config.base_url;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(GoogleError::BaseUrl);
        }
        let named = base.path().trim_end_matches('/').rsplit('/').next().is_some_and(is_version);
        let mut path = base.path_segments_mut().map_err(|()| GoogleError::BaseUrl)?;
        path.pop_if_empty();
        if !named {
            path.push(VERSION);
        }
        drop(path);
        let mut key = HeaderValue::from_str(config.api_key.expose_secret()).map_err(|_| GoogleError::Key)?;
        key.set_sensitive(true);
        let http = http::client(&base, &config.timeouts)?;
        let inner = Inner { provider: config.provider, base, key, http, timeouts: config.timeouts, json: config.json };
        Ok(Self { inner: Arc::new(inner) })
    }
}

/// `v1`, `v1beta`, `v1alpha`, `v2beta3` …
fn is_version(segment: &str) -> bool {
    segment.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

impl Inner {
    /// A model's place: `models/…` if it doesn't say (a tuned one is `tunedModels/…`).
    fn url(&self, model: &str, stream: bool) -> Url {
        let method = if stream { ":streamGenerateContent" } else { ":generateContent" };
        let place = if model.contains('/') { model.to_owned() } else { format!("models/{model}") };
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.extend(format!("{place}{method}").split('/'));
        }
        if stream {
            url.set_query(Some("alt=sse"));
        }
        url
    }
}

impl Llm for Google {
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
        let url = self.url(&request.model, request.stream);
        self.http.post(url).header(KEY, self.key.clone()).json(&Request::new(request, self.json))
    }

    fn read(&self, data: &str) -> Vec<Said> {
        match serde_json::from_str::<Chunk>(data) {
            Ok(Chunk { error: Some(error), .. }) => vec![Said::Fault(fault::in_stream(&error))],
            Ok(chunk) => chunk.said(),
            Err(_) => vec![Said::Fault(ProviderError::Malformed("it isn't JSON of the format"))],
        }
    }

    fn refused(&self, refusal: &Refusal<'_>) -> ProviderError {
        fault::of_status(refusal.status, &WireError::read(refusal.body), refusal.headers)
    }
}
