//! What is read of the settings, and what is refused.

use secrecy::ExposeSecret;

use super::*;
use crate::provider::http::Timeouts;

fn read(pairs: &[(&str, &str)]) -> Result<ProviderConfig, ConfigError> {
    let lookup = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    ProviderConfig::read(&Settings::new(&lookup))
}

fn server(config: &ProviderConfig) -> &ServerConfig {
    &config.servers[&config.provider]
}

fn key(config: &ProviderConfig) -> Option<&str> {
    server(config).api_key.as_ref().map(ExposeSecret::expose_secret)
}

#[test]
fn a_key_of_groqs_alone_means_groq() {
    let config = read(&[("GROQ_API_KEY", "gsk_1")]).unwrap();
    assert_eq!((config.provider.as_str(), server(&config).base_url.as_str()), ("groq", GROQ_BASE));
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
    let json = |pairs: &[(&str, &str)]| {
        let Dialect::OpenAi(json) = server(&read(pairs).unwrap()).dialect else { panic!("another dialect") };
        json
    };
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
    let models = read(&[&base[..], &[("LLM_MODEL_FAST", "f"), ("LLM_MODEL_QUALITY", "q")]].concat()).unwrap().models;
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

#[test]
fn every_provider_with_a_key_or_a_server_can_be_called_by_its_name() {
    let pairs = [("GROQ_API_KEY", "gsk_1"), ("LLM_BASE_URL", "http://127.0.0.1:8080/v1"), ("LLM_MODEL", "m")];
    let config = read(&pairs).unwrap();
    let providers = config.providers().unwrap();
    assert_eq!((config.provider.as_str(), providers.names().collect::<Vec<_>>()), ("local", vec!["groq", "local"]));
    assert_eq!(providers.get("groq").unwrap().provider(), "groq");
    assert!(providers.get("google").is_none());
    assert_eq!(config.servers["groq"].api_key.as_ref().map(ExposeSecret::expose_secret), Some("gsk_1"));
    assert_eq!(key(&config), None, "a key goes to its own provider only");
}

#[test]
fn a_provider_may_be_given_less_time_and_never_more_than_its_stage_has() {
    let base = [("GROQ_API_KEY", "k")];
    let timed = |pairs: &[(&str, &str)]| read(&[&base[..], pairs].concat()).map(|config| server(&config).timeouts);
    assert_eq!(timed(&[]).unwrap(), Timeouts::default());
    let quick = timed(&[("LLM_FIRST_TOKEN_TIMEOUT_MS", "1500"), ("LLM_TIMEOUT_MS", "9000")]).unwrap();
    assert_eq!((quick.first_token.as_millis(), quick.total.as_millis()), (1_500, 9_000));
    for wrong in ["0", "60000", "soon"] {
        assert_eq!(timed(&[("LLM_TIMEOUT_MS", wrong)]).unwrap_err().name, "LLM_TIMEOUT_MS");
    }
}

#[test]
fn a_key_of_googles_alone_means_gemini_and_beside_another_it_is_one_more() {
    let google = [("GOOGLE_API_KEY", "AIza-1")];
    let config = read(&google).unwrap();
    assert_eq!((config.provider.as_str(), config.models.balanced.as_str()), (GOOGLE, GOOGLE_MODEL));
    assert_eq!(
        (server(&config).base_url.host_str(), key(&config)),
        (Some("generativelanguage.googleapis.com"), Some("AIza-1"))
    );
    assert_eq!(config.providers().unwrap().get(GOOGLE).unwrap().provider(), GOOGLE);
    let both = [&google[..], &[("GROQ_API_KEY", "gsk_1")]].concat();
    let config = read(&both).unwrap();
    assert_eq!((config.provider.as_str(), config.models.balanced.as_str()), (GROQ, GROQ_MODEL));
    assert_eq!(config.servers.keys().collect::<Vec<_>>(), [GOOGLE, GROQ]);
    let config = read(&[&both[..], &[("LLM_PROVIDER", "google"), ("LLM_MODEL", "gemini-2.5-pro")]].concat()).unwrap();
    assert_eq!((config.provider.as_str(), config.models.fast.as_str()), (GOOGLE, "gemini-2.5-pro"));
    assert_eq!(config.servers.keys().collect::<Vec<_>>(), [GOOGLE, GROQ]);
    assert_eq!(read(&[("LLM_PROVIDER", "google"), ("GROQ_API_KEY", "k")]).unwrap_err().name, "GOOGLE_API_KEY");
    assert_eq!(read(&[&google[..], &[("LLM_PROVIDER", "acme")]].concat()).unwrap_err().name, "LLM_BASE_URL");
}

#[test]
fn googles_settings_are_its_own() {
    let base = [("GOOGLE_API_KEY", "k"), ("GOOGLE_BASE_URL", "http://127.0.0.1:8090"), ("LLM_TIMEOUT_MS", "9000")];
    let config = read(&[&base[..], &[("GOOGLE_TIMEOUT_MS", "8000"), ("GOOGLE_JSON", "object")]].concat()).unwrap();
    assert_eq!(server(&config).timeouts.total.as_millis(), 8_000);
    assert_eq!(server(&config).dialect, Dialect::Google(JsonMode::Object));
    assert_eq!(server(&config).base_url.as_str(), "http://127.0.0.1:8090/");
    for (name, wrong) in [("GOOGLE_JSON", "xml"), ("GOOGLE_BASE_URL", "ftp://x"), ("GOOGLE_TIMEOUT_MS", "1")] {
        assert_eq!(read(&[("GOOGLE_API_KEY", "k"), (name, wrong)]).unwrap_err().name, name);
    }
    assert!(read(&[("GOOGLE_API_KEY", "k"), ("ENVIRONMENT", "production")]).is_ok());
    let config = read(&[("GOOGLE_API_KEY", "AIza-canary")]).unwrap();
    assert!(
        !format!("{config:?} {:?} {:?}", config.providers().unwrap(), config.clone().door().unwrap())
            .contains("canary")
    );
}
