//! From a status and an error's body to a typed error.

use std::time::Duration;

use reqwest::header::HeaderMap;
use serde_json::Value;

use super::super::{ProviderError, http};
use super::wire::WireError;

/// What an answer that isn't a 200 says.
pub(super) fn of_status(status: u16, error: &WireError, headers: &HeaderMap) -> ProviderError {
    if says(error, &["exceeds the maximum number of tokens", "exceeds the maximum context"]) {
        return ProviderError::ContextTooLong;
    }
    if has_bad_key(error) {
        return ProviderError::Unauthorised(status);
    }
    match (status, name(error)) {
        (429, _) | (_, "RESOURCE_EXHAUSTED") => limit(error, headers),
        (401 | 403, _) | (_, "UNAUTHENTICATED" | "PERMISSION_DENIED") => ProviderError::Unauthorised(status),
        // No billing, or not offered where we are: the account is at fault, not the request.
        (_, "FAILED_PRECONDITION") => ProviderError::Unauthorised(status),
        (413, _) => ProviderError::ContextTooLong,
        (408 | 499 | 500.., _) => {
            let what = if name(error) == "DEADLINE_EXCEEDED" { "the server's deadline" } else { "server error" };
            ProviderError::Unavailable { what, status: Some(status), retry_after: wait(error, headers) }
        }
        _ => ProviderError::InvalidRequest { status, code: code(error) },
    }
}

/// What an error in the middle of a stream says: the same, by its own code.
pub(super) fn in_stream(error: &WireError) -> ProviderError {
    let number = error.code.as_u64().and_then(|code| u16::try_from(code).ok()).filter(|code| (400..600).contains(code));
    match number {
        Some(status) => of_status(status, error, &HeaderMap::new()),
        None if name(error) == "RESOURCE_EXHAUSTED" => limit(error, &HeaderMap::new()),
        None => ProviderError::Unavailable { what: "error in the stream", status: None, retry_after: None },
    }
}

/// A limit a minute, a quota a day, or an account that may call no more.
fn limit(error: &WireError, headers: &HeaderMap) -> ProviderError {
    let violations = || {
        let lists = error.details("QuotaFailure").filter_map(|detail| detail.get("violations")?.as_array());
        lists.flatten()
    };
    let text = |violation: &Value, name: &str| violation.get(name).and_then(Value::as_str).map(str::to_owned);
    let nothing_allowed = violations().any(|violation| text(violation, "quotaValue").as_deref() == Some("0"));
    if nothing_allowed || says(error, &["credits are depleted", "spending cap", "limit: 0,"]) {
        return ProviderError::QuotaSpent;
    }
    // With a quota a day it names a wait of seconds all the same: that only leads to the next refusal.
    let a_day = violations().any(|violation| text(violation, "quotaId").is_some_and(|id| id.contains("PerDay")));
    let retry_after = if a_day { Some(http::until_hour(headers, DAYS_BEGIN_UTC)) } else { wait(error, headers) };
    ProviderError::RateLimited { retry_after }
}

/// Quotas a day are whole again at midnight in California: at 8 in winter, at 7 in summer. The later of the two is right
/// always, or an hour late.
const DAYS_BEGIN_UTC: u32 = 8;

/// `Retry-After`, or `RetryInfo`.
fn wait(error: &WireError, headers: &HeaderMap) -> Option<Duration> {
    let told = || error.details("RetryInfo").find_map(|detail| http::span(detail.get("retryDelay")?.as_str()?));
    http::retry_after(headers).or_else(told)
}

fn name(error: &WireError) -> &str {
    error.status.as_str().unwrap_or_default()
}

fn says(error: &WireError, words: &[&str]) -> bool {
    let message = error.message.as_str().unwrap_or_default().to_lowercase();
    words.iter().any(|word| message.contains(word))
}

/// A wrong key is a 400 here.
fn has_bad_key(error: &WireError) -> bool {
    let reason = |detail: &Value| detail.get("reason").and_then(Value::as_str).map(str::to_owned);
    error.details("ErrorInfo").any(|detail| reason(detail).is_some_and(|reason| reason.starts_with("API_KEY_")))
}

/// The error's status, if it is a plain word: a message may repeat a key or a prompt, a word like that can't.
fn code(error: &WireError) -> Option<String> {
    let word = name(error);
    let plain =
        !word.is_empty() && word.len() <= 40 && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    plain.then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(status: u16, error: &Value) -> ProviderError {
        let headers = [("date", "Wed, 21 Oct 2026 05:00:00 GMT")];
        let headers =
            headers.into_iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        of_status(status, &WireError::read(json!({"error": error}).to_string().as_bytes()), &headers)
    }

    fn exhausted(details: Value) -> ProviderError {
        read(
            429,
            &json!({"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Quota exceeded", "details": details}),
        )
    }

    fn quota(id: &str, value: &str) -> Value {
        json!({"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [
            {"quotaMetric": "generativelanguage.googleapis.com/x", "quotaId": id, "quotaValue": value}]})
    }

    const fn limited(seconds: u64) -> ProviderError {
        ProviderError::RateLimited { retry_after: Some(Duration::from_secs(seconds)) }
    }

    #[test]
    fn a_limit_a_minute_a_quota_a_day_and_an_empty_account_are_told_apart() {
        let soon = json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "26s"});
        let minute = quota("GenerateContentInputTokensPerModelPerMinute-FreeTier", "250000");
        assert_eq!(exhausted(json!([minute, soon])), limited(26));
        assert_eq!(exhausted(json!([minute])), ProviderError::RateLimited { retry_after: None });
        let day = quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier", "250");
        assert_eq!(exhausted(json!([minute, day, soon])), limited(3 * 3_600), "at 8, not in 26 seconds");
        let none = quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "0");
        assert_eq!(exhausted(json!([none, soon])), ProviderError::QuotaSpent);
        let depleted =
            json!({"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Your prepayment credits are depleted."});
        assert_eq!(read(429, &depleted), ProviderError::QuotaSpent);
        assert_eq!(exhausted(Value::Null), ProviderError::RateLimited { retry_after: None });
    }

    #[test]
    fn a_wait_is_read_from_its_header_before_its_details() {
        let headers = [("retry-after".parse().unwrap(), "7".parse().unwrap())].into_iter().collect();
        let error = WireError::read(
            br#"{"error":{"details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"1.5s"}]}}"#,
        );
        assert_eq!(of_status(429, &error, &headers), limited(7));
        let wait = ProviderError::RateLimited { retry_after: Some(Duration::from_millis(1_500)) };
        assert_eq!(of_status(429, &error, &HeaderMap::new()), wait);
    }

    #[test]
    fn a_prompt_that_is_too_long_is_no_invalid_request() {
        let message = "The input token count (1200293) exceeds the maximum number of tokens allowed (1048576).";
        let error = json!({"code": 400, "status": "INVALID_ARGUMENT", "message": message});
        assert_eq!(read(400, &error), ProviderError::ContextTooLong);
    }

    #[test]
    fn a_wrong_key_is_told_from_a_wrong_request_though_both_are_400() {
        let key = json!({"code": 400, "status": "INVALID_ARGUMENT", "message": "API key not valid.", "details": [
            {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}]});
        assert_eq!(read(400, &key), ProviderError::Unauthorised(400));
        let country = json!({"code": 400, "status": "FAILED_PRECONDITION", "message": "Please enable billing."});
        assert_eq!(read(400, &country), ProviderError::Unauthorised(400));
        for (status, name) in [(400, "INVALID_ARGUMENT"), (404, "NOT_FOUND")] {
            let code = Some(name.to_owned());
            let error = json!({"code": status, "status": name, "message": "models/x is not found"});
            assert_eq!(read(status, &error), ProviderError::InvalidRequest { status, code });
        }
        let canary = json!({"code": 400, "status": "AIza-canary", "message": "AIza-canary"});
        assert_eq!(read(400, &canary), ProviderError::InvalidRequest { status: 400, code: None });
    }

    #[test]
    fn an_error_is_read_from_a_list_of_one_and_from_the_stream() {
        let list = br#"[{"error":{"code":503,"status":"UNAVAILABLE","message":"overloaded"}}]"#;
        let error = WireError::read(list);
        let unavailable = ProviderError::Unavailable { what: "server error", status: Some(503), retry_after: None };
        assert_eq!(of_status(503, &error, &HeaderMap::new()), unavailable);
        assert_eq!(in_stream(&error), unavailable);
        let late = WireError::read(br#"{"error":{"code":504,"status":"DEADLINE_EXCEEDED"}}"#);
        assert!(in_stream(&late).to_string().contains("deadline"));
        let nameless = WireError::read(br#"{"error":{}}"#);
        assert!(matches!(in_stream(&nameless), ProviderError::Unavailable { status: None, .. }));
        assert_eq!(
            of_status(302, &WireError::read(b"<html>"), &HeaderMap::new()).to_string(),
            "invalid request: status 302"
        );
    }
}
