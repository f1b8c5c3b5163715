//! What came of the targets of a chain, and what that means for the stage when none of them answers.

use std::time::Duration;

use hellosales_core::queue::SnoozeReason;

use super::gate::{LONGEST, Shut};
use crate::provider::chain::Target;
use crate::provider::{ProviderError, pause};
use crate::stage::StageError;

#[derive(Debug, Default)]
pub(super) struct Tried {
    /// The nearest time at which one of those may be called that could not be.
    soonest: Option<Shut>,
    /// What is worth another attempt.
    retry: Option<StageError>,
    fail: Option<StageError>,
    /// The prompt was too long for one that reads so much.
    too_long_for: Option<u32>,
}

impl Tried {
    /// Whether a target is worth a try after those before it.
    pub(super) fn may_help(&self, target: &Target) -> bool {
        match self.too_long_for {
            None => true,
            Some(read) => target.context_tokens.is_some_and(|reads| reads > read),
        }
    }

    /// It could not be called.
    pub(super) fn shut(&mut self, shut: Shut) {
        if self.soonest.as_ref().is_none_or(|soonest| shut.wait < soonest.wait) {
            self.soonest = Some(shut);
        }
    }

    /// It was called, and failed before anything came. A probe's failure is the breaker's, and counts for nobody.
    pub(super) fn failed(&mut self, target: &Target, error: &ProviderError, shut: Option<Shut>) {
        if let Some(shut) = shut {
            self.shut(shut);
            return;
        }
        match error {
            ProviderError::RateLimited { retry_after } => self.shut(Shut {
                wait: pause(*retry_after).min(LONGEST),
                reason: SnoozeReason::RateLimited,
                detail: format!("{}: rate limited", target.provider),
            }),
            ProviderError::ContextTooLong => {
                self.too_long_for = Some(self.too_long_for.unwrap_or(0).max(target.context_tokens.unwrap_or(u32::MAX)));
                self.fail = Some(error.stage_error(&target.provider));
            }
            error => match error.stage_error(&target.provider) {
                retry @ StageError::Retry(..) => self.retry = Some(retry),
                other => self.fail = Some(other),
            },
        }
    }

    /// What the stage reports: what failed is tried again and counted; what was only shut is waited for, and is not. It fails
    /// when nothing better can be hoped for.
    pub(super) fn verdict(self) -> StageError {
        if let Some(retry) = self.retry {
            return retry;
        }
        match (self.soonest, self.fail) {
            (Some(Shut { wait, reason, detail }), _) => StageError::Snooze(wait, reason, detail),
            (None, Some(fail)) => fail,
            // Chains have targets.
            (None, None) => StageError::Snooze(Duration::from_secs(1), SnoozeReason::ProviderDown, String::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use hellosales_core::ErrorCode;

    use super::*;

    fn target(provider: &str, context_tokens: Option<u32>) -> Target {
        Target { provider: provider.into(), model: "m".into(), context_tokens }
    }

    fn shut(seconds: u64) -> Shut {
        Shut { wait: Duration::from_secs(seconds), reason: SnoozeReason::ProviderDown, detail: seconds.to_string() }
    }

    fn down() -> ProviderError {
        ProviderError::Unavailable { what: "503", status: Some(503), retry_after: None }
    }

    #[test]
    fn where_all_are_shut_it_waits_for_the_one_that_opens_first() {
        let mut tried = Tried::default();
        tried.shut(shut(60));
        tried.shut(shut(20));
        tried.shut(shut(40));
        let StageError::Snooze(wait, SnoozeReason::ProviderDown, detail) = tried.verdict() else { panic!("no snooze") };
        assert_eq!((wait.as_secs(), detail.as_str()), (20, "20"));
    }

    #[test]
    fn one_that_really_failed_is_tried_again_and_counted() {
        let mut tried = Tried::default();
        tried.shut(shut(60));
        tried.failed(&target("groq", None), &down(), None);
        let StageError::Retry(failure, _) = tried.verdict() else { panic!("no retry") };
        assert_eq!((failure.code, failure.provider.as_deref()), (ErrorCode::ProviderUnavailable, Some("groq")));
    }

    #[test]
    fn a_probe_that_fails_and_a_429_are_waited_for() {
        let mut tried = Tried::default();
        tried.failed(&target("groq", None), &down(), Some(shut(60)));
        tried.failed(&target("local", None), &ProviderError::RateLimited { retry_after: None }, None);
        let StageError::Snooze(wait, SnoozeReason::RateLimited, _) = tried.verdict() else { panic!("no snooze") };
        assert!(wait < Duration::from_secs(7));
    }

    #[test]
    fn a_key_that_is_refused_fails_the_run_only_if_nobody_else_may_come_back() {
        let mut tried = Tried::default();
        tried.failed(&target("groq", None), &ProviderError::Unauthorised(401), None);
        assert!(matches!(tried.verdict(), StageError::Fail(_)));
        let mut tried = Tried::default();
        tried.failed(&target("groq", None), &ProviderError::Unauthorised(401), None);
        tried.shut(shut(60));
        assert!(matches!(tried.verdict(), StageError::Snooze(..)));
    }

    #[test]
    fn a_prompt_that_is_too_long_goes_only_to_one_that_reads_more() {
        let mut tried = Tried::default();
        tried.failed(&target("groq", Some(8_192)), &ProviderError::ContextTooLong, None);
        assert!(!tried.may_help(&target("local", Some(8_192))) && !tried.may_help(&target("local", None)));
        assert!(tried.may_help(&target("google", Some(1_048_576))));
        let mut tried = Tried::default();
        tried.failed(&target("groq", None), &ProviderError::ContextTooLong, None);
        assert!(!tried.may_help(&target("google", Some(1_048_576))), "nobody knows that it reads more");
    }
}
