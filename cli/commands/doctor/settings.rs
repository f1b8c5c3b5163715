//! The settings of this environment, as the api and the worker would read them, and the providers' keys.

use std::time::Duration;

use hellosales_api::ApiConfig;
use hellosales_worker::config::{Dialect, PipelineConfig, ProviderConfig, ServerConfig, Settings, WorkerConfig};
use reqwest::StatusCode;
use secrecy::ExposeSecret;

use super::judge::Finding;
use crate::{client, config};

/// A provider has this long to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the settings are like. Where none of a part is set, that part doesn't run here, and nothing is said of it.
pub(super) async fn look() -> Vec<Finding> {
    let settings = Settings::of_process();
    let mut wrong = Vec::new();
    wrong.extend(WorkerConfig::read(&settings).err().map(|error| error.to_string()));
    wrong.extend(PipelineConfig::read(&settings).err().map(|error| error.to_string()));
    if config::optional("JWKS_URL").is_some() {
        wrong.extend(ApiConfig::from_env().err().map(|error| error.to_string()));
    }
    let has_provider = config::PROVIDERS.iter().any(|name| config::optional(name).is_some());
    let provider = if has_provider { ProviderConfig::read(&settings) } else { return vec![said(&wrong)] };
    let provider = match provider {
        Ok(provider) => provider,
        Err(error) => {
            wrong.push(error.to_string());
            return vec![said(&wrong)];
        }
    };
    let mut findings = vec![said(&wrong)];
    for (name, server) in &provider.servers {
        findings.push(ask(name, server).await);
    }
    findings
}

fn said(wrong: &[String]) -> Finding {
    Finding::new(
        "settings",
        wrong,
        "each can be read",
        ".env.example has every setting; hellosales config show --origin",
    )
}

/// Asks a provider for the list of its models: it costs nothing, and takes the key.
async fn ask(name: &str, server: &ServerConfig) -> Finding {
    let host = server.base_url.host_str().unwrap_or_default().to_owned();
    let wrong = match call(server).await {
        Ok(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => vec![format!("{name}: {host} refuses the key")],
        Ok(status) if status.is_server_error() => vec![format!("{name}: {host} answers {status}")],
        // What has no such list has at least been reached, and has not refused the key.
        Ok(_) => Vec::new(),
        Err(error) => vec![format!("{name}: {host} can't be reached: {}", innermost(&error))],
    };
    Finding::new(
        "provider",
        &wrong,
        format!("{name}: {host} answers"),
        "correct its key or its URL: hellosales config show",
    )
}

async fn call(server: &ServerConfig) -> reqwest::Result<StatusCode> {
    let url = format!("{}/models", server.base_url.as_str().trim_end_matches('/'));
    let http = client::http(&url).connect_timeout(Duration::from_secs(5)).timeout(PATIENCE).build()?;
    let request = match (&server.api_key, matches!(server.dialect, Dialect::Google(_))) {
        (Some(key), true) => http.get(url).header("x-goog-api-key", key.expose_secret()),
        (Some(key), false) => http.get(url).bearer_auth(key.expose_secret()),
        (None, _) => http.get(url),
    };
    Ok(request.send().await.map_err(reqwest::Error::without_url)?.status())
}

/// The last cause says most: the ones around it say that sending failed.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost.to_string()
}
