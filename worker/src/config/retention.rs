//! How long what is kept.

use hellosales_core::retention::Policy;

use super::{ConfigError, Settings};

/// The checker looks back 25 days: what it counts must be there. So must the months that the database lets nobody drop.
const SHORTEST: i32 = 26;
const LONGEST: i32 = 3_650;

/// Reads the settings.
///
/// # Errors
/// If one can't be used.
pub fn read(settings: &Settings<'_>) -> Result<Policy, ConfigError> {
    let default = Policy::default();
    let policy = Policy {
        runs_days: settings.number("RETENTION_RUNS_DAYS", default.runs_days, SHORTEST..=LONGEST)?,
        prompts_days: settings.number("RETENTION_PROMPTS_DAYS", default.prompts_days, 1..=LONGEST)?,
        events_days: settings.number("RETENTION_EVENTS_DAYS", default.events_days, SHORTEST..=LONGEST)?,
        dead_letters_days: settings.number("RETENTION_DEAD_LETTERS_DAYS", default.dead_letters_days, 1..=LONGEST)?,
        audit_days: settings.number("RETENTION_AUDIT_DAYS", default.audit_days, SHORTEST..=LONGEST)?,
    };
    Ok(policy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_with(name: &'static str, value: &'static str) -> Result<Policy, ConfigError> {
        read(&Settings::new(&|key| (key == name).then(|| value.to_owned())))
    }

    #[test]
    fn each_kind_has_its_setting() {
        assert_eq!(read_with("", "").unwrap(), Policy::default());
        assert_eq!(read_with("RETENTION_RUNS_DAYS", "120").unwrap().runs_days, 120);
        assert_eq!(read_with("RETENTION_PROMPTS_DAYS", "1").unwrap().prompts_days, 1);
        assert_eq!(read_with("RETENTION_EVENTS_DAYS", "26").unwrap().events_days, 26);
        assert_eq!(read_with("RETENTION_DEAD_LETTERS_DAYS", "7").unwrap().dead_letters_days, 7);
        assert_eq!(read_with("RETENTION_AUDIT_DAYS", "3650").unwrap().audit_days, 3_650);
    }

    #[test]
    fn what_is_too_short_too_long_or_no_number_is_refused_by_its_name() {
        for (name, value) in [
            ("RETENTION_RUNS_DAYS", "25"),
            ("RETENTION_PROMPTS_DAYS", "0"),
            ("RETENTION_EVENTS_DAYS", "1"),
            ("RETENTION_DEAD_LETTERS_DAYS", "-1"),
            ("RETENTION_AUDIT_DAYS", "for ever"),
            ("RETENTION_RUNS_DAYS", "99999"),
        ] {
            assert_eq!(read_with(name, value).unwrap_err().name, name, "{value}");
        }
    }
}
