//! Settings of the worker: the one place that reads the environment. A setting that can't be read stops the start with
//! its name and what it should be; an empty one counts as not set.

mod runtime;

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

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
}

impl std::fmt::Debug for Settings<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Settings")
    }
}
