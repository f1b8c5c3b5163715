//! Which model answers: any server that speaks OpenAI's format.

use std::sync::Arc;

use reqwest::Url;
use secrecy::SecretString;

use super::{ConfigError, Settings};
use crate::provider::call::{LlmDoor, Models};
use crate::provider::http::{Timeouts, is_loopback};
use crate::provider::openai::{JsonMode, OpenAi, OpenAiConfig};
use crate::provider::price::Prices;

const GROQ_BASE: &str = "https://api.groq.com/openai/v1";
const GROQ_MODEL: &str = "llama-3.1-8b-instant";
/// Parts of the names of Groq's models that take a JSON schema.
const GROQ_SCHEMAS: [&str; 3] = ["gpt-oss", "kimi-k2", "llama-4"];
const SIMULATOR: &str = "simulator";

/// Whom the worker calls.
#[derive(Debug, Clone)]
pub struct ProviderConfig {
    /// `LLM_PROVIDER`: what the ledger and the price table call it.
    pub provider: String,
    /// `LLM_BASE_URL`: up to and with `/v1`.
    pub base_url: Url,
    /// `LLM_API_KEY`, or `GROQ_API_KEY`.
    pub api_key: Option<SecretString>,
    /// `LLM_MODEL`, and `LLM_MODEL_FAST` and `LLM_MODEL_QUALITY` where they differ.
    pub models: Models,
    /// `LLM_JSON`: how it is asked for JSON.
    pub json: JsonMode,
}

impl ProviderConfig {
    /// Reads the settings. `LLM_BASE_URL` names a server; `GROQ_API_KEY` alone means Groq. A key of Groq's is sent to Groq
    /// only. In production neither the simulator nor a server without a key will do.
    ///
    /// # Errors
    /// If a setting is missing or can't be used.
    pub fn read(settings: &Settings<'_>) -> Result<Self, ConfigError> {
        let groq_key = settings.text("GROQ_API_KEY");
        let base_url = base_url(settings, groq_key.is_some())?;
        let is_groq = base_url.host_str() == Some("api.groq.com");
        let provider = settings.text("LLM_PROVIDER").unwrap_or_else(|| name_of(&base_url).to_owned());
        if provider.len() > 50
            || !provider.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        {
            return Err(ConfigError::new("LLM_PROVIDER", "must be 1 to 50 letters, digits, dots or dashes"));
        }
        let key = settings.text("LLM_API_KEY").or_else(|| groq_key.filter(|_| is_groq));
        if settings.is_production() {
            refuse_in_production(&provider, key.is_some())?;
        }
        // The simulator wants a key as vendors do, and takes any.
        let key = key.or_else(|| (provider == SIMULATOR).then(|| SIMULATOR.to_owned()));
        let model = match settings.text("LLM_MODEL") {
            Some(model) => model,
            None if is_groq || provider == SIMULATOR => GROQ_MODEL.to_owned(),
            None => return Err(ConfigError::new("LLM_MODEL", "must name the model that LLM_BASE_URL serves")),
        };
        let models = Models {
            fast: settings.text("LLM_MODEL_FAST").unwrap_or_else(|| model.clone()),
            quality: settings.text("LLM_MODEL_QUALITY").unwrap_or_else(|| model.clone()),
            balanced: model,
        };
        let json = json_mode(settings, is_groq, &models)?;
        Ok(Self { provider, base_url, api_key: key.map(SecretString::from), models, json })
    }

    /// Makes the door to the provider; connects when first used.
    ///
    /// # Errors
    /// If the client or the price table can't be made.
    pub fn door(self) -> Result<LlmDoor, ConfigError> {
        let prices = Prices::embedded().map_err(|error| ConfigError::new("prices.toml", error.to_string()))?;
        let llm = OpenAi::new(OpenAiConfig {
            provider: self.provider,
            base_url: self.base_url,
            api_key: self.api_key,
            timeouts: Timeouts::default(),
            json: self.json,
        })
        .map_err(|error| ConfigError::new("LLM_BASE_URL", error.to_string()))?;
        Ok(LlmDoor::new(Arc::new(llm), self.models, prices))
    }
}

fn base_url(settings: &Settings<'_>, has_groq_key: bool) -> Result<Url, ConfigError> {
    let name = "LLM_BASE_URL";
    let text = match settings.text(name) {
        Some(text) => text,
        None if has_groq_key => GROQ_BASE.to_owned(),
        None => {
            let fix = "no model provider is set: give LLM_BASE_URL and LLM_MODEL of any server that speaks OpenAI's \
                       format, or GROQ_API_KEY; without one, `hellosales dev` starts a simulator";
            return Err(ConfigError::new(name, fix));
        }
    };
    let url: Url =
        text.parse().map_err(|_| ConfigError::new(name, "must be a URL such as http://127.0.0.1:11434/v1"))?;
    let plain = matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none();
    if !plain || !url.username().is_empty() || url.password().is_some() {
        return Err(ConfigError::new(name, "must be a plain http or https URL; the key goes into LLM_API_KEY"));
    }
    Ok(url)
}

/// Groq refuses a schema for most of its models.
fn json_mode(settings: &Settings<'_>, is_groq: bool, models: &Models) -> Result<JsonMode, ConfigError> {
    let name = "LLM_JSON";
    let knows_schemas = |model: &String| GROQ_SCHEMAS.iter().any(|known| model.contains(known));
    match settings.text(name).as_deref() {
        Some("schema") => Ok(JsonMode::Schema),
        Some("object") => Ok(JsonMode::Object),
        Some("words") => Ok(JsonMode::Words),
        Some(_) => Err(ConfigError::new(name, "must be schema, object or words")),
        None if is_groq && ![&models.fast, &models.balanced, &models.quality].into_iter().all(knows_schemas) => {
            Ok(JsonMode::Object)
        }
        None => Ok(JsonMode::Schema),
    }
}

fn name_of(base: &Url) -> &'static str {
    match base.host_str() {
        Some("api.groq.com") => "groq",
        Some("api.openai.com") => "openai",
        Some("generativelanguage.googleapis.com") => "gemini",
        _ if is_loopback(base) => "local",
        _ => "openai-compatible",
    }
}

fn refuse_in_production(provider: &str, has_key: bool) -> Result<(), ConfigError> {
    if provider == SIMULATOR {
        let fix =
            "the simulator answers nobody in production: set GROQ_API_KEY, or LLM_BASE_URL, LLM_MODEL and LLM_API_KEY";
        return Err(ConfigError::new("LLM_PROVIDER", fix));
    }
    if !has_key {
        let fix = "in production a provider needs a key: set GROQ_API_KEY, or LLM_API_KEY for LLM_BASE_URL";
        return Err(ConfigError::new("LLM_API_KEY", fix));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<ProviderConfig, ConfigError> {
        let lookup = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        ProviderConfig::read(&Settings::new(&lookup))
    }

    fn key(config: &ProviderConfig) -> Option<&str> {
        config.api_key.as_ref().map(ExposeSecret::expose_secret)
    }

    #[test]
    fn a_key_of_groqs_alone_means_groq() {
        let config = read(&[("GROQ_API_KEY", "gsk_1")]).unwrap();
        assert_eq!((config.provider.as_str(), config.base_url.as_str()), ("groq", GROQ_BASE));
        assert_eq!((config.models.balanced.as_str(), key(&config)), (GROQ_MODEL, Some("gsk_1")));
        assert!(config.door().is_ok());
    }

    #[tokio::test]
    async fn a_key_of_groqs_is_never_sent_to_another_server() {
        let pairs = [("GROQ_API_KEY", "gsk_1"), ("LLM_BASE_URL", "http://127.0.0.1:8080/v1/"), ("LLM_MODEL", "m")];
        let config = read(&pairs).unwrap();
        assert_eq!((config.provider.as_str(), key(&config)), ("local", None));
        let with_own = [&pairs[..], &[("LLM_API_KEY", "sk_2"), ("LLM_PROVIDER", "acme")]].concat();
        let config = read(&with_own).unwrap();
        assert_eq!((config.provider.as_str(), key(&config)), ("acme", Some("sk_2")));
    }

    #[test]
    fn json_is_asked_for_by_schema_unless_the_server_knows_none() {
        let json = |pairs: &[(&str, &str)]| read(pairs).unwrap().json;
        let groq = ("GROQ_API_KEY", "k");
        assert_eq!(json(&[groq]), JsonMode::Object);
        assert_eq!(json(&[groq, ("LLM_MODEL", "openai/gpt-oss-20b")]), JsonMode::Schema);
        assert_eq!(json(&[groq, ("LLM_MODEL", "openai/gpt-oss-20b"), ("LLM_MODEL_FAST", "other")]), JsonMode::Object);
        assert_eq!(json(&[groq, ("LLM_JSON", "schema")]), JsonMode::Schema);
        let local = [("LLM_BASE_URL", "http://127.0.0.1:8080/v1"), ("LLM_MODEL", "m")];
        assert_eq!(json(&local), JsonMode::Schema);
        assert_eq!(json(&[&local[..], &[("LLM_JSON", "words")]].concat()), JsonMode::Words);
    }

    #[test]
    fn each_quality_mode_may_have_a_model_of_its_own() {
        let base = [("GROQ_API_KEY", "k"), ("LLM_MODEL", "b")];
        let models = read(&base).unwrap().models;
        assert_eq!((models.fast.as_str(), models.balanced.as_str(), models.quality.as_str()), ("b", "b", "b"));
        let models =
            read(&[&base[..], &[("LLM_MODEL_FAST", "f"), ("LLM_MODEL_QUALITY", "q")]].concat()).unwrap().models;
        assert_eq!((models.fast.as_str(), models.balanced.as_str(), models.quality.as_str()), ("f", "b", "q"));
    }

    #[test]
    fn production_refuses_the_simulator_and_a_server_without_a_key() {
        let simulator = [("LLM_PROVIDER", "simulator"), ("LLM_BASE_URL", "http://127.0.0.1:1/v1")];
        assert_eq!(key(&read(&simulator).unwrap()), Some("simulator"));
        let production = |pairs: &[(&'static str, &'static str)]| {
            read(&[pairs, &[("ENVIRONMENT", "production")]].concat()).map_err(|error| error.name)
        };
        assert_eq!(production(&simulator).unwrap_err(), "LLM_PROVIDER");
        let local = [("LLM_BASE_URL", "http://127.0.0.1:1/v1"), ("LLM_MODEL", "m")];
        assert_eq!(production(&local).unwrap_err(), "LLM_API_KEY");
        assert_eq!(production(&[]).unwrap_err(), "LLM_BASE_URL");
        assert!(production(&[("GROQ_API_KEY", "k")]).is_ok());
        assert!(production(&[&local[..], &[("LLM_API_KEY", "k")]].concat()).is_ok());
    }

    #[test]
    fn what_is_missing_or_can_not_be_used_is_named() {
        for (pairs, name) in [
            (&[][..], "LLM_BASE_URL"),
            (&[("LLM_BASE_URL", "localhost")], "LLM_BASE_URL"),
            (&[("LLM_BASE_URL", "ftp://x/v1")], "LLM_BASE_URL"),
            (&[("LLM_BASE_URL", "https://user:canary@x/v1")], "LLM_BASE_URL"),
            (&[("LLM_BASE_URL", "https://x/v1?key=canary")], "LLM_BASE_URL"),
            (&[("LLM_BASE_URL", "https://x/v1")], "LLM_MODEL"),
            (&[("GROQ_API_KEY", "k"), ("LLM_PROVIDER", "a b")], "LLM_PROVIDER"),
            (&[("GROQ_API_KEY", "k"), ("LLM_JSON", "xml")], "LLM_JSON"),
        ] {
            let error = read(pairs).unwrap_err();
            assert_eq!(error.name, name);
            assert!(!error.to_string().contains("canary"));
        }
    }

    #[test]
    fn a_key_does_not_show_when_the_configuration_is_logged() {
        let config = read(&[("GROQ_API_KEY", "gsk_canary")]).unwrap();
        assert!(!format!("{config:?} {:?}", config.clone().door().unwrap()).contains("canary"));
    }
}
