//! One provider: where it is, its key, how it is spoken to, and its client.

use std::sync::Arc;

use reqwest::Url;
use secrecy::SecretString;

use super::super::{ConfigError, Settings};
use super::GROQ_BASE;
use crate::provider::Llm;
use crate::provider::google::{BASE as GOOGLE_BASE, Google, GoogleConfig};
use crate::provider::http::{Timeouts, is_loopback};
use crate::provider::openai::{JsonMode, OpenAi, OpenAiConfig};

/// One provider.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// How it is spoken to.
    pub dialect: Dialect,
    /// Where it is.
    pub base_url: Url,
    /// Its key, if it wants one.
    pub api_key: Option<SecretString>,
    /// How long it may take.
    pub timeouts: Timeouts,
}

/// Whose wire format a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// OpenAI's.
    OpenAi(JsonMode),
    /// Gemini's.
    Google(JsonMode),
}

impl ServerConfig {
    /// The server of `LLM_BASE_URL`. A key of Groq's is sent to Groq only.
    pub(super) fn own(settings: &Settings<'_>) -> Result<Option<Self>, ConfigError> {
        let name = "LLM_BASE_URL";
        let Some(text) = settings.text(name) else { return Ok(None) };
        let base_url = base_url(name, &text)?;
        let mut server = Self::openai(settings, base_url, settings.text("LLM_API_KEY"))?;
        if server.is_groq() && server.api_key.is_none() {
            server.api_key = settings.text("GROQ_API_KEY").map(SecretString::from);
        }
        Ok(Some(server))
    }

    /// Groq, if there is a key of its.
    pub(super) fn groq(settings: &Settings<'_>) -> Result<Option<Self>, ConfigError> {
        let Some(key) = settings.text("GROQ_API_KEY") else { return Ok(None) };
        let mut server = Self::openai(settings, base_url("GROQ_API_KEY", GROQ_BASE)?, Some(key))?;
        // Most of its models know no schemas.
        server.dialect = Dialect::OpenAi(JsonMode::Object);
        Ok(Some(server))
    }

    /// Gemini, if there is a key of Google's.
    pub(super) fn google(settings: &Settings<'_>) -> Result<Option<Self>, ConfigError> {
        let Some(key) = settings.text("GOOGLE_API_KEY") else { return Ok(None) };
        let name = "GOOGLE_BASE_URL";
        let base_url = base_url(name, settings.text(name).as_deref().unwrap_or(GOOGLE_BASE))?;
        let timeouts = timeouts(settings, ["GOOGLE_FIRST_TOKEN_TIMEOUT_MS", "GOOGLE_TIMEOUT_MS"])?;
        let dialect = Dialect::Google(json_mode(settings, "GOOGLE_JSON")?.unwrap_or(JsonMode::Schema));
        Ok(Some(Self { dialect, base_url, api_key: Some(key.into()), timeouts }))
    }

    fn openai(settings: &Settings<'_>, base_url: Url, key: Option<String>) -> Result<Self, ConfigError> {
        let timeouts = timeouts(settings, ["LLM_FIRST_TOKEN_TIMEOUT_MS", "LLM_TIMEOUT_MS"])?;
        let dialect = Dialect::OpenAi(JsonMode::Schema);
        Ok(Self { dialect, base_url, api_key: key.map(SecretString::from), timeouts })
    }

    /// Whether this is Groq itself.
    pub(super) fn is_groq(&self) -> bool {
        self.base_url.host_str() == Some("api.groq.com")
    }

    /// What it is called if nobody says otherwise.
    pub(super) fn usual_name(&self) -> &'static str {
        match self.base_url.host_str() {
            Some("api.groq.com") => "groq",
            Some("api.openai.com") => "openai",
            Some("generativelanguage.googleapis.com") => "gemini",
            _ if is_loopback(&self.base_url) => "local",
            _ => "openai-compatible",
        }
    }

    /// Its client.
    pub(super) fn client(&self, name: &str) -> Result<Arc<dyn Llm>, ConfigError> {
        let (provider, base_url, timeouts) = (name.to_owned(), self.base_url.clone(), self.timeouts);
        match self.dialect {
            Dialect::OpenAi(json) => {
                let api_key = self.api_key.clone();
                let client = OpenAi::new(OpenAiConfig { provider, base_url, api_key, timeouts, json });
                Ok(Arc::new(client.map_err(|error| ConfigError::new("LLM_BASE_URL", error.to_string()))?))
            }
            Dialect::Google(json) => {
                let api_key = self.api_key.clone().unwrap_or_default();
                let client = Google::new(GoogleConfig { provider, base_url, api_key, timeouts, json });
                Ok(Arc::new(client.map_err(|error| ConfigError::new("GOOGLE_BASE_URL", error.to_string()))?))
            }
        }
    }
}

/// How a server is asked for JSON, if that is said.
pub(super) fn json_mode(settings: &Settings<'_>, name: &'static str) -> Result<Option<JsonMode>, ConfigError> {
    match settings.text(name).as_deref() {
        None => Ok(None),
        Some("schema") => Ok(Some(JsonMode::Schema)),
        Some("object") => Ok(Some(JsonMode::Object)),
        Some("words") => Ok(Some(JsonMode::Words)),
        Some(_) => Err(ConfigError::new(name, "must be schema, object or words")),
    }
}

fn base_url(name: &'static str, text: &str) -> Result<Url, ConfigError> {
    let url: Url =
        text.parse().map_err(|_| ConfigError::new(name, "must be a URL such as http://127.0.0.1:11434/v1"))?;
    let plain = matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none();
    if !plain || !url.username().is_empty() || url.password().is_some() {
        return Err(ConfigError::new(name, "must be a plain http or https URL; a key has a setting of its own"));
    }
    Ok(url)
}

/// A call ends before its stage's 60 s are over, whatever is set.
fn timeouts(settings: &Settings<'_>, [first_token, total]: [&'static str; 2]) -> Result<Timeouts, ConfigError> {
    let usual = Timeouts::default();
    let most = u64::try_from(usual.total.as_millis()).unwrap_or(u64::MAX);
    let read = |name, usual: std::time::Duration| {
        let usual = u64::try_from(usual.as_millis()).unwrap_or(most);
        settings.number(name, usual, 100..=most).map(std::time::Duration::from_millis)
    };
    Ok(Timeouts { first_token: read(first_token, usual.first_token)?, total: read(total, usual.total)?, ..usual })
}
