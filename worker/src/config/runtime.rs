//! How a worker runs.

use std::net::SocketAddr;
use std::time::Duration;

use hellosales_core::ErrorCode;
use hellosales_core::dead_letter::Automatic;

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
    /// `AUTO_REDRIVE_CODES`: which failures are redriven by themselves, and how long after.
    pub automatic: Automatic,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self {
            slots: 64,
            lease: Duration::from_millis(15_000),
            grace: Duration::from_millis(25_000),
            listen: None,
            automatic: Automatic::default(),
        }
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
            automatic: automatic(settings)?,
        })
    }
}

const AUTO_REDRIVE: &str = "AUTO_REDRIVE_CODES";

/// `PROVIDER_UNAVAILABLE:15m,PROVIDER_TIMEOUT:300s`; a code alone is redriven after a quarter of an hour.
fn automatic(settings: &Settings<'_>) -> Result<Automatic, ConfigError> {
    let wrong = |said: &str| {
        ConfigError::new(
            AUTO_REDRIVE,
            format!("'{said}' must be an error's code and a time, like PROVIDER_UNAVAILABLE:15m"),
        )
    };
    let text = settings.text(AUTO_REDRIVE).unwrap_or_default();
    text.split(',').map(str::trim).filter(|said| !said.is_empty()).try_fold(Automatic::default(), |all, said| {
        let (code, delay) = said.split_once(':').unwrap_or((said, "15m"));
        let code = ErrorCode::ALL.iter().find(|one| one.as_str() == code.trim());
        let delay = seconds(delay.trim());
        code.zip(delay).map(|(code, delay)| all.with(*code, delay)).ok_or_else(|| wrong(said))
    })
}

/// `90s`, `15m`, `2h`: at least a second, at most a day.
fn seconds(text: &str) -> Option<Duration> {
    let unit = text.chars().last()?;
    let factor = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        _ => return None,
    };
    let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
    let all = number.checked_mul(factor)?;
    (1..=86_400).contains(&all).then(|| Duration::from_secs(all))
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
            ("AUTO_REDRIVE_CODES", "PROVIDER_UNAVAILABLE:2h, LEASE_EXPIRED"),
        ]);
        let expected = WorkerConfig {
            slots: 8,
            lease: Duration::from_secs(2),
            grace: Duration::from_millis(100),
            listen: Some(SocketAddr::from(([0, 0, 0, 0], 9091))),
            automatic: Automatic::default()
                .with(ErrorCode::ProviderUnavailable, Duration::from_secs(7_200))
                .with(ErrorCode::LeaseExpired, Duration::from_secs(900)),
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
            ("AUTO_REDRIVE_CODES", "MADE_UP:5m"),
            ("AUTO_REDRIVE_CODES", "LEASE_EXPIRED:soon"),
            ("AUTO_REDRIVE_CODES", "LEASE_EXPIRED:2d"),
        ] {
            assert_eq!(read(&[(name, value)]).map_err(|error| error.name), Err(name), "{value}");
        }
    }
}
