//! Settings of the api.

use std::fmt::Display;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use hellosales_core::run::QualityMode;
use rust_decimal::Decimal;

/// No body may be larger, whatever is set: it is held in memory.
const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;
/// No time may be longer: a day.
const MAX_MILLIS: u64 = 24 * 3_600_000;

/// No email costs more.
const CENTS: RangeInclusive<Decimal> = Decimal::ZERO..=Decimal::ONE_THOUSAND;

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
    /// An organisation may have this many runs waiting in a lane; what it submits then is refused.
    pub max_backlog: i64,
    /// An organisation may have this many batches under way.
    pub batches_per_org: u32,
    /// What an email usually costs, by quality mode: for estimates, as long as an organisation has none to go by.
    pub usual_email_cents: UsualCents,
    /// What is under way when the process is told to stop has this long to end.
    pub shutdown_grace: Duration,
    /// An attempt at a stage may take this long, where its pipeline doesn't say.
    pub stage_timeout_ms: i32,
}

/// What an email usually costs, by quality mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsualCents {
    /// By the quickest model.
    pub fast: Decimal,
    /// By the usual one.
    pub balanced: Decimal,
    /// By the best one.
    pub quality: Decimal,
}

impl UsualCents {
    /// Of a mode.
    #[must_use]
    pub const fn of(&self, mode: QualityMode) -> Decimal {
        match mode {
            QualityMode::Fast => self.fast,
            QualityMode::Balanced => self.balanced,
            QualityMode::Quality => self.quality,
        }
    }
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
            max_backlog: 10_000,
            batches_per_org: 20,
            // 800 tokens of prompt and 400 of answer, of models as they are sold in 2026.
            usual_email_cents: UsualCents {
                fast: Decimal::new(1, 2),
                balanced: Decimal::new(4, 2),
                quality: Decimal::new(30, 2),
            },
            shutdown_grace: Duration::from_secs(10),
            stage_timeout_ms: 30_000,
        }
    }

    /// From the environment of the process.
    ///
    /// # Errors
    /// If a setting is missing or can't be used; the error names it.
    pub fn from_env() -> Result<Self, ConfigError> {
        #[expect(clippy::disallowed_methods, reason = "this is config")]
        Self::read(&|name| std::env::var(name).ok())
    }

    /// From anywhere: the process, or a test's table. An empty setting counts as not set.
    fn read(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let settings = Settings { lookup };
        let usual = Self::new("", "");
        Ok(Self {
            listen: settings.address("API_LISTEN")?.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 8080))),
            jwks_urls: settings.urls("JWKS_URL")?,
            issuers: settings.required("JWT_ISSUERS")?,
            audience: settings.text("JWT_AUDIENCE"),
            cors_origins: settings.list("CORS_ORIGINS"),
            body_limit: settings.number("API_BODY_LIMIT_BYTES", usual.body_limit, 1_024..=MAX_BODY_BYTES)?,
            header_timeout: settings.millis("API_HEADER_TIMEOUT_MS", usual.header_timeout, 100)?,
            body_timeout: settings.millis("API_BODY_TIMEOUT_MS", usual.body_timeout, 100)?,
            write_timeout: settings.millis("API_WRITE_TIMEOUT_MS", usual.write_timeout, 100)?,
            max_connections: settings.number("API_MAX_CONNECTIONS", usual.max_connections, 1..=1_000_000)?,
            streams_per_user: settings.number("API_STREAMS_PER_USER", usual.streams_per_user, 1..=1_000_000)?,
            streams_per_org: settings.number("API_STREAMS_PER_ORG", usual.streams_per_org, 1..=1_000_000)?,
            max_backlog: settings.number("API_MAX_BACKLOG", usual.max_backlog, 1..=1_000_000_000)?,
            batches_per_org: settings.number("API_BATCHES_PER_ORG", usual.batches_per_org, 1..=1_000)?,
            usual_email_cents: UsualCents {
                fast: settings.number("EMAIL_CENTS_FAST", usual.usual_email_cents.fast, CENTS)?,
                balanced: settings.number("EMAIL_CENTS_BALANCED", usual.usual_email_cents.balanced, CENTS)?,
                quality: settings.number("EMAIL_CENTS_QUALITY", usual.usual_email_cents.quality, CENTS)?,
            },
            shutdown_grace: settings.millis("API_SHUTDOWN_GRACE_MS", usual.shutdown_grace, 0)?,
            stage_timeout_ms: settings.number("STAGE_TIMEOUT_MS", usual.stage_timeout_ms, 100..=3_600_000)?,
        })
    }
}

/// Where settings are looked up.
struct Settings<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
}

impl Settings<'_> {
    fn text(&self, name: &str) -> Option<String> {
        (self.lookup)(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    fn list(&self, name: &str) -> Vec<String> {
        let text = self.text(name).unwrap_or_default();
        text.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
    }

    fn required(&self, name: &'static str) -> Result<Vec<String>, ConfigError> {
        let list = self.list(name);
        if list.is_empty() { Err(error(name, "is not set")) } else { Ok(list) }
    }

    fn urls(&self, name: &'static str) -> Result<Vec<String>, ConfigError> {
        let urls = self.required(name)?;
        let is_url = |url: &String| url.starts_with("https://") || url.starts_with("http://");
        if urls.iter().all(is_url) {
            Ok(urls)
        } else {
            Err(error(name, "must be a URL such as https://issuer.example/jwks.json"))
        }
    }

    /// `127.0.0.1:8080`, or `:8080` for every address of the machine.
    fn address(&self, name: &'static str) -> Result<Option<SocketAddr>, ConfigError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let whole = if text.starts_with(':') { format!("0.0.0.0{text}") } else { text };
        let wrong = |_| error(name, "must be an address and a port, like 127.0.0.1:8080 or :8080");
        whole.parse().map(Some).map_err(wrong)
    }

    fn number<T: FromStr + PartialOrd + Display>(
        &self,
        name: &'static str,
        usual: T,
        range: RangeInclusive<T>,
    ) -> Result<T, ConfigError> {
        let Some(text) = self.text(name) else { return Ok(usual) };
        text.parse()
            .ok()
            .filter(|number| range.contains(number))
            .ok_or_else(|| error(name, format!("must be a number from {} to {}", range.start(), range.end())))
    }

    fn millis(&self, name: &'static str, usual: Duration, least: u64) -> Result<Duration, ConfigError> {
        let usual = u64::try_from(usual.as_millis()).unwrap_or(u64::MAX);
        self.number(name, usual, least..=MAX_MILLIS).map(Duration::from_millis)
    }
}

fn error(name: &'static str, problem: impl Into<String>) -> ConfigError {
    ConfigError { name, problem: problem.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDED: [(&str, &str); 2] = [("JWKS_URL", "https://a/jwks.json"), ("JWT_ISSUERS", "a")];

    fn read(more: &[(&str, &str)]) -> Result<ApiConfig, ConfigError> {
        let all = [more, &NEEDED].concat();
        ApiConfig::read(&|name| all.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn without_settings_an_api_runs_by_its_defaults_and_an_empty_one_is_none() {
        let usual = ApiConfig { listen: "127.0.0.1:8080".parse().unwrap(), ..ApiConfig::new(NEEDED[0].1, NEEDED[1].1) };
        let empty = [("API_LISTEN", ""), ("JWT_AUDIENCE", " "), ("CORS_ORIGINS", ","), ("API_BODY_LIMIT_BYTES", "")];
        for more in [&[][..], &empty] {
            assert_eq!(format!("{:?}", read(more).unwrap()), format!("{usual:?}"));
        }
    }

    #[test]
    fn every_setting_has_its_effect() {
        let config = read(&[
            ("API_LISTEN", ":9000"),
            ("JWKS_URL", "https://a/1 , http://b/2"),
            ("JWT_ISSUERS", "x,y/"),
            ("JWT_AUDIENCE", "api"),
            ("CORS_ORIGINS", "https://app.example,http://localhost:3000"),
            ("API_BODY_LIMIT_BYTES", "2048"),
            ("API_HEADER_TIMEOUT_MS", "101"),
            ("API_BODY_TIMEOUT_MS", "102"),
            ("API_WRITE_TIMEOUT_MS", "103"),
            ("API_MAX_CONNECTIONS", "4"),
            ("API_STREAMS_PER_USER", "5"),
            ("API_STREAMS_PER_ORG", "6"),
            ("API_MAX_BACKLOG", "9"),
            ("API_BATCHES_PER_ORG", "7"),
            ("EMAIL_CENTS_FAST", "0.001"),
            ("EMAIL_CENTS_BALANCED", "0"),
            ("EMAIL_CENTS_QUALITY", "1000"),
            ("API_SHUTDOWN_GRACE_MS", "7"),
            ("STAGE_TIMEOUT_MS", "800"),
        ]);
        let expected = ApiConfig {
            listen: "0.0.0.0:9000".parse().unwrap(),
            jwks_urls: vec!["https://a/1".to_owned(), "http://b/2".to_owned()],
            issuers: vec!["x".to_owned(), "y/".to_owned()],
            audience: Some("api".to_owned()),
            cors_origins: vec!["https://app.example".to_owned(), "http://localhost:3000".to_owned()],
            body_limit: 2_048,
            header_timeout: Duration::from_millis(101),
            body_timeout: Duration::from_millis(102),
            write_timeout: Duration::from_millis(103),
            max_connections: 4,
            streams_per_user: 5,
            streams_per_org: 6,
            max_backlog: 9,
            batches_per_org: 7,
            usual_email_cents: UsualCents {
                fast: Decimal::new(1, 3),
                balanced: Decimal::ZERO,
                quality: Decimal::ONE_THOUSAND,
            },
            shutdown_grace: Duration::from_millis(7),
            stage_timeout_ms: 800,
        };
        assert_eq!(format!("{:?}", config.unwrap()), format!("{expected:?}"));
    }

    #[test]
    fn a_setting_that_can_not_be_used_is_refused_by_its_name() {
        for (name, value) in [
            ("API_LISTEN", "8080"),
            ("JWKS_URL", ""),
            ("JWKS_URL", "issuer.example/jwks.json"),
            ("JWT_ISSUERS", " , "),
            ("API_BODY_LIMIT_BYTES", "0"),
            ("API_BODY_LIMIT_BYTES", "1e6"),
            ("API_HEADER_TIMEOUT_MS", "0"),
            ("API_BODY_TIMEOUT_MS", "-1"),
            ("API_WRITE_TIMEOUT_MS", "soon"),
            ("API_MAX_CONNECTIONS", "0"),
            ("API_STREAMS_PER_USER", "0"),
            ("API_STREAMS_PER_ORG", "many"),
            ("API_MAX_BACKLOG", "0"),
            ("API_BATCHES_PER_ORG", "0"),
            ("EMAIL_CENTS_FAST", "-1"),
            ("EMAIL_CENTS_BALANCED", "some"),
            ("EMAIL_CENTS_QUALITY", "1000.1"),
            ("API_SHUTDOWN_GRACE_MS", "1.5"),
            ("STAGE_TIMEOUT_MS", "99"),
        ] {
            let refused = read(&[(name, value)]).unwrap_err().to_string();
            assert!(refused.starts_with(&format!("{name}: ")), "{refused}");
        }
    }
}
