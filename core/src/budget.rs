//! What an organisation may use: requests, tokens and cents, a minute and a day; and that it doesn't use more, however many
//! calls are made at once.
//!
//! A call reserves what it can take at most when it is opened, under the lock of its organisation's budget, and gives back
//! what it did not take when it is closed, by whomever: the open row of the ledger is the reservation. An organisation
//! without a budget locks and counts nothing.
//!
//! The day is UTC's. The minute slides, in slices of five seconds: the last thirteen hold whatever began within the last
//! sixty seconds, so that no minute ever, wherever it begins, has more than the limit. The database's clock decides.

mod account;
mod change;
mod give_back;
mod ledger;
mod list;
mod reserve;
mod standing;

use std::fmt;
use std::time::Duration;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

pub use change::{Change, Changed, set, set_defaults};
pub use list::{Budget, Used, get, list};
pub use standing::{Left, Standing, standing};

pub(crate) use account::{Account, Need};
pub(crate) use give_back::{GivenBack, give_back};
pub(crate) use reserve::{Booked, adopt_defaults, book, read};

use crate::run::text_enum;

text_enum! {
    /// What becomes of what a budget doesn't reach for.
    OnExceeded {
        /// What is submitted waits until the window turns.
        Snooze = "snooze",
        /// It is refused at the door; what was accepted before waits.
        Refuse = "refuse",
    }
}

text_enum! {
    /// For how long a limit is.
    Span {
        /// Sixty seconds, whenever they begin.
        Minute = "minute",
        /// A day of UTC.
        Day = "day",
    }
}

text_enum! {
    /// What is limited.
    Measure {
        /// Calls of a provider.
        Requests = "requests",
        /// Tokens of prompts and answers.
        Tokens = "tokens",
        /// US cents.
        Cents = "cents",
    }
}

/// All limits: where each stands, in the order in which people read them.
const LIMITS: [(Span, Measure); 6] = [
    (Span::Minute, Measure::Requests),
    (Span::Minute, Measure::Tokens),
    (Span::Minute, Measure::Cents),
    (Span::Day, Measure::Requests),
    (Span::Day, Measure::Tokens),
    (Span::Day, Measure::Cents),
];

/// What may be used; `None` is any amount.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns of budgets, by their names")]
pub struct Limits {
    pub requests_per_minute: Option<i64>,
    pub tokens_per_minute: Option<i64>,
    pub cents_per_minute: Option<Decimal>,
    pub requests_per_day: Option<i64>,
    pub tokens_per_day: Option<i64>,
    pub cents_per_day: Option<Decimal>,
}

impl Limits {
    /// One of them.
    #[must_use]
    pub fn of(&self, span: Span, measure: Measure) -> Option<Decimal> {
        match (span, measure) {
            (Span::Minute, Measure::Requests) => self.requests_per_minute.map(Decimal::from),
            (Span::Minute, Measure::Tokens) => self.tokens_per_minute.map(Decimal::from),
            (Span::Minute, Measure::Cents) => self.cents_per_minute,
            (Span::Day, Measure::Requests) => self.requests_per_day.map(Decimal::from),
            (Span::Day, Measure::Tokens) => self.tokens_per_day.map(Decimal::from),
            (Span::Day, Measure::Cents) => self.cents_per_day,
        }
    }

    /// Whether there is any.
    #[must_use]
    pub fn is_any(&self) -> bool {
        *self != Self::default()
    }
}

/// A limit that doesn't reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exceeded {
    /// For how long the limit is.
    pub span: Span,
    /// Of what.
    pub measure: Measure,
    /// The limit.
    pub limit: Decimal,
    /// What was asked for.
    pub need: Decimal,
    /// So long until it may reach.
    pub wait: Duration,
    /// Calls under way hold the rest, some of which comes back.
    pub may_come_back: bool,
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (limit, need) = (self.limit.normalize(), self.need.normalize());
        let (measure, span) = (self.measure, self.span);
        if self.need > self.limit {
            write!(
                f,
                "one call may take {need} {measure}, more than the organisation's budget of {limit} {measure} a {span}"
            )
        } else if self.may_come_back {
            write!(f, "calls under way hold the rest of the organisation's budget of {limit} {measure} a {span}")
        } else {
            write!(f, "the organisation's budget of {limit} {measure} a {span} is spent")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_does_not_reach_says_which_in_a_sentence() {
        let spent = Exceeded {
            span: Span::Day,
            measure: Measure::Cents,
            limit: Decimal::new(500_000_000, 6),
            need: Decimal::new(4, 1),
            wait: Duration::from_secs(60),
            may_come_back: false,
        };
        assert_eq!(spent.to_string(), "the organisation's budget of 500 cents a day is spent");
        let held = Exceeded { may_come_back: true, ..spent };
        assert_eq!(held.to_string(), "calls under way hold the rest of the organisation's budget of 500 cents a day");
        let small = Exceeded { limit: Decimal::new(1, 1), span: Span::Minute, ..spent };
        assert_eq!(
            small.to_string(),
            "one call may take 0.4 cents, more than the organisation's budget of 0.1 cents a minute"
        );
    }
}
