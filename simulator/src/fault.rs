//! The faults that the provider was told to show.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::dialect::Dialect;
use crate::misfit::SchemaFault;

/// More rules than this is a test that forgets to go back to normal.
const MOST_RULES: usize = 1_000;
const LONGEST_DELAY_MS: u64 = 3_600_000;

/// One instruction to the provider. What it doesn't say is as usual.
///
/// `hang` comes before `status`, that before `context_too_long`, and that before all the rest; a `hold` comes before a `cut` or a
/// `malformed` at the same token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Rule {
    /// Answer this status (400..=599) with an error body, after `first_token_ms` where given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retry_after_s: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first_token_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token_delay_ms: Option<u64>,
    /// Take the request and never answer.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) hang: bool,
    /// Break the connection after so many tokens (at the latest before the answer's end).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cut_after_tokens: Option<usize>,
    /// Wait after so many tokens (at the latest before the answer's end) until released.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hold_after_tokens: Option<usize>,
    /// Answer what isn't JSON.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) malformed: bool,
    /// Answer a request for JSON by schema with what doesn't fit it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) schema_fault: Option<SchemaFault>,
    /// With a 429: which limit is hit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) quota: Option<Quota>,
    /// The prompt is longer than the model reads, whatever it is.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) context_too_long: bool,
    /// The provider's own rules stand against the answer, after its first words.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) refuse: bool,
    /// The answer never ends; as fast as it is read, where `token_delay_ms` says nothing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) endless: bool,
    /// The answer's bytes come one a second.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) byte_a_second: bool,
    /// For the next so many requests only; without it until the way back to normal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) requests: Option<u64>,
    /// For this model only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    /// For requests in this dialect only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dialect: Option<Dialect>,
}

/// Which limit a 429 speaks of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Quota {
    /// So many requests a minute.
    #[default]
    Minute,
    /// So many requests a day.
    Day,
    /// The account has no money left.
    Spent,
}

impl Rule {
    /// Reads a rule as it was posted; the error says what is wrong with it.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, String> {
        // Read as an object first: serde takes an array for a struct, field by field.
        let body: Map<String, Value> = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let rule: Self = serde_json::from_value(body.into()).map_err(|error| error.to_string())?;
        if rule.status.is_some_and(|status| !(400..=599).contains(&status)) {
            return Err("status must be from 400 to 599".to_owned());
        }
        if rule.retry_after_s.is_some() && rule.status.is_none() {
            return Err("retry_after_s needs a status".to_owned());
        }
        if rule.quota.is_some() && rule.status != Some(429) {
            return Err("quota needs the status 429".to_owned());
        }
        if rule.requests == Some(0) {
            return Err("requests must be at least 1".to_owned());
        }
        let delays = [rule.first_token_ms, rule.token_delay_ms];
        if delays.into_iter().flatten().any(|delay| delay > LONGEST_DELAY_MS) {
            return Err(format!("a delay is at most {LONGEST_DELAY_MS} ms"));
        }
        Ok(rule)
    }

    fn fits(&self, model: &str, dialect: Dialect) -> bool {
        let fits_model = self.model.as_deref().is_none_or(|only| only == model);
        fits_model && self.dialect.is_none_or(|only| only == dialect)
    }
}

/// The rules in force, oldest first.
#[derive(Default)]
pub(crate) struct Faults {
    rules: Mutex<Vec<Rule>>,
}

impl Faults {
    fn rules(&self) -> MutexGuard<'_, Vec<Rule>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, rule: Rule) -> Result<(), String> {
        let mut rules = self.rules();
        if rules.len() >= MOST_RULES {
            return Err(format!("there are {MOST_RULES} rules already"));
        }
        rules.push(rule);
        Ok(())
    }

    pub(crate) fn clear(&self) {
        self.rules().clear();
    }

    pub(crate) fn list(&self) -> Vec<Rule> {
        self.rules().clone()
    }

    /// The newest rule that fits; it alone decides about the request, and counts it.
    pub(crate) fn take(&self, model: &str, dialect: Dialect) -> Option<Rule> {
        let mut rules = self.rules();
        let at = rules.iter().rposition(|rule| rule.fits(model, dialect))?;
        let rule = rules.get_mut(at)?;
        let taken = rule.clone();
        if let Some(left) = rule.requests.as_mut() {
            *left = left.saturating_sub(1);
            if *left == 0 {
                rules.remove(at);
            }
        }
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(json: &str) -> Rule {
        Rule::parse(json.as_bytes()).unwrap()
    }

    #[test]
    fn the_newest_fitting_rule_wins_and_counts_down() {
        let faults = Faults::default();
        faults.add(rule(r#"{"token_delay_ms":5}"#)).unwrap();
        faults.add(rule(r#"{"status":429,"requests":2}"#)).unwrap();
        faults.add(rule(r#"{"hang":true,"model":"other"}"#)).unwrap();
        assert_eq!(faults.take("m", Dialect::OpenAi).unwrap().status, Some(429));
        assert_eq!(faults.list()[1].requests, Some(1));
        assert!(faults.take("other", Dialect::OpenAi).unwrap().hang);
        assert_eq!(faults.take("m", Dialect::OpenAi).unwrap().status, Some(429));
        assert_eq!(faults.take("m", Dialect::OpenAi).unwrap().token_delay_ms, Some(5));
        assert_eq!(faults.list().len(), 2);
        faults.clear();
        assert_eq!(faults.take("m", Dialect::OpenAi), None);
    }

    #[test]
    fn a_rule_may_be_for_one_dialect_only() {
        let faults = Faults::default();
        faults.add(rule(r#"{"status":503,"dialect":"google"}"#)).unwrap();
        assert_eq!(faults.take("m", Dialect::Groq), None);
        assert_eq!(faults.take("m", Dialect::Google).unwrap().status, Some(503));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for bad in [
            r#"{"statuss":429}"#,
            r#"{"status":200}"#,
            r#"{"retry_after_s":1}"#,
            r#"{"requests":0}"#,
            r#"{"hold_after_tokens":-1}"#,
            r#"{"first_token_ms":3600001}"#,
            r#"{"hang":1}"#,
            r#"{"schema_fault":"any"}"#,
            r#"{"quota":"day"}"#,
            r#"{"status":429,"quota":"year"}"#,
            r#"{"dialect":"anthropic"}"#,
            "[]",
            "[429]",
            "",
        ] {
            assert!(Rule::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_rule_shows_only_what_it_says() {
        let shown = serde_json::to_string(&rule(r#"{"hang":true,"status":null}"#)).unwrap();
        assert_eq!(shown, r#"{"hang":true}"#);
    }

    #[test]
    fn rules_are_bounded() {
        let faults = Faults::default();
        for _ in 0..MOST_RULES {
            faults.add(Rule::default()).unwrap();
        }
        assert!(faults.add(Rule::default()).is_err());
    }
}
