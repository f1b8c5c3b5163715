//! What is left of an organisation's budget: refused when nothing is, and told in headers as long as there is a budget.

use axum::http::HeaderValue;
use axum::response::Response;
use hellosales_core::budget::{self, Exceeded, Left, OnExceeded};
use hellosales_core::database::OrgTx;
use hellosales_core::{DatabaseError, ErrorCode};
use rust_decimal::Decimal;

use crate::error::Problem;

/// Of the limit of which the smallest part is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RateLimit {
    limit: Decimal,
    remaining: Decimal,
    reset_seconds: u32,
}

/// What a submit may do.
#[derive(Debug)]
pub(crate) enum Admission {
    /// Go in; and what to tell of what is left, if there is a budget.
    Open(Option<RateLimit>),
    /// Not now.
    Refused(Problem),
}

/// Looks at the budget of the transaction's organisation. Everything that is submitted asks here, once it is known that it
/// doesn't stand already.
///
/// # Errors
/// If the database can't be read.
pub(crate) async fn admission(org: &mut OrgTx<'_>) -> Result<Admission, DatabaseError> {
    let Some(standing) = budget::standing(org).await? else { return Ok(Admission::Open(None)) };
    match standing.spent {
        Some(spent) if standing.on_exceeded == OnExceeded::Refuse => Ok(Admission::Refused(exceeded(&spent))),
        _ => Ok(Admission::Open(standing.tightest.as_ref().map(RateLimit::from))),
    }
}

fn exceeded(spent: &Exceeded) -> Problem {
    let reset_seconds = whole_seconds(spent.wait);
    Problem::new(ErrorCode::BudgetExceeded, spent.to_string())
        .detail("measure", spent.measure.as_str())
        .detail("per", spent.span.as_str())
        .detail("limit", spent.limit.normalize().to_string())
        .retry_after(reset_seconds)
        .rate_limit(RateLimit { limit: spent.limit, remaining: Decimal::ZERO, reset_seconds })
}

/// Up to the next second, and one at least: who comes back then finds the window turned.
fn whole_seconds(duration: std::time::Duration) -> u32 {
    u32::try_from(duration.as_millis().div_ceil(1_000)).unwrap_or(u32::MAX).max(1)
}

impl From<&Left> for RateLimit {
    fn from(left: &Left) -> Self {
        Self { limit: left.limit, remaining: left.left, reset_seconds: whole_seconds(left.turn) }
    }
}

impl RateLimit {
    /// Tells it in the headers of an answer.
    pub(crate) fn write(self, response: &mut Response) {
        let number = |number: Decimal| HeaderValue::try_from(number.trunc_with_scale(3).normalize().to_string());
        for (name, value) in [
            ("ratelimit-limit", number(self.limit)),
            ("ratelimit-remaining", number(self.remaining)),
            ("ratelimit-reset", Ok(HeaderValue::from(self.reset_seconds))),
        ] {
            if let Ok(value) = value {
                response.headers_mut().insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::http::StatusCode;
    use axum::response::IntoResponse;
    use hellosales_core::budget::{Measure, Span};

    use super::*;

    #[test]
    fn a_spent_budget_is_a_429_that_says_when_to_come_back() {
        let response = exceeded(&Exceeded {
            span: Span::Day,
            measure: Measure::Cents,
            limit: Decimal::new(2_500, 3),
            need: Decimal::ONE,
            wait: Duration::from_millis(61_001),
            may_come_back: false,
        })
        .into_response();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!((header("retry-after"), header("ratelimit-reset")), ("62".to_owned(), "62".to_owned()));
        assert_eq!((header("ratelimit-limit"), header("ratelimit-remaining")), ("2.5".to_owned(), "0".to_owned()));
    }
}
