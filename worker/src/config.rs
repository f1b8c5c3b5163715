//! Settings of the worker: the one place that reads the environment. A setting that can't be read stops the start with
//! its name and what it should be; an empty one counts as not set.

mod budget;
mod door;
mod provider;
mod retention;
mod runtime;

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use hellosales_core::retention::Policy;

pub use budget::BudgetConfig;
pub use door::DoorConfig;
pub use provider::{Dialect, ProviderConfig, ServerConfig};
pub use retention::read as read_retention;
pub use runtime::WorkerConfig;

/// A setting that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {problem}")]
pub struct ConfigError {
    /// The setting.
    pub name: &'static str,
    /// What is wrong with it, and what to do.
    pub problem: String,
}

impl ConfigError {
    fn new(name: &'static str, problem: impl Into<String>) -> Self {
        Self { name, problem: problem.into() }
    }
}

/// Where settings are looked up: the process, or a test's table.
pub struct Settings<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
}

impl<'a> Settings<'a> {
    /// Settings from anywhere.
    #[must_use]
    pub const fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { lookup }
    }

    /// The process's environment.
    #[must_use]
    pub const fn of_process() -> Settings<'static> {
        #[expect(clippy::disallowed_methods, reason = "this is config")]
        Settings { lookup: &|name| std::env::var(name).ok() }
    }

    fn text(&self, name: &'static str) -> Option<String> {
        (self.lookup)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    fn flag(&self, name: &'static str, default: bool) -> Result<bool, ConfigError> {
        match self.text(name).as_deref().map(str::to_lowercase).as_deref() {
            None => Ok(default),
            Some("true" | "1" | "yes" | "on") => Ok(true),
            Some("false" | "0" | "no" | "off") => Ok(false),
            Some(_) => Err(ConfigError::new(name, "must be true or false")),
        }
    }

    fn number<T: FromStr + PartialOrd + Display>(
        &self,
        name: &'static str,
        default: T,
        range: RangeInclusive<T>,
    ) -> Result<T, ConfigError> {
        let Some(text) = self.text(name) else { return Ok(default) };
        text.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| {
            ConfigError::new(name, format!("must be a whole number from {} to {}", range.start(), range.end()))
        })
    }

    fn is_production(&self) -> bool {
        self.text("ENVIRONMENT").is_some_and(|name| name.eq_ignore_ascii_case("production"))
    }
}

impl std::fmt::Debug for Settings<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Settings")
    }
}

/// The last turn can still be replaced: no summary may cover it.
const KEEP_LAST: RangeInclusive<i32> = 2..=100;

/// What stages are told by operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PipelineConfig {
    /// `SUMMARY_ENABLED`: whether long conversations are summed up.
    pub summary_enabled: bool,
    /// `SUMMARY_THRESHOLD`: after so many turns.
    pub summary_threshold: i32,
    /// `SUMMARY_KEEP_LAST`: so many interactions stay as they were said.
    pub summary_keep_last: i32,
    /// `GUARDRAILS_ENABLED`: whether the guards' rules about content are on.
    pub guardrails_enabled: bool,
    /// `STAGE_TIMEOUT_MS`: how long an attempt of a stage may take whose graph says nothing.
    pub stage_timeout_ms: i32,
    /// `RETENTION_…_DAYS`: how long what is kept.
    pub retention: Policy,
}

impl Default for PipelineConfig {
    fn default() -> Self {
        Self {
            summary_enabled: true,
            summary_threshold: 8,
            summary_keep_last: 6,
            guardrails_enabled: true,
            stage_timeout_ms: 30_000,
            retention: Policy::default(),
        }
    }
}

impl PipelineConfig {
    /// Reads the settings.
    ///
    /// # Errors
    /// If one can't be used.
    pub fn read(settings: &Settings<'_>) -> Result<Self, ConfigError> {
        let default = Self::default();
        let config = Self {
            summary_enabled: settings.flag("SUMMARY_ENABLED", default.summary_enabled)?,
            summary_threshold: settings.number("SUMMARY_THRESHOLD", default.summary_threshold, 1..=1_000)?,
            summary_keep_last: settings.number("SUMMARY_KEEP_LAST", default.summary_keep_last, KEEP_LAST)?,
            guardrails_enabled: settings.flag("GUARDRAILS_ENABLED", default.guardrails_enabled)?,
            stage_timeout_ms: settings.number("STAGE_TIMEOUT_MS", default.stage_timeout_ms, 100..=3_600_000)?,
            retention: retention::read(settings)?,
        };
        if !config.guardrails_enabled {
            tracing::warn!(
                setting = "GUARDRAILS_ENABLED",
                "GUARDRAILS ARE OFF: what users ask and models answer is not checked"
            );
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &'static [(&str, &str)]) -> Result<PipelineConfig, ConfigError> {
        let lookup = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        PipelineConfig::read(&Settings::new(&lookup))
    }

    #[test]
    fn what_is_not_set_or_empty_has_its_default() {
        assert_eq!(read(&[]).unwrap(), PipelineConfig::default());
        assert_eq!(read(&[("SUMMARY_THRESHOLD", " ")]).unwrap(), PipelineConfig::default());
    }

    #[test]
    fn every_setting_is_read() {
        let config = read(&[
            ("SUMMARY_ENABLED", "false"),
            ("SUMMARY_THRESHOLD", "4"),
            ("SUMMARY_KEEP_LAST", "2"),
            ("GUARDRAILS_ENABLED", "OFF"),
            ("STAGE_TIMEOUT_MS", "1500"),
            ("RETENTION_RUNS_DAYS", "400"),
        ]);
        let expected = PipelineConfig {
            summary_enabled: false,
            summary_threshold: 4,
            summary_keep_last: 2,
            guardrails_enabled: false,
            stage_timeout_ms: 1500,
            retention: Policy { runs_days: 400, ..Policy::default() },
        };
        assert_eq!(config.unwrap(), expected);
    }

    #[test]
    fn a_setting_that_makes_no_sense_is_named() {
        for (name, value) in [
            ("SUMMARY_ENABLED", "perhaps"),
            ("SUMMARY_THRESHOLD", "0"),
            ("SUMMARY_KEEP_LAST", "1"),
            ("GUARDRAILS_ENABLED", "2"),
            ("STAGE_TIMEOUT_MS", "soon"),
        ] {
            let lookup = |key: &str| (key == name).then(|| value.to_owned());
            let error = PipelineConfig::read(&Settings::new(&lookup)).unwrap_err();
            assert_eq!(error.name, name);
            assert!(error.to_string().starts_with(name), "{error}");
        }
    }
}
