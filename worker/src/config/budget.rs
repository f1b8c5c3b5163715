//! The budget of organisations that nobody has set one for.

use hellosales_core::budget::{Limits, OnExceeded};
use rust_decimal::Decimal;

use super::{ConfigError, Settings};

/// What an organisation may use, as long as no operator has set another budget for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetConfig {
    /// `ORG_{REQUESTS,TOKENS,CENTS}_PER_{MINUTE,DAY}`; unset: any amount.
    pub limits: Limits,
    /// `ORG_ON_BUDGET_EXCEEDED`: `snooze` or `refuse`.
    pub on_exceeded: OnExceeded,
}

impl BudgetConfig {
    /// Reads the settings.
    ///
    /// # Errors
    /// If one can't be used.
    pub fn read(settings: &Settings<'_>) -> Result<Self, ConfigError> {
        let on_exceeded = match settings.text("ORG_ON_BUDGET_EXCEEDED").as_deref() {
            None => OnExceeded::Snooze,
            Some(word) => OnExceeded::parse(word)
                .map_err(|_| ConfigError::new("ORG_ON_BUDGET_EXCEEDED", "must be snooze or refuse"))?,
        };
        Ok(Self {
            limits: Limits {
                requests_per_minute: whole(settings, "ORG_REQUESTS_PER_MINUTE")?,
                tokens_per_minute: whole(settings, "ORG_TOKENS_PER_MINUTE")?,
                cents_per_minute: cents(settings, "ORG_CENTS_PER_MINUTE")?,
                requests_per_day: whole(settings, "ORG_REQUESTS_PER_DAY")?,
                tokens_per_day: whole(settings, "ORG_TOKENS_PER_DAY")?,
                cents_per_day: cents(settings, "ORG_CENTS_PER_DAY")?,
            },
            on_exceeded,
        })
    }
}

fn whole(settings: &Settings<'_>, name: &'static str) -> Result<Option<i64>, ConfigError> {
    let number = |text: String| text.parse().ok().filter(|number| (0..=1_000_000_000_000).contains(number));
    let wrong = || ConfigError::new(name, "must be a whole number from 0 to 1000000000000");
    settings.text(name).map(|text| number(text).ok_or_else(wrong)).transpose()
}

fn cents(settings: &Settings<'_>, name: &'static str) -> Result<Option<Decimal>, ConfigError> {
    let most = Decimal::from(1_000_000_000);
    let number = |text: String| {
        let cents: Decimal = text.parse().ok()?;
        (cents >= Decimal::ZERO && cents <= most && cents.normalize().scale() <= 6).then_some(cents)
    };
    let wrong = || ConfigError::new(name, "must be a number of cents from 0 to 1000000000, with at most 6 decimals");
    settings.text(name).map(|text| number(text).ok_or_else(wrong)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(set: &[(&str, &str)]) -> Result<BudgetConfig, ConfigError> {
        let lookup = |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        BudgetConfig::read(&Settings::new(&lookup))
    }

    #[test]
    fn nobody_has_a_budget_unless_one_is_set() {
        assert!(!read(&[]).unwrap().limits.is_any());
        assert!(!read(&[("ORG_CENTS_PER_DAY", " ")]).unwrap().limits.is_any());
    }

    #[test]
    fn every_setting_has_its_effect() {
        let config = read(&[
            ("ORG_REQUESTS_PER_MINUTE", "1"),
            ("ORG_TOKENS_PER_MINUTE", "2"),
            ("ORG_CENTS_PER_MINUTE", "0.3"),
            ("ORG_REQUESTS_PER_DAY", "4"),
            ("ORG_TOKENS_PER_DAY", "5"),
            ("ORG_CENTS_PER_DAY", "6.000001"),
            ("ORG_ON_BUDGET_EXCEEDED", "refuse"),
        ]);
        let limits = Limits {
            requests_per_minute: Some(1),
            tokens_per_minute: Some(2),
            cents_per_minute: Some(Decimal::new(3, 1)),
            requests_per_day: Some(4),
            tokens_per_day: Some(5),
            cents_per_day: Some(Decimal::new(6_000_001, 6)),
        };
        assert_eq!(config, Ok(BudgetConfig { limits, on_exceeded: OnExceeded::Refuse }));
    }

    #[test]
    fn a_setting_that_can_not_be_used_is_refused_by_its_name() {
        for (name, value) in [
            ("ORG_REQUESTS_PER_MINUTE", "1.5"),
            ("ORG_TOKENS_PER_MINUTE", "-1"),
            ("ORG_CENTS_PER_MINUTE", "much"),
            ("ORG_REQUESTS_PER_DAY", "1e3"),
            ("ORG_TOKENS_PER_DAY", "1000000000001"),
            ("ORG_CENTS_PER_DAY", "0.0000001"),
            ("ORG_CENTS_PER_DAY", "-0.1"),
            ("ORG_ON_BUDGET_EXCEEDED", "wait"),
        ] {
            assert_eq!(read(&[(name, value)]).map_err(|error| error.name), Err(name), "{value}");
        }
    }
}
