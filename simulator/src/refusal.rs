//! Errors, in OpenAI's shape and words.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use crate::fault::Quota;
use crate::openai::reply;

/// An error answer.
#[derive(Debug, Default)]
pub(crate) struct WireError {
    pub(crate) status: u16,
    pub(crate) message: String,
    pub(crate) kind: &'static str,
    pub(crate) param: Option<String>,
    pub(crate) code: Option<&'static str>,
    pub(crate) about: Box<About>,
}

/// What not every dialect says of an error.
#[derive(Debug, Default)]
pub(crate) struct About {
    /// The model that was asked, where a status is answered for it.
    pub(crate) model: Option<String>,
    /// Of a prompt that is too long: how many tokens it may have, and how many it has.
    pub(crate) tokens: Option<(usize, usize)>,
    /// Of a 429: which limit was hit.
    pub(crate) limit: Option<Quota>,
    /// When it may be tried again.
    pub(crate) retry_after_s: Option<u32>,
}

const NO_KEY: &str = "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).";

impl WireError {
    pub(crate) fn invalid(message: impl Into<String>, param: Option<&str>, code: Option<&'static str>) -> Self {
        Self {
            status: 400,
            message: message.into(),
            kind: "invalid_request_error",
            param: param.map(str::to_owned),
            code,
            ..Self::default()
        }
    }

    pub(crate) fn unreadable() -> Self {
        Self::invalid("We could not parse the JSON body of your request.", None, None)
    }

    pub(crate) fn too_long(most: usize, got: usize) -> Self {
        let message = format!(
            "This model's maximum context length is {most} tokens. However, your messages resulted in {got} tokens. Please reduce the length of the messages."
        );
        let mut error = Self::invalid(message, Some("messages"), Some("context_length_exceeded"));
        error.about.tokens = Some((most, got));
        error
    }

    pub(crate) fn no_such_route(method: &str, path: &str) -> Self {
        let mut error = Self::invalid(format!("Invalid URL ({method} {path})"), None, None);
        error.status = 404;
        error
    }

    pub(crate) fn wrong_method(method: &str, path: &str) -> Self {
        let message = format!("Not allowed to {method} on {path}.");
        let mut error = Self::invalid(message, None, Some("method_not_supported"));
        error.status = 405;
        error
    }

    /// What OpenAI says with this status.
    pub(crate) fn of_status(status: u16, model: &str) -> Self {
        let (message, kind, code) = match status {
            401 => (NO_KEY.to_owned(), "invalid_request_error", None),
            403 => (
                format!("Project does not have access to model `{model}`."),
                "invalid_request_error",
                Some("model_not_found"),
            ),
            404 => (
                format!("The model `{model}` does not exist or you do not have access to it."),
                "invalid_request_error",
                Some("model_not_found"),
            ),
            413 => ("The request body is too large.".to_owned(), "invalid_request_error", None),
            429 => (
                format!("Rate limit reached for {model} on requests per min (RPM)."),
                "requests",
                Some("rate_limit_exceeded"),
            ),
            400..=499 => ("The request was refused.".to_owned(), "invalid_request_error", None),
            503 => ("The engine is currently overloaded, please try again later.".to_owned(), "server_error", None),
            _ => (
                "The server had an error while processing your request. Sorry about that!".to_owned(),
                "server_error",
                None,
            ),
        };
        Self {
            status,
            message,
            kind,
            code,
            param: None,
            about: Box::new(About { model: Some(model.to_owned()), ..About::default() }),
        }
    }

    pub(crate) fn response(&self) -> Response {
        let (kind, code) = match self.about.limit {
            Some(Quota::Spent) => ("insufficient_quota", Some("insufficient_quota")),
            _ => (self.kind, self.code),
        };
        let body = json!({"error": {"message": self.message, "type": kind, "param": self.param, "code": code}});
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        reply(status, body.to_string())
    }
}
