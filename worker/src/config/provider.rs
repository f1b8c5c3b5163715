//! Which models answer: any server that speaks OpenAI's format, Groq, and Gemini in its own.

mod server;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::{ConfigError, DoorConfig, Settings};
use crate::provider::call::{LlmDoor, Models};
use crate::provider::chain::{Chains, ChainsError};
use crate::provider::openai::JsonMode;
use crate::provider::price::Prices;
use crate::provider::set::Providers;
pub use server::{Dialect, ServerConfig};

const GROQ_BASE: &str = "https://api.groq.com/openai/v1";
const GROQ_MODEL: &str = "llama-3.1-8b-instant";
const GROQ: &str = "groq";
/// Gemini in its own format, always.
const GOOGLE: &str = "google";
const GOOGLE_MODEL: &str = "gemini-2.5-flash";
/// Parts of the names of Groq's models that take a JSON schema.
const GROQ_SCHEMAS: [&str; 3] = ["gpt-oss", "kimi-k2", "llama-4"];
const SIMULATOR: &str = "simulator";

/// Whom the worker calls.
#[derive(Debug, Clone)]
pub struct ProviderConfig {
    /// `LLM_PROVIDER`: who answers where nothing else is said; a name in `servers`.
    pub provider: String,
    /// `LLM_MODEL`, and `LLM_MODEL_FAST` and `LLM_MODEL_QUALITY` where they differ: its models.
    pub models: Models,
    /// Every provider that has a server or a key, by the name that the ledger and the price table call it by.
    pub servers: BTreeMap<String, ServerConfig>,
    /// `LLM_CHAINS`, and when breakers open.
    pub door: DoorConfig,
}

impl ProviderConfig {
    /// Reads the settings. `LLM_BASE_URL` names a server; `GROQ_API_KEY` means Groq, `GOOGLE_API_KEY` Gemini, beside it or
    /// alone. A key is sent to its own provider only. In production neither the simulator nor a server without a key will
    /// do.
    ///
    /// # Errors
    /// If a setting is missing or can't be used.
    pub fn read(settings: &Settings<'_>) -> Result<Self, ConfigError> {
        let named = settings.text("LLM_PROVIDER");
        if named.as_deref().is_some_and(|name| !is_name(name)) {
            return Err(ConfigError::new("LLM_PROVIDER", "must be 1 to 50 letters, digits, dots or dashes"));
        }
        let google = ServerConfig::google(settings)?;
        let own = own_server(settings, named.as_deref().filter(|name| *name != GOOGLE))?;
        // Gemini answers if it is asked to, or if nobody else can.
        let provider = match (&own, &google) {
            (_, Some(_)) if named.as_deref() == Some(GOOGLE) => GOOGLE.to_owned(),
            _ if named.as_deref() == Some(GOOGLE) => return Err(ConfigError::new("GOOGLE_API_KEY", NO_GOOGLE)),
            (Some((name, _)), _) => name.clone(),
            (None, Some(_)) if named.is_none() => GOOGLE.to_owned(),
            (None, _) => return Err(ConfigError::new("LLM_BASE_URL", NOBODY)),
        };
        let is_groq = own.as_ref().is_some_and(|(_, server)| server.is_groq());
        let models = models(settings, usual_model(&provider, is_groq))?;
        let json = server::json_mode(settings, "LLM_JSON")?.unwrap_or_else(|| usual_json(is_groq, &models));
        let own = own.map(|(name, server)| (name, ServerConfig { dialect: Dialect::OpenAi(json), ..server }));
        let mut servers: BTreeMap<String, ServerConfig> = own.into_iter().collect();
        if !is_groq && let Some(groq) = ServerConfig::groq(settings)? {
            servers.entry(GROQ.to_owned()).or_insert(groq);
        }
        servers.extend(google.map(|google| (GOOGLE.to_owned(), google)));
        if settings.is_production() {
            refuse_in_production(&servers)?;
        }
        Ok(Self { provider, models, servers, door: DoorConfig::read(settings)? })
    }

    /// Makes the clients; each connects when first used.
    ///
    /// # Errors
    /// If one can't be made.
    pub fn providers(&self) -> Result<Providers, ConfigError> {
        let clients: Result<Vec<_>, _> = self.servers.iter().map(|(name, server)| server.client(name)).collect();
        Ok(Providers::new(clients?))
    }

    /// Makes the door to the providers: by the chains of the file that is named; else to the one that answers where nothing
    /// else is said; where Groq and Gemini both have a key and nothing is said at all, by the chains that come with the product.
    ///
    /// # Errors
    /// If the clients or the price table can't be made, or a chain names what is not configured.
    pub fn door(self) -> Result<LlmDoor, ConfigError> {
        let prices = Prices::embedded().map_err(|error| ConfigError::new("prices.toml", error.to_string()))?;
        let providers = self.providers()?;
        let unusable = |error: ChainsError| ConfigError::new("LLM_CHAINS", error.to_string());
        let chains = match &self.door.chains {
            Some(text) => Chains::parse(text, &providers, &prices).map_err(unusable)?,
            None if !self.door.names_one && providers.len() > 1 => {
                Chains::embedded(&providers, &prices).map_err(unusable)?
            }
            None => {
                providers.get(&self.provider).ok_or_else(|| ConfigError::new("LLM_PROVIDER", NOBODY))?;
                Chains::of_one(&self.provider, self.models)
            }
        };
        Ok(LlmDoor::with_chains(providers, chains, prices, self.door.policy))
    }
}

const NOBODY: &str = "no model provider is set: give LLM_BASE_URL and LLM_MODEL of any server that speaks OpenAI's format, or \
    GROQ_API_KEY, or GOOGLE_API_KEY; without one, `hellosales dev` starts a simulator";
const NO_GOOGLE: &str = "must be set, if LLM_PROVIDER is google: that is Gemini in its own format; a server that speaks OpenAI's \
    needs another name";

/// The server of `LLM_BASE_URL`, or Groq where only its key is set.
fn own_server(settings: &Settings<'_>, named: Option<&str>) -> Result<Option<(String, ServerConfig)>, ConfigError> {
    let Some(mut server) = ServerConfig::own(settings)? else {
        let groq = ServerConfig::groq(settings)?;
        return Ok(groq.map(|groq| (named.unwrap_or(GROQ).to_owned(), groq)));
    };
    let name = named.unwrap_or_else(|| server.usual_name()).to_owned();
    // The simulator wants a key as vendors do, and takes any.
    if name == SIMULATOR && server.api_key.is_none() {
        server.api_key = Some(SIMULATOR.to_owned().into());
    }
    Ok(Some((name, server)))
}

fn is_name(name: &str) -> bool {
    name.len() <= 50 && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn usual_model(provider: &str, is_groq: bool) -> Option<&'static str> {
    match provider {
        GOOGLE => Some(GOOGLE_MODEL),
        SIMULATOR => Some(GROQ_MODEL),
        _ => is_groq.then_some(GROQ_MODEL),
    }
}

fn models(settings: &Settings<'_>, usual: Option<&str>) -> Result<Models, ConfigError> {
    let named = settings.text("LLM_MODEL").or_else(|| usual.map(str::to_owned));
    let model = named.ok_or_else(|| ConfigError::new("LLM_MODEL", "must name the model that LLM_BASE_URL serves"))?;
    Ok(Models {
        fast: settings.text("LLM_MODEL_FAST").unwrap_or_else(|| model.clone()),
        quality: settings.text("LLM_MODEL_QUALITY").unwrap_or_else(|| model.clone()),
        balanced: model,
    })
}

/// Groq refuses a schema for most of its models.
fn usual_json(is_groq: bool, models: &Models) -> JsonMode {
    let knows_schemas = |model: &String| GROQ_SCHEMAS.iter().any(|known| model.contains(known));
    if is_groq && ![&models.fast, &models.balanced, &models.quality].into_iter().all(knows_schemas) {
        JsonMode::Object
    } else {
        JsonMode::Schema
    }
}

fn refuse_in_production(servers: &BTreeMap<String, ServerConfig>) -> Result<(), ConfigError> {
    if servers.contains_key(SIMULATOR) {
        let fix = "the simulator answers nobody in production: set GROQ_API_KEY or GOOGLE_API_KEY, or LLM_BASE_URL, LLM_MODEL and LLM_API_KEY";
        return Err(ConfigError::new("LLM_PROVIDER", fix));
    }
    if servers.values().any(|server| server.api_key.is_none()) {
        let fix =
            "in production a provider needs a key: set GROQ_API_KEY or GOOGLE_API_KEY, or LLM_API_KEY for LLM_BASE_URL";
        return Err(ConfigError::new("LLM_API_KEY", fix));
    }
    Ok(())
}
