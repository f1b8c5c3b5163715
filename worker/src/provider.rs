//! Providers: who makes text for us. One trait, thin clients on the wire, one door ([`call`]) that every stage goes
//! through, and the prices.

pub mod call;
pub mod chain;
mod exchange;
pub mod google;
pub mod http;
pub mod openai;
pub mod price;
pub mod schema;
pub mod set;
mod sse;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod wire_faults;

use std::fmt;
use std::time::Duration;

use futures::stream::BoxStream;
use hellosales_core::breaker::Health;
use hellosales_core::queue::SnoozeReason;
use hellosales_core::{ErrorCode, Failure};
use serde::Serialize;

use crate::stage::StageError;
use schema::{Fault, Schema};

/// A model that answers in text.
pub trait Llm: Send + Sync + fmt::Debug {
    /// Who is called: the ledger's `provider`.
    fn provider(&self) -> &str;

    /// Calls the model. Nothing is sent before the stream is polled; dropping it cancels the call. The last item is
    /// either [`LlmEvent::Finished`] or an error.
    fn generate(&self, request: LlmRequest) -> BoxStream<'static, Result<LlmEvent, ProviderError>>;
}

/// Who speaks in a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Speaker {
    /// We.
    System,
    /// The user.
    User,
    /// The model, earlier.
    Assistant,
}

/// One message of a prompt. Its `Debug` shows no text: what people said is never logged.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// Who speaks.
    pub role: Speaker,
    /// What.
    pub content: String,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message").field("role", &self.role).field("bytes", &self.content.len()).finish()
    }
}

/// What a model is asked.
#[derive(Debug, Clone)]
pub struct LlmRequest {
    /// Which model.
    pub model: String,
    /// The prompt.
    pub messages: Vec<Message>,
    /// Sampling temperature, 0 to 2.
    pub temperature: Option<f64>,
    /// The most tokens that the answer may have.
    pub max_tokens: Option<u32>,
    /// The shape of the JSON that the answer is to be; `None`: it is text.
    pub schema: Option<&'static Schema>,
    /// Whether it is told while it comes; else it comes as one delta, when the model is done.
    pub stream: bool,
}

/// What comes back, in order: `Started`, deltas, perhaps `Usage`, `Finished`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LlmEvent {
    /// The provider took the request.
    Started {
        /// Its own id of the request, to ask its support by.
        request_id: Option<String>,
        /// What it says of its limits.
        limits: RateLimits,
    },
    /// A piece of the answer, never empty.
    Delta(String),
    /// What it cost.
    Usage(Usage),
    /// The answer is complete.
    Finished(Finish),
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// The model was done.
    Stop,
    /// The answer had as many tokens as it may.
    Length,
}

/// Tokens, as the provider counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Of the prompt.
    pub tokens_in: u32,
    /// Of the answer.
    pub tokens_out: u32,
}

/// What a provider says of its limits (`x-ratelimit-…`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RateLimits {
    /// Requests left in its window.
    pub requests_left: Option<u64>,
    /// Tokens left in its window.
    pub tokens_left: Option<u64>,
    /// When requests are whole again.
    pub requests_reset: Option<Duration>,
    /// When tokens are whole again.
    pub tokens_reset: Option<Duration>,
}

impl RateLimits {
    /// How long to wait, should a limit be what was hit: until the one that is used up is whole again.
    #[must_use]
    pub fn wait(&self) -> Option<Duration> {
        let used_up = |left: Option<u64>, reset: Option<Duration>| left.filter(|&left| left == 0).and(reset);
        used_up(self.requests_left, self.requests_reset).max(used_up(self.tokens_left, self.tokens_reset))
    }
}

/// What can go wrong with a call; `docs/FAULTS.md` is the table. No variant holds what a provider wrote, but for its
/// error's code: its messages may repeat keys and prompts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// It did not begin in time.
    #[error("no first token within {} s", .0.as_secs())]
    TimeoutBeforeFirstToken(Duration),
    /// It began, and did not finish in time.
    #[error("not finished within {} s", .0.as_secs())]
    TimeoutAfterFirstToken(Duration),
    /// 429.
    #[error("rate limited")]
    RateLimited {
        /// When it may be asked again.
        retry_after: Option<Duration>,
    },
    /// 429 for an account without money.
    #[error("the account's quota is spent")]
    QuotaSpent,
    /// 5xx, or it can't be reached.
    #[error("unavailable: {what}")]
    Unavailable {
        /// In a word or two.
        what: &'static str,
        /// The status, if there was an answer.
        status: Option<u16>,
        /// When it may be asked again.
        retry_after: Option<Duration>,
    },
    /// The answer broke off.
    #[error("the stream broke off")]
    CutStream,
    /// The answer can't be read.
    #[error("malformed answer: {0}")]
    Malformed(&'static str),
    /// The answer can be read, and isn't what was asked for.
    #[error("the answer does not fit: {0}")]
    DoesNotFit(Fault),
    /// The answer is longer than any that we take.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    /// The provider's own rules stood against an answer.
    #[error("refused by the provider")]
    Refused,
    /// 4xx: our request is at fault.
    #[error("invalid request: status {status}")]
    InvalidRequest {
        /// The status.
        status: u16,
        /// The provider's code for it.
        code: Option<String>,
    },
    /// The prompt is longer than the model reads.
    #[error("the prompt is too long for the model")]
    ContextTooLong,
    /// 401 or 403: our key is at fault.
    #[error("not authorised: status {0}")]
    Unauthorised(u16),
}

/// Where a failure's details say what was wrong with an answer: the next attempt tells it to the model.
pub const FAULT: &str = "fault";

impl ProviderError {
    /// The code that clients and operators see.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::TimeoutBeforeFirstToken(_) | Self::TimeoutAfterFirstToken(_) => ErrorCode::ProviderTimeout,
            Self::RateLimited { .. } | Self::QuotaSpent => ErrorCode::ProviderRateLimited,
            Self::Unavailable { .. } | Self::CutStream | Self::Unauthorised(_) => ErrorCode::ProviderUnavailable,
            Self::Malformed(_) | Self::DoesNotFit(_) | Self::TooLong(_) => ErrorCode::ProviderMalformedAnswer,
            Self::Refused => ErrorCode::ProviderRefused,
            Self::InvalidRequest { .. } => ErrorCode::ProviderInvalidRequest,
            Self::ContextTooLong => ErrorCode::ContextTooLong,
        }
    }

    /// Whether the provider worked, and so is paid, before it failed.
    #[must_use]
    pub const fn is_billed(&self) -> bool {
        matches!(
            self,
            Self::TimeoutBeforeFirstToken(_)
                | Self::TimeoutAfterFirstToken(_)
                | Self::CutStream
                | Self::Malformed(_)
                | Self::DoesNotFit(_)
                | Self::TooLong(_)
                | Self::Refused
        )
    }

    /// What it says of the provider: what counts for its breaker. One that refuses, limits or doesn't know us works.
    #[must_use]
    pub const fn health(&self) -> Health {
        match self {
            Self::TimeoutBeforeFirstToken(_)
            | Self::TimeoutAfterFirstToken(_)
            | Self::Unavailable { .. }
            | Self::CutStream
            | Self::Malformed(_)
            | Self::TooLong(_) => Health::Fault,
            Self::RateLimited { .. }
            | Self::QuotaSpent
            | Self::DoesNotFit(_)
            | Self::Refused
            | Self::InvalidRequest { .. }
            | Self::ContextTooLong
            | Self::Unauthorised(_) => Health::Well,
        }
    }

    /// Whether another provider may answer where this one didn't: not what is wrong with the request itself.
    #[must_use]
    pub const fn helps_elsewhere(&self) -> bool {
        !matches!(self, Self::Refused | Self::InvalidRequest { .. } | Self::DoesNotFit(_))
    }

    /// When the provider says that it may be asked again.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } | Self::Unavailable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The failure of a run that this ends.
    #[must_use]
    pub fn failure(&self, provider: &str) -> Failure {
        let mut failure = Failure::new(self.code(), format!("{provider}: {self}"));
        failure.provider = Some(provider.to_owned());
        failure.retry_after_seconds =
            self.retry_after().map(|wait| u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).max(1));
        if let Self::InvalidRequest { code: Some(code), .. } = self {
            failure.details.insert("provider_code".to_owned(), code.clone().into());
        }
        if let Self::DoesNotFit(_) | Self::Malformed(_) | Self::TooLong(_) = self {
            failure.details.insert(FAULT.to_owned(), self.to_string().into());
        }
        // A new key or a paid bill helps the same request.
        failure.retryable = failure.retryable || matches!(self, Self::Unauthorised(_) | Self::QuotaSpent);
        failure
    }

    /// What the stage that made the call reports.
    #[must_use]
    pub fn stage_error(&self, provider: &str) -> StageError {
        let failure = self.failure(provider);
        match self {
            Self::RateLimited { retry_after } => {
                StageError::Snooze(pause(*retry_after), SnoozeReason::RateLimited, format!("{provider}: rate limited"))
            }
            Self::QuotaSpent
            | Self::Unauthorised(_)
            | Self::Refused
            | Self::InvalidRequest { .. }
            | Self::ContextTooLong => StageError::Fail(failure),
            Self::TimeoutBeforeFirstToken(_)
            | Self::TimeoutAfterFirstToken(_)
            | Self::Unavailable { .. }
            | Self::CutStream
            | Self::Malformed(_)
            | Self::DoesNotFit(_)
            | Self::TooLong(_) => StageError::Retry(failure, self.retry_after()),
        }
    }
}

/// How long a limited call waits: what the provider asks for, and up to a fifth more, so that those who wait don't come
/// back as one.
pub(crate) fn pause(retry_after: Option<Duration>) -> Duration {
    let least = retry_after.unwrap_or(Duration::from_secs(5)).max(Duration::from_secs(1));
    least.mul_f64(rand::random_range(1.0..1.2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_limit_waits_as_long_as_the_provider_asks_and_is_not_counted() {
        let error = ProviderError::RateLimited { retry_after: Some(Duration::from_secs(30)) };
        let StageError::Snooze(delay, SnoozeReason::RateLimited, _) = error.stage_error("groq") else {
            panic!("not a snooze")
        };
        assert!(delay >= Duration::from_secs(30) && delay < Duration::from_secs(36));
        assert!(pause(Some(Duration::ZERO)) >= Duration::from_secs(1));
    }

    #[test]
    fn what_trying_again_cannot_heal_fails_at_once_and_the_rest_is_tried_again() {
        let unavailable =
            ProviderError::Unavailable { what: "503", status: Some(503), retry_after: Some(Duration::from_secs(7)) };
        let StageError::Retry(failure, after) = unavailable.stage_error("groq") else { panic!("not a retry") };
        assert_eq!((failure.code, failure.retryable), (ErrorCode::ProviderUnavailable, true));
        assert_eq!((after, failure.retry_after_seconds), (Some(Duration::from_secs(7)), Some(7)));
        assert_eq!(failure.provider.as_deref(), Some("groq"));
        for (error, code, retryable) in [
            (ProviderError::Unauthorised(401), ErrorCode::ProviderUnavailable, true),
            (ProviderError::QuotaSpent, ErrorCode::ProviderRateLimited, true),
            (ProviderError::Refused, ErrorCode::ProviderRefused, false),
            (ProviderError::ContextTooLong, ErrorCode::ContextTooLong, false),
            (ProviderError::InvalidRequest { status: 404, code: None }, ErrorCode::ProviderInvalidRequest, false),
        ] {
            let StageError::Fail(failure) = error.stage_error("groq") else { panic!("{error} is tried again") };
            assert_eq!((failure.code, failure.retryable), (code, retryable));
        }
        for error in [ProviderError::CutStream, ProviderError::Malformed("x"), ProviderError::TooLong(9)] {
            assert!(matches!(error.stage_error("groq"), StageError::Retry(_, None)), "{error}");
        }
    }

    #[test]
    fn a_message_shows_no_text_when_it_is_logged() {
        let message = Message { role: Speaker::User, content: "canary@example.com".into() };
        assert!(!format!("{message:?}").contains("canary"));
    }
}
