//! Settings of the api.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// How an api is run.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// Where to listen; port 0 takes any free one.
    pub listen: SocketAddr,
    /// The key sets of the issuers that are believed.
    pub jwks_urls: Vec<String>,
    /// The issuers that are believed; each with and without a slash at its end.
    pub issuers: Vec<String>,
    /// The audience that a token must name, if one is given.
    pub audience: Option<String>,
    /// The origins of browsers that may call, exactly.
    pub cors_origins: Vec<String>,
    /// A body may have this many bytes.
    pub body_limit: usize,
    /// A request's head must have arrived after this much time.
    pub header_timeout: Duration,
    /// A request's body must have arrived after this much time.
    pub body_timeout: Duration,
    /// A client that takes nothing for this long is cut off.
    pub write_timeout: Duration,
    /// This many connections are served; others wait.
    pub max_connections: usize,
    /// A person may follow this many streams of this process.
    pub streams_per_user: usize,
    /// An organisation may follow this many streams of this process.
    pub streams_per_org: usize,
    /// What is under way when the process is told to stop has this long to end.
    pub shutdown_grace: Duration,
    /// An attempt at a stage may take this long, where its pipeline doesn't say.
    pub stage_timeout_ms: i32,
}

/// A setting that can't be used.
#[derive(Debug, thiserror::Error)]
#[error("{name}: {problem}")]
pub struct ConfigError {
    name: &'static str,
    problem: String,
}

impl ApiConfig {
    /// The usual bounds, on a free port of this machine, for one issuer.
    #[must_use]
    pub fn new(jwks_url: impl Into<String>, issuer: impl Into<String>) -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            jwks_urls: vec![jwks_url.into()],
            issuers: vec![issuer.into()],
            audience: None,
            cors_origins: Vec::new(),
            body_limit: 1024 * 1024,
            header_timeout: Duration::from_secs(15),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            max_connections: 4096,
            streams_per_user: 50,
            streams_per_org: 1000,
            shutdown_grace: Duration::from_secs(10),
            stage_timeout_ms: 30_000,
        }
    }

    /// From the environment.
    ///
    /// # Errors
    /// If a setting is missing or can't be read.
    pub fn from_env() -> Result<Self, ConfigError> {
        let required = |name| list(name).filter(|list| !list.is_empty()).ok_or_else(|| error(name, "is not set"));
        let usual = Self::new("", "");
        Ok(Self {
            listen: parsed("API_LISTEN")?.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 8080))),
            jwks_urls: required("JWKS_URL")?,
            issuers: required("JWT_ISSUERS")?,
            audience: text("JWT_AUDIENCE"),
            cors_origins: list("CORS_ORIGINS").unwrap_or_default(),
            body_limit: parsed("API_BODY_LIMIT_BYTES")?.unwrap_or(usual.body_limit),
            header_timeout: millis("API_HEADER_TIMEOUT_MS")?.unwrap_or(usual.header_timeout),
            body_timeout: millis("API_BODY_TIMEOUT_MS")?.unwrap_or(usual.body_timeout),
            write_timeout: millis("API_WRITE_TIMEOUT_MS")?.unwrap_or(usual.write_timeout),
            max_connections: parsed("API_MAX_CONNECTIONS")?.unwrap_or(usual.max_connections),
            streams_per_user: parsed("API_STREAMS_PER_USER")?.unwrap_or(usual.streams_per_user),
            streams_per_org: parsed("API_STREAMS_PER_ORG")?.unwrap_or(usual.streams_per_org),
            shutdown_grace: millis("API_SHUTDOWN_GRACE_MS")?.unwrap_or(usual.shutdown_grace),
            stage_timeout_ms: parsed("STAGE_TIMEOUT_MS")?.unwrap_or(usual.stage_timeout_ms),
        })
    }
}

fn error(name: &'static str, problem: impl ToString) -> ConfigError {
    ConfigError { name, problem: problem.to_string() }
}

#[expect(clippy::disallowed_methods, reason = "this is config")]
fn text(name: &str) -> Option<String> {
    std::env::var(name).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn list(name: &str) -> Option<Vec<String>> {
    text(name).map(|text| text.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect())
}

fn parsed<T: std::str::FromStr<Err: ToString>>(name: &'static str) -> Result<Option<T>, ConfigError> {
    text(name).map(|text| text.parse().map_err(|problem: T::Err| error(name, problem))).transpose()
}

fn millis(name: &'static str) -> Result<Option<Duration>, ConfigError> {
    Ok(parsed(name)?.map(Duration::from_millis))
}
