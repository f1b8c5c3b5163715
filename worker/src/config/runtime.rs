//! How a worker runs.

use std::net::SocketAddr;
use std::time::Duration;

use super::{ConfigError, Settings};

/// How a worker runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerConfig {
    /// `WORKER_SLOTS`: how many steps run at once.
    pub slots: u16,
    /// `WORKER_LEASE_MS`: for how long it may be silent before others take its steps.
    pub lease: Duration,
    /// `WORKER_GRACE_MS`: how long what runs may go on once it is told to stop; what doesn't end is given back.
    pub grace: Duration,
    /// `WORKER_LISTEN`: where it answers `/health`, `/ready` and `/metrics`.
    pub listen: Option<SocketAddr>,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self { slots: 64, lease: Duration::from_millis(15_000), grace: Duration::from_millis(25_000), listen: None }
    }
}

impl WorkerConfig {
    /// Reads the settings.
    ///
    /// # Errors
    /// If one can't be used.
    pub fn read(settings: &Settings<'_>) -> Result<Self, ConfigError> {
        let listen = settings.text("WORKER_LISTEN").map(|text| address(&text)).transpose()?;
        Ok(Self {
            slots: settings.number("WORKER_SLOTS", 64, 1..=4_096)?,
            lease: Duration::from_millis(settings.number("WORKER_LEASE_MS", 15_000, 500..=600_000)?),
            grace: Duration::from_millis(settings.number("WORKER_GRACE_MS", 25_000, 0..=600_000)?),
            listen,
        })
    }
}

/// `127.0.0.1:9091`, or `:9091` for every address of the machine.
fn address(text: &str) -> Result<SocketAddr, ConfigError> {
    let whole = if text.starts_with(':') { format!("0.0.0.0{text}") } else { text.to_owned() };
    whole
        .parse()
        .map_err(|_| ConfigError::new("WORKER_LISTEN", "must be an address and a port, like 127.0.0.1:9091 or :9091"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(set: &[(&str, &str)]) -> Result<WorkerConfig, ConfigError> {
        let lookup = |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        WorkerConfig::read(&Settings::new(&lookup))
    }

    #[test]
    fn without_settings_a_worker_runs_by_its_defaults() {
        assert_eq!(read(&[]), Ok(WorkerConfig::default()));
    }

    #[test]
    fn every_setting_has_its_effect() {
        let config = read(&[
            ("WORKER_SLOTS", "8"),
            ("WORKER_LEASE_MS", "2000"),
            ("WORKER_GRACE_MS", "100"),
            ("WORKER_LISTEN", ":9091"),
        ]);
        let expected = WorkerConfig {
            slots: 8,
            lease: Duration::from_secs(2),
            grace: Duration::from_millis(100),
            listen: Some(SocketAddr::from(([0, 0, 0, 0], 9091))),
        };
        assert_eq!(config, Ok(expected));
    }

    #[test]
    fn a_setting_that_can_not_be_used_is_refused_by_its_name() {
        for (name, value) in [
            ("WORKER_SLOTS", "0"),
            ("WORKER_SLOTS", "many"),
            ("WORKER_LEASE_MS", "1"),
            ("WORKER_GRACE_MS", "-1"),
            ("WORKER_LISTEN", "9091"),
        ] {
            assert_eq!(read(&[(name, value)]).map_err(|error| error.name), Err(name), "{value}");
        }
    }
}
