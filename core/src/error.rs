//! What can go wrong, by code: the plan's codes, one enum, and the failure that a run carries.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sqlx::migrate::MigrateError;

macro_rules! error_codes {
    ($($variant:ident = $code:literal, $title:literal, $retryable:literal;)+) => {
        /// Every code that a client or an operator can meet (`contract.md`, Errors).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum ErrorCode {
            $(#[doc = $title] #[serde(rename = $code)] $variant,)+
        }

        impl ErrorCode {
            /// All codes, in the order of the contract.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The code as clients see it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// A short title for people.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }

            /// Whether the same request may succeed later, unchanged.
            #[must_use]
            pub const fn retryable(self) -> bool {
                match self { $(Self::$variant => $retryable,)+ }
            }
        }
    };
}

error_codes! {
    MalformedRequest = "MALFORMED_REQUEST", "Malformed request", false;
    TokenMissing = "TOKEN_MISSING", "Token missing", false;
    TokenInvalid = "TOKEN_INVALID", "Token invalid", false;
    TokenExpired = "TOKEN_EXPIRED", "Token expired", true;
    OrgRequired = "ORG_REQUIRED", "Organisation required", false;
    InsufficientPermissions = "INSUFFICIENT_PERMISSIONS", "Insufficient permissions", false;
    NotFound = "NOT_FOUND", "No such route", false;
    SessionNotFound = "SESSION_NOT_FOUND", "Session not found", false;
    ProductNotFound = "PRODUCT_NOT_FOUND", "Product not found", false;
    ClientNotFound = "CLIENT_NOT_FOUND", "Client not found", false;
    ScriptNotFound = "SCRIPT_NOT_FOUND", "Script not found", false;
    EmailNotFound = "EMAIL_NOT_FOUND", "Email not found", false;
    RunNotFound = "RUN_NOT_FOUND", "Run not found", false;
    BatchNotFound = "BATCH_NOT_FOUND", "Batch not found", false;
    ImportNotFound = "IMPORT_NOT_FOUND", "Import not found", false;
    DeadLetterNotFound = "DEAD_LETTER_NOT_FOUND", "Dead letter not found", false;
    OperationNotFound = "OPERATION_NOT_FOUND", "Operation not found", false;
    MethodNotAllowed = "METHOD_NOT_ALLOWED", "Method not allowed", false;
    PayloadTooLarge = "PAYLOAD_TOO_LARGE", "Payload too large", false;
    UnsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE", "Unsupported media type", false;
    HeadersTooLarge = "HEADERS_TOO_LARGE", "Headers too large", false;
    InternalError = "INTERNAL_ERROR", "Internal error", true;
    InvalidState = "INVALID_STATE", "Invalid state", false;
    MessageIdReused = "MESSAGE_ID_REUSED", "Message id reused", false;
    IdempotencyInFlight = "IDEMPOTENCY_IN_FLIGHT", "Idempotency key in flight", true;
    VersionConflict = "VERSION_CONFLICT", "Version conflict", false;
    PreconditionRequired = "PRECONDITION_REQUIRED", "Precondition required", false;
    ValidationFailed = "VALIDATION_FAILED", "Validation failed", false;
    IdempotencyKeyReused = "IDEMPOTENCY_KEY_REUSED", "Idempotency key reused", false;
    RateLimited = "RATE_LIMITED", "Rate limited", true;
    BudgetExceeded = "BUDGET_EXCEEDED", "Budget exceeded", true;
    NotReady = "NOT_READY", "Not ready", true;
    ProviderTimeout = "PROVIDER_TIMEOUT", "The provider did not answer in time", true;
    ProviderRateLimited = "PROVIDER_RATE_LIMITED", "The provider limits our rate", true;
    ProviderUnavailable = "PROVIDER_UNAVAILABLE", "The provider is unavailable", true;
    ProviderInvalidRequest = "PROVIDER_INVALID_REQUEST", "The provider refused the request", false;
    ProviderRefused = "PROVIDER_REFUSED", "The provider refused to answer", false;
    ProviderMalformedAnswer = "PROVIDER_MALFORMED_ANSWER", "The provider's answer could not be read", true;
    ContextTooLong = "CONTEXT_TOO_LONG", "The prompt is longer than the model reads", false;
    StageFailed = "STAGE_FAILED", "A stage failed", false;
    StageTimeout = "STAGE_TIMEOUT", "A stage took too long", true;
    StagePanicked = "STAGE_PANICKED", "A stage panicked", true;
    LeaseExpired = "LEASE_EXPIRED", "The worker was lost", true;
    DeadlineExceeded = "DEADLINE_EXCEEDED", "The deadline passed", false;
    SettleRejected = "SETTLE_REJECTED", "The result could not be stored", false;
    GuardBlocked = "GUARD_BLOCKED", "A guard refused the text", false;
    PipelineCancelled = "PIPELINE_CANCELLED", "The run was cancelled", false;
    UnknownError = "UNKNOWN_ERROR", "Unknown error", false;
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a stage, and with it perhaps its run, failed: the contract's error less the envelope of a response.
/// Its message is for clients: it holds no prompt, no secret and no personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The code.
    pub code: ErrorCode,
    /// One sentence for people.
    pub message: String,
    /// More, by name.
    #[serde(default)]
    pub details: Map<String, Value>,
    /// Whether another try may help.
    pub retryable: bool,
    /// When another try may help, in seconds.
    #[serde(default)]
    pub retry_after_seconds: Option<u32>,
    /// The stage that failed.
    #[serde(default)]
    pub stage: Option<String>,
    /// The provider that failed, if one did.
    #[serde(default)]
    pub provider: Option<String>,
    /// The number of the attempt that failed, from 1.
    #[serde(default)]
    pub attempt: Option<i32>,
}

impl Failure {
    /// A failure with its code's own retryability.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            details: Map::new(),
            retryable: code.retryable(),
            retry_after_seconds: None,
            stage: None,
            provider: None,
            attempt: None,
        }
    }

    /// The same failure, without NUL, which PostgreSQL takes neither in text nor in jsonb.
    #[must_use]
    pub(crate) fn without_nul(mut self) -> Self {
        self.message = self.message.replace('\u{0}', "\u{fffd}");
        self.details.retain(|name, value| !name.contains('\u{0}') && !value.to_string().contains("\\u0000"));
        self
    }
}

/// What the database may answer. Callers decide by variant.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The statement failed.
    #[error("the database refused or could not be reached")]
    Sql(#[from] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("the database could not be migrated")]
    Migrate(#[from] MigrateError),
    /// A value does not fit its column's JSON.
    #[error("a value could not be written as JSON")]
    Json(#[from] serde_json::Error),
    /// A row holds what this program does not know.
    #[error("the database holds a value that this program does not know: {0}")]
    Unknown(String),
    /// A task of ours that held the connection ended early.
    #[error("the task that held the connection ended early")]
    Interrupted,
}

impl DatabaseError {
    /// The five-character SQLSTATE, if the server gave one.
    #[must_use]
    pub fn sqlstate(&self) -> Option<String> {
        self.refusal().and_then(|refusal| refusal.code()).map(|code| code.into_owned())
    }

    /// The server's own words, if it gave any.
    #[must_use]
    pub fn server_message(&self) -> Option<&str> {
        self.refusal().map(|refusal| refusal.message())
    }

    /// What the server answered, also in the middle of a migration.
    fn refusal(&self) -> Option<&dyn sqlx::error::DatabaseError> {
        match self {
            Self::Sql(error)
            | Self::Migrate(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => {
                error.as_database_error()
            }
            _ => None,
        }
    }

    /// A value was refused (class 22 or 23): trying again can't help.
    #[must_use]
    pub fn is_rejected(&self) -> bool {
        match self {
            Self::Json(_) => true,
            Self::Sql(sqlx::Error::Encode(_)) => true,
            _ => self.sqlstate().is_some_and(|state| state.starts_with("22") || state.starts_with("23")),
        }
    }

    /// The constraint that was violated, if one was.
    #[must_use]
    pub fn constraint(&self) -> Option<&str> {
        match self {
            Self::Sql(sqlx::Error::Database(error)) => error.constraint(),
            _ => None,
        }
    }

    /// A lock was not to be had in time (55P03).
    #[must_use]
    pub fn is_lock_timeout(&self) -> bool {
        self.sqlstate().as_deref() == Some("55P03")
    }
}
