//! What every provider on HTTP shares: the connection, its bounds, and what headers say of waiting.

use std::net::IpAddr;
use std::time::Duration;

use chrono::{DateTime, Timelike, Utc};
use reqwest::Url;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

use super::RateLimits;

/// Nobody is told to wait longer than this, whatever a provider says.
const MOST: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a provider may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// To a connection.
    pub connect: Duration,
    /// From the request to the first token.
    pub first_token: Duration,
    /// From the request to the end.
    pub total: Duration,
}

impl Default for Timeouts {
    /// The whole call ends a little before its stage's 60 s are over, so that a slow provider is told as one, and the
    /// ledger knows what came.
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), first_token: Duration::from_secs(20), total: Duration::from_secs(57) }
    }
}

/// A client for one provider. Redirects are errors: a base URL is an operator's word, and a key goes nowhere else. A
/// server on this machine is reached without a proxy.
///
/// # Errors
/// If the TLS roots can't be read.
pub fn client(base: &Url, timeouts: &Timeouts) -> Result<reqwest::Client, reqwest::Error> {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("hellosales/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(timeouts.connect)
        .tcp_keepalive(Duration::from_secs(15))
        .pool_idle_timeout(Duration::from_secs(30));
    if is_loopback(base) { builder.no_proxy().build() } else { builder.build() }
}

/// Whether a URL names this machine.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let host = host.trim_matches(['[', ']']);
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    })
}

/// `Retry-After`, in seconds or as a date, which is held against the answer's own `Date`: two clocks needn't agree.
#[must_use]
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match value.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok()?,
        Err(_) => {
            let until = DateTime::parse_from_rfc2822(value).ok()?.to_utc();
            (until - answered_at(headers)).to_std().unwrap_or(Duration::ZERO)
        }
    };
    Some(wait.min(MOST))
}

/// How long it is, by the answer's own clock, to the next time that it is this hour in UTC.
pub(super) fn until_hour(headers: &HeaderMap, hour: u32) -> Duration {
    const DAY: u32 = 24 * 60 * 60;
    let now = answered_at(headers).num_seconds_from_midnight();
    let wait = (hour % 24 * 60 * 60 + DAY).saturating_sub(now) % DAY;
    Duration::from_secs(u64::from(if wait == 0 { DAY } else { wait }))
}

fn answered_at(headers: &HeaderMap) -> DateTime<Utc> {
    let date = headers.get(DATE).and_then(|value| DateTime::parse_from_rfc2822(value.to_str().ok()?).ok());
    #[expect(clippy::disallowed_methods, reason = "a guess at how long to wait; nothing is decided by it")]
    let now = std::time::SystemTime::now;
    date.map_or_else(|| now().into(), |date| date.to_utc())
}

/// `x-ratelimit-…`.
#[must_use]
pub fn rate_limits(headers: &HeaderMap) -> RateLimits {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    RateLimits {
        requests_left: text("x-ratelimit-remaining-requests").and_then(|value| value.parse().ok()),
        tokens_left: text("x-ratelimit-remaining-tokens").and_then(|value| value.parse().ok()),
        requests_reset: text("x-ratelimit-reset-requests").and_then(span),
        tokens_reset: text("x-ratelimit-reset-tokens").and_then(span),
    }
}

/// `1h2m3.5s`, `120ms`, or plain seconds.
pub(super) fn span(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok().map(|span| span.min(MOST));
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at_checked(digits)?;
        let unit = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(unit)?;
        let seconds = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 0.001,
            "us" | "µs" => 0.000_001,
            _ => return None,
        };
        let part = Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?;
        total = total.checked_add(part)?;
        rest = after;
    }
    Some(total.min(MOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn retry_after_is_read_in_seconds_and_as_a_date() {
        let wait = |value| retry_after(&headers(&[("retry-after", value), ("date", "Wed, 21 Oct 2015 07:28:00 GMT")]));
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("0.5"), Some(Duration::from_millis(500)));
        assert_eq!(wait("Wed, 21 Oct 2015 07:29:30 GMT"), Some(Duration::from_secs(90)));
        assert_eq!(wait("Wed, 21 Oct 2015 07:00:00 GMT"), Some(Duration::ZERO), "the past");
        assert_eq!(wait("99999999999"), Some(Duration::from_secs(86_400)), "bounded");
        for nonsense in ["", "-1", "soon", "NaN", "inf", "1e400"] {
            assert_eq!(wait(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn the_next_time_of_an_hour_is_within_a_day() {
        let wait = |time: &str| until_hour(&headers(&[("date", &format!("Wed, 21 Oct 2026 {time} GMT"))]), 8).as_secs();
        assert_eq!((wait("07:59:58"), wait("08:00:01"), wait("08:00:00")), (2, 86_399, 86_400));
    }

    #[test]
    fn rate_limits_are_read_in_the_vendors_spans() {
        assert_eq!([span("1e19"), span("99999999999h1s")], [Some(MOST); 2], "bounded: the wait is reckoned with");
        assert_eq!(span("6m0s"), Some(Duration::from_secs(360)));
        assert_eq!(span("7.66s"), Some(Duration::from_millis(7_660)));
        assert_eq!(span("120ms"), Some(Duration::from_millis(120)));
        assert_eq!(span("1h1m1s"), Some(Duration::from_secs(3_661)));
        assert_eq!(span("2"), Some(Duration::from_secs(2)));
        assert_eq!((span("1x"), span("s"), span("1s2"), span("é")), (None, None, None, None));
        let limits = rate_limits(&headers(&[
            ("x-ratelimit-remaining-requests", "12"),
            ("x-ratelimit-reset-requests", "2m"),
            ("x-ratelimit-remaining-tokens", "0"),
            ("x-ratelimit-reset-tokens", "3s"),
        ]));
        assert_eq!((limits.requests_left, limits.tokens_left), (Some(12), Some(0)));
        assert_eq!(limits.wait(), Some(Duration::from_secs(3)), "the limit that is used up");
    }

    #[test]
    fn this_machine_is_known_by_its_names() {
        for (url, local) in [
            ("http://localhost:1/v1", true),
            ("http://127.0.0.9/v1", true),
            ("http://[::1]:80/", true),
            ("https://api.groq.com", false),
            ("http://127.0.0.1.example.com", false),
        ] {
            assert_eq!(is_loopback(&url.parse().unwrap()), local, "{url}");
        }
    }
}
