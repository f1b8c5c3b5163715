//! From a status and an error's body to a typed error.

use std::time::Duration;

use super::super::ProviderError;
use super::wire::WireError;

/// What an answer that isn't a 200 says.
pub(super) fn of_status(status: u16, error: &WireError, retry_after: Option<Duration>) -> ProviderError {
    if is_context(error) {
        return ProviderError::ContextTooLong;
    }
    match status {
        429 if is(error, "insufficient_quota") => ProviderError::QuotaSpent,
        429 => ProviderError::RateLimited { retry_after },
        401 | 403 => ProviderError::Unauthorised(status),
        413 => ProviderError::ContextTooLong,
        // Groq's word for a full house is 498.
        408 | 498 | 500.. => ProviderError::Unavailable { what: "server error", status: Some(status), retry_after },
        _ if is_refusal(error) => ProviderError::Refused,
        _ => ProviderError::InvalidRequest { status, code: code(error) },
    }
}

/// What an error in the middle of a stream says; its status is gone.
pub(super) fn in_stream(error: &WireError) -> ProviderError {
    let number = error.code.as_u64().and_then(|code| u16::try_from(code).ok()).filter(|code| (400..600).contains(code));
    match number {
        Some(status) => of_status(status, error, None),
        None if is_context(error) => ProviderError::ContextTooLong,
        None if is_refusal(error) => ProviderError::Refused,
        None if is(error, "insufficient_quota") => ProviderError::QuotaSpent,
        None if is(error, "rate_limit") || is(error, "tokens") => ProviderError::RateLimited { retry_after: None },
        None if is(error, "invalid_request") => ProviderError::InvalidRequest { status: 400, code: code(error) },
        None => ProviderError::Unavailable { what: "error in the stream", status: None, retry_after: None },
    }
}

fn is(error: &WireError, word: &str) -> bool {
    [&error.code, &error.kind].iter().any(|value| value.as_str().is_some_and(|text| text.starts_with(word)))
}

fn is_context(error: &WireError) -> bool {
    let said = error.message.as_str().is_some_and(|message| {
        let message = message.to_lowercase();
        message.contains("maximum context length") || message.contains("context length exceeded")
    });
    said || is(error, "context_length_exceeded") || is(error, "exceed_context_size")
}

fn is_refusal(error: &WireError) -> bool {
    is(error, "content_filter") || is(error, "content_policy") || is(error, "model_refused")
}

/// The error's code or type, if it is a plain word: a message may repeat a key or a prompt, a word like that can't.
fn code(error: &WireError) -> Option<String> {
    let word = error.code.as_str().or_else(|| error.kind.as_str())?;
    let plain = word.len() <= 40 && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    plain.then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> ProviderError {
        of_status(status, &WireError::read(body.as_bytes()), None)
    }

    #[test]
    fn a_prompt_that_is_too_long_is_known_in_the_vendors_words() {
        for body in [
            r#"{"error":{"message":"x","type":"invalid_request_error","code":"context_length_exceeded"}}"#,
            r#"{"error":{"message":"This model's maximum context length is 8192 tokens","code":null}}"#,
            r#"{"error":{"code":400,"message":"the request exceeds","type":"exceed_context_size_error"}}"#,
            r#"[{"error":{"code":400,"message":"Maximum context length reached","status":"INVALID_ARGUMENT"}}]"#,
        ] {
            assert_eq!(read(400, body), ProviderError::ContextTooLong, "{body}");
        }
        assert_eq!(read(413, ""), ProviderError::ContextTooLong);
    }

    #[test]
    fn an_error_keeps_a_plain_code_and_nothing_else_that_the_provider_wrote() {
        let body = r#"{"error":{"message":"bad key sk-canary","code":"sk-canary","type":"invalid_request_error"}}"#;
        assert_eq!(read(400, body), ProviderError::InvalidRequest { status: 400, code: None });
        let body = r#"{"error":{"message":"no such model","code":"model_not_found"}}"#;
        let code = Some("model_not_found".to_owned());
        assert_eq!(read(404, body), ProviderError::InvalidRequest { status: 404, code });
        assert_eq!(read(400, "<html>"), ProviderError::InvalidRequest { status: 400, code: None });
        assert_eq!(read(400, r#"{"error":"nope"}"#), ProviderError::InvalidRequest { status: 400, code: None });
        assert_eq!(read(302, ""), ProviderError::InvalidRequest { status: 302, code: None });
    }

    #[test]
    fn a_limit_is_told_from_an_empty_account() {
        assert_eq!(read(429, r#"{"error":{"code":"insufficient_quota"}}"#), ProviderError::QuotaSpent);
        assert_eq!(read(429, "{}"), ProviderError::RateLimited { retry_after: None });
    }

    #[test]
    fn an_error_in_the_stream_is_read_by_its_code_or_its_type() {
        let error = |body: &str| in_stream(&WireError::read(body.as_bytes()));
        assert_eq!(error(r#"{"error":{"type":"rate_limit_error"}}"#), ProviderError::RateLimited { retry_after: None });
        assert_eq!(error(r#"{"error":{"code":401}}"#), ProviderError::Unauthorised(401));
        assert_eq!(error(r#"{"error":{"code":"content_filter"}}"#), ProviderError::Refused);
        assert!(matches!(error(r#"{"error":{"type":"server_error"}}"#), ProviderError::Unavailable { .. }));
        assert!(matches!(error(r#"{"error":{}}"#), ProviderError::Unavailable { .. }));
    }
}
