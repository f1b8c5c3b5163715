//! What goes wrong, as a client sees it: problem+json with exactly the contract's members.
//!
//! A [`Problem`] becomes a response without a body; [`crate::envelope`] writes the body, since only it knows
//! the request's id.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, SecondsFormat, Utc};
use hellosales_core::{DatabaseError, ErrorCode, Failure};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::rate_limit::RateLimit;

/// A fault of one value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Fault {
    /// Where: a JSON pointer into the body, or `/` and the name of a query parameter.
    pub pointer: String,
    /// Which rule.
    pub code: &'static str,
    /// For people.
    pub message: String,
}

impl Fault {
    /// A fault at a pointer.
    #[must_use]
    pub(crate) fn new(pointer: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), code, message: message.into() }
    }
}

/// The body of an error.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ProblemBody {
    /// A URL that names the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The code, for people.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What happened.
    pub detail: String,
    /// The code.
    #[schema(example = "VALIDATION_FAILED")]
    pub code: &'static str,
    /// What happened; the same as `detail`.
    pub message: String,
    /// More, by name.
    #[schema(value_type = Object)]
    pub details: Map<String, Value>,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// When, in seconds.
    pub retry_after_seconds: Option<u32>,
    /// The faults of values.
    pub errors: Vec<Fault>,
    /// The request.
    pub request_id: Option<String>,
    /// When.
    pub timestamp: String,
}

/// An error on its way out.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    code: ErrorCode,
    message: String,
    retry_after: Option<u32>,
    rate_limit: Option<Box<RateLimit>>,
    faults: Vec<Fault>,
    details: Map<String, Value>,
    closes: bool,
}

impl Problem {
    /// A problem with its code's own status.
    #[must_use]
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            retry_after: None,
            rate_limit: None,
            faults: Vec::new(),
            details: Map::new(),
            closes: false,
        }
    }

    /// Something that can't be read: JSON, a UUID, a cursor, a header.
    #[must_use]
    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::MalformedRequest, message)
    }

    /// Values that don't fit. The message tells the first.
    #[must_use]
    pub(crate) fn invalid(faults: Vec<Fault>) -> Self {
        let message = faults.first().map_or_else(String::new, |fault| {
            let name = fault.pointer.trim_start_matches('/');
            if name.is_empty() { fault.message.clone() } else { format!("{name} {}", fault.message) }
        });
        Self { faults, ..Self::new(ErrorCode::ValidationFailed, message) }
    }

    /// The same, in other words.
    #[must_use]
    pub(crate) fn told(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }

    /// The same, with more of what is known.
    #[must_use]
    pub(crate) fn detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// With the values that it is about.
    #[must_use]
    pub(crate) fn with_faults(mut self, faults: Vec<Fault>) -> Self {
        self.faults = faults;
        self
    }

    /// When to come back, in seconds.
    #[must_use]
    pub(crate) const fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// With the limit that is spent.
    #[must_use]
    pub(crate) fn rate_limit(mut self, limit: RateLimit) -> Self {
        self.rate_limit = Some(Box::new(limit));
        self
    }

    /// What is left of the request can't be read: the connection is closed after the answer.
    #[must_use]
    pub(crate) const fn closing(mut self) -> Self {
        self.closes = true;
        self
    }

    /// The code.
    #[cfg(test)]
    pub(crate) const fn code(&self) -> ErrorCode {
        self.code
    }

    /// The body, for this request at this time.
    #[must_use]
    pub(crate) fn body(&self, request_id: &str, at: DateTime<Utc>) -> ProblemBody {
        ProblemBody {
            kind: kind(self.code),
            title: self.code.title(),
            status: status(self.code).as_u16(),
            detail: self.message.clone(),
            code: self.code.as_str(),
            message: self.message.clone(),
            details: self.details.clone(),
            retryable: self.code.retryable(),
            retry_after_seconds: self.retry_after,
            errors: self.faults.clone(),
            request_id: Some(request_id.to_owned()),
            timestamp: timestamp(at),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = status(self.code).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(limit) = &self.rate_limit {
            limit.write(&mut response);
        }
        if self.closes {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if status(self.code) == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// A database that can't be reached, or is too busy, is no fault of the request and none of the program.
impl From<DatabaseError> for Problem {
    fn from(error: DatabaseError) -> Self {
        if error.is_rejected() || matches!(error, DatabaseError::Unknown(_) | DatabaseError::Migrate(_)) {
            tracing::error!(error = %error, sqlstate = error.sqlstate(), constraint = error.constraint(), "the database refused");
            return Self::new(ErrorCode::InternalError, "something went wrong on our side");
        }
        tracing::warn!(error = %error, sqlstate = error.sqlstate(), "the database did not answer");
        Self::new(ErrorCode::NotReady, "the database can't be reached or is too busy").retry_after(1)
    }
}

/// The error of a run: the same members, and where it happened.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct RunError {
    /// What every error has.
    #[serde(flatten)]
    pub problem: ProblemBody,
    /// The stage that failed.
    pub stage: Option<String>,
    /// The provider that failed, if one did.
    pub provider: Option<String>,
    /// The attempt that failed, from 1.
    pub attempt: Option<i32>,
}

impl RunError {
    /// A failure, as the run's object shows it.
    #[must_use]
    pub(crate) fn of(failure: Failure, request_id: Option<String>, at: DateTime<Utc>) -> Self {
        Self {
            problem: ProblemBody {
                kind: kind(failure.code),
                title: failure.code.title(),
                status: status(failure.code).as_u16(),
                detail: failure.message.clone(),
                code: failure.code.as_str(),
                message: failure.message,
                details: failure.details,
                retryable: failure.retryable,
                retry_after_seconds: failure.retry_after_seconds,
                errors: Vec::new(),
                request_id,
                timestamp: timestamp(at),
            },
            stage: failure.stage,
            provider: failure.provider,
            attempt: failure.attempt,
        }
    }
}

fn kind(code: ErrorCode) -> String {
    format!("https://hellosales.dev/errors/{code}")
}

/// RFC 3339, UTC, to the millisecond.
#[must_use]
pub(crate) fn timestamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The status of a code. Those that only a run can have get the one that is closest.
#[must_use]
pub(crate) const fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::MalformedRequest => StatusCode::BAD_REQUEST,
        ErrorCode::TokenMissing | ErrorCode::TokenInvalid | ErrorCode::TokenExpired => StatusCode::UNAUTHORIZED,
        ErrorCode::OrgRequired | ErrorCode::InsufficientPermissions => StatusCode::FORBIDDEN,
        ErrorCode::NotFound
        | ErrorCode::SessionNotFound
        | ErrorCode::ProductNotFound
        | ErrorCode::ClientNotFound
        | ErrorCode::ScriptNotFound
        | ErrorCode::EmailNotFound
        | ErrorCode::RunNotFound
        | ErrorCode::BatchNotFound
        | ErrorCode::ImportNotFound
        | ErrorCode::DeadLetterNotFound
        | ErrorCode::OperationNotFound => StatusCode::NOT_FOUND,
        ErrorCode::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        ErrorCode::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ErrorCode::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        ErrorCode::InvalidState
        | ErrorCode::MessageIdReused
        | ErrorCode::IdempotencyInFlight
        | ErrorCode::PipelineCancelled => StatusCode::CONFLICT,
        ErrorCode::VersionConflict => StatusCode::PRECONDITION_FAILED,
        ErrorCode::PreconditionRequired => StatusCode::PRECONDITION_REQUIRED,
        ErrorCode::ValidationFailed
        | ErrorCode::IdempotencyKeyReused
        | ErrorCode::GuardBlocked
        | ErrorCode::ContextTooLong
        | ErrorCode::ProviderRefused => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorCode::RateLimited | ErrorCode::BudgetExceeded | ErrorCode::ProviderRateLimited => {
            StatusCode::TOO_MANY_REQUESTS
        }
        ErrorCode::NotReady | ErrorCode::ProviderUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::ProviderTimeout | ErrorCode::StageTimeout | ErrorCode::DeadlineExceeded => {
            StatusCode::GATEWAY_TIMEOUT
        }
        ErrorCode::ProviderInvalidRequest | ErrorCode::ProviderMalformedAnswer => StatusCode::BAD_GATEWAY,
        ErrorCode::InternalError
        | ErrorCode::StageFailed
        | ErrorCode::StagePanicked
        | ErrorCode::LeaseExpired
        | ErrorCode::SettleRejected
        | ErrorCode::UnknownError => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_has_exactly_the_members_of_the_contract() {
        let problem = Problem::invalid(vec![Fault::new("/message", "blank", "must not be blank")]);
        let body = serde_json::to_value(problem.body("r-1", DateTime::UNIX_EPOCH)).unwrap();
        let expected = serde_json::json!({
            "type": "https://hellosales.dev/errors/VALIDATION_FAILED", "title": "Validation failed", "status": 422,
            "detail": "message must not be blank", "code": "VALIDATION_FAILED", "message": "message must not be blank",
            "details": {}, "retryable": false, "retry_after_seconds": null,
            "errors": [{"pointer": "/message", "code": "blank", "message": "must not be blank"}],
            "request_id": "r-1", "timestamp": "1970-01-01T00:00:00.000Z"
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn the_error_of_a_run_says_where_it_happened() {
        let failure = Failure { stage: Some("llm".into()), ..Failure::new(ErrorCode::ProviderTimeout, "too slow") };
        let body = serde_json::to_value(RunError::of(failure, None, DateTime::UNIX_EPOCH)).unwrap();
        assert_eq!(body["stage"], "llm");
        assert_eq!(body["code"], "PROVIDER_TIMEOUT");
        assert!(body["provider"].is_null() && body["request_id"].is_null());
    }

    #[test]
    fn a_401_says_how_to_authenticate() {
        let response = Problem::new(ErrorCode::TokenMissing, "no token").into_response();
        assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");
    }
}
