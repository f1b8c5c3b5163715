//! The one filter of operators: of runs, of steps, of dead letters, in lists and in bulk. What a kind of thing doesn't have
//! doesn't narrow it silently: the command refuses it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::id::{BatchId, OrgId, RunId, SessionId, UserId};

/// Which runs, steps or dead letters. `None` is any.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// Of this organisation; `None`: of all.
    pub org_id: Option<OrgId>,
    /// Of this pipeline.
    pub pipeline: Option<String>,
    /// At, or failed at, this stage.
    pub stage: Option<String>,
    /// Of one of these statuses; empty: of any.
    pub status: Vec<String>,
    /// With this error's code, or with one that begins so.
    pub error: Option<ErrorPattern>,
    /// Answered, or failed, by this provider.
    pub provider: Option<String>,
    /// Of this batch.
    pub batch_id: Option<BatchId>,
    /// Of this session.
    pub session_id: Option<SessionId>,
    /// Of this user.
    pub user_id: Option<UserId>,
    /// Of this run.
    pub run_id: Option<RunId>,
    /// With this cause.
    pub fingerprint: Option<String>,
    /// Made at this time or later.
    pub since: Option<DateTime<Utc>>,
    /// Made before this time.
    pub until: Option<DateTime<Utc>>,
}

/// A code, or the beginning of some codes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorPattern {
    /// This code.
    Code(String),
    /// Codes that begin so: `PROVIDER_*`.
    Prefix(String),
}

impl ErrorPattern {
    /// Reads `CODE` or `PREFIX*`, in whatever case.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let text = text.trim().to_ascii_uppercase();
        match text.strip_suffix('*') {
            Some(prefix) => Self::Prefix(prefix.to_owned()),
            None => Self::Code(text),
        }
    }

    /// The code, if it is one whole.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Code(code) => Some(code),
            Self::Prefix(_) => None,
        }
    }

    /// How the code begins, if only that is known.
    #[must_use]
    pub fn prefix(&self) -> Option<&str> {
        match self {
            Self::Prefix(prefix) => Some(prefix),
            Self::Code(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_at_the_end_asks_for_codes_that_begin_so() {
        assert_eq!(ErrorPattern::parse("provider_*"), ErrorPattern::Prefix("PROVIDER_".to_owned()));
        assert_eq!(ErrorPattern::parse(" STAGE_FAILED"), ErrorPattern::Code("STAGE_FAILED".to_owned()));
        assert_eq!(ErrorPattern::parse("*").prefix(), Some(""));
    }
}
