//! How the door to the models is set: chains from a file, and when breakers open.

use std::time::Duration;

use hellosales_core::breaker::Policy;

use super::{ConfigError, Settings};

/// A file of chains that is longer is none.
const MOST_BYTES: u64 = 256 * 1024;

/// How the door to the models is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoorConfig {
    /// What stands in the file that `LLM_CHAINS` names.
    pub chains: Option<String>,
    /// `CIRCUIT_BREAKER_FAILURE_THRESHOLD` and `CIRCUIT_BREAKER_OPEN_SECONDS`.
    pub policy: Policy,
    /// A model or a server is named by itself: then it is asked, and no chain that comes with the product.
    pub names_one: bool,
}

impl DoorConfig {
    /// Reads the settings, and the file.
    ///
    /// # Errors
    /// If one can't be used.
    pub fn read(settings: &Settings<'_>) -> Result<Self, ConfigError> {
        let usual = Policy::default();
        let failures = settings.number("CIRCUIT_BREAKER_FAILURE_THRESHOLD", usual.failures, 1..=100_000)?;
        let open = settings.number("CIRCUIT_BREAKER_OPEN_SECONDS", usual.open.as_secs(), 1..=86_400)?;
        let one = ["LLM_BASE_URL", "LLM_PROVIDER", "LLM_MODEL", "LLM_MODEL_FAST", "LLM_MODEL_QUALITY"];
        Ok(Self {
            chains: settings.text("LLM_CHAINS").map(|path| file(&path)).transpose()?,
            policy: Policy { failures, open: Duration::from_secs(open), ..usual },
            names_one: one.into_iter().any(|name| settings.text(name).is_some()),
        })
    }
}

fn file(path: &str) -> Result<String, ConfigError> {
    let name = "LLM_CHAINS";
    let unreadable = |error: std::io::Error| ConfigError::new(name, format!("{path} can't be read: {error}"));
    let known = std::fs::metadata(path).map_err(unreadable)?;
    if !known.is_file() || known.len() > MOST_BYTES {
        return Err(ConfigError::new(name, format!("{path} must be a file of at most {MOST_BYTES} bytes")));
    }
    std::fs::read_to_string(path).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<DoorConfig, ConfigError> {
        let lookup = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        DoorConfig::read(&Settings::new(&lookup))
    }

    #[test]
    fn breakers_open_as_the_plan_says_unless_they_are_set() {
        let usual = read(&[]).unwrap();
        assert_eq!((usual.policy, usual.chains, usual.names_one), (Policy::default(), None, false));
        let set =
            [("CIRCUIT_BREAKER_FAILURE_THRESHOLD", "5"), ("CIRCUIT_BREAKER_OPEN_SECONDS", "7"), ("LLM_MODEL", "m")];
        let set = read(&set).unwrap();
        assert_eq!((set.policy.failures, set.policy.open, set.names_one), (5, Duration::from_secs(7), true));
    }

    #[test]
    fn what_can_not_be_used_is_named() {
        for (name, value) in [
            ("CIRCUIT_BREAKER_FAILURE_THRESHOLD", "0"),
            ("CIRCUIT_BREAKER_FAILURE_THRESHOLD", "few"),
            ("CIRCUIT_BREAKER_OPEN_SECONDS", "0"),
            ("CIRCUIT_BREAKER_OPEN_SECONDS", "-1"),
            ("LLM_CHAINS", "/nowhere/chains.toml"),
            ("LLM_CHAINS", "/"),
        ] {
            assert_eq!(read(&[(name, value)]).unwrap_err().name, name, "{value}");
        }
    }
}
