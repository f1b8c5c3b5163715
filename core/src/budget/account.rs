//! An organisation's budget as it stands, and whether a call fits. Arithmetic only: whoever asks holds the budget's row.

use std::time::Duration;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use rust_decimal::Decimal;

use super::{Exceeded, LIMITS, Limits, Measure, Span};

/// The minute is counted in slices of so many seconds.
pub(super) const SLICE_SECONDS: i64 = 5;
/// A slice counts for so long after it began: then nothing of it is within the last sixty seconds.
pub(super) const SLICE_LIFE: TimeDelta = TimeDelta::seconds(60 + SLICE_SECONDS);
/// What calls under way hold may come back at any time: it is asked again after so long.
const HELD_PAUSE: Duration = Duration::from_secs(2);

/// What a call can take at most; and one request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) tokens: i64,
    pub(crate) cents: Decimal,
}

impl Need {
    fn of(self, measure: Measure) -> Decimal {
        match measure {
            Measure::Requests => Decimal::ONE,
            Measure::Tokens => self.tokens.into(),
            Measure::Cents => self.cents,
        }
    }
}

/// What was used in a window, and what is held by calls under way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) requests: i64,
    pub(crate) tokens: i64,
    pub(crate) cents: Decimal,
    pub(crate) reserved_tokens: i64,
    pub(crate) reserved_cents: Decimal,
}

impl Window {
    /// For good.
    pub(crate) fn used(&self, measure: Measure) -> Decimal {
        match measure {
            Measure::Requests => self.requests.into(),
            Measure::Tokens => self.tokens.into(),
            Measure::Cents => self.cents,
        }
    }

    /// For now.
    pub(crate) fn reserved(&self, measure: Measure) -> Decimal {
        match measure {
            Measure::Requests => Decimal::ZERO,
            Measure::Tokens => self.reserved_tokens.into(),
            Measure::Cents => self.reserved_cents,
        }
    }

    fn take(&mut self, need: Need) {
        self.requests += 1;
        self.reserved_tokens = self.reserved_tokens.saturating_add(need.tokens);
        self.reserved_cents += need.cents;
    }
}

/// A budget as it stands.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) limits: Limits,
    /// The database's clock, read under the lock.
    pub(crate) now: DateTime<Utc>,
    /// The slices that count, oldest first.
    pub(crate) slices: Vec<(DateTime<Utc>, Window)>,
    /// Today.
    pub(crate) day: Window,
}

impl Account {
    /// The slice that is on.
    pub(super) fn slice(&self) -> DateTime<Utc> {
        self.now.duration_trunc(TimeDelta::seconds(SLICE_SECONDS)).unwrap_or(self.now)
    }

    /// The day that is on.
    pub(super) fn today(&self) -> DateTime<Utc> {
        self.now.duration_trunc(TimeDelta::days(1)).unwrap_or(self.now)
    }

    /// Used for good, and for now.
    pub(crate) fn sums(&self, span: Span, measure: Measure) -> (Decimal, Decimal) {
        match span {
            Span::Day => (self.day.used(measure), self.day.reserved(measure)),
            Span::Minute => self.slices.iter().fold((Decimal::ZERO, Decimal::ZERO), |(used, reserved), (_, slice)| {
                (used + slice.used(measure), reserved + slice.reserved(measure))
            }),
        }
    }

    /// Which limit a call doesn't fit in; the one that takes longest, if several.
    pub(crate) fn exceeded(&self, need: Need) -> Option<Exceeded> {
        self.first_exceeded(need, true)
    }

    /// The same, as if all that calls under way hold came back.
    pub(crate) fn spent(&self, need: Need) -> Option<Exceeded> {
        self.first_exceeded(need, false)
    }

    fn first_exceeded(&self, need: Need, with_reserved: bool) -> Option<Exceeded> {
        let exceeded = LIMITS.iter().filter_map(|&(span, measure)| {
            let (limit, need) = (self.limits.of(span, measure)?, need.of(measure));
            let (used, reserved) = self.sums(span, measure);
            let held = if with_reserved { reserved } else { Decimal::ZERO };
            // Of nothing even a call that is free has nothing.
            let fits = used + held + need <= limit && limit > Decimal::ZERO;
            let may_come_back = used + need <= limit;
            (!fits).then(|| Exceeded {
                span,
                measure,
                limit,
                need,
                wait: if may_come_back { HELD_PAUSE } else { self.until_it_fits(span, measure, limit, need) },
                may_come_back,
            })
        });
        exceeded.max_by_key(|exceeded| exceeded.wait)
    }

    /// How long until so much of a window has passed that a call fits; of one that never will, until the window turns.
    fn until_it_fits(&self, span: Span, measure: Measure, limit: Decimal, need: Decimal) -> Duration {
        if span == Span::Day {
            return self.turn(span);
        }
        let (used, _) = self.sums(span, measure);
        let mut left = used;
        for (starts_at, slice) in &self.slices {
            left -= slice.used(measure);
            if left + need <= limit {
                return self.until(*starts_at + SLICE_LIFE);
            }
        }
        self.turn(span)
    }

    /// How long until a window has turned whole.
    pub(crate) fn turn(&self, span: Span) -> Duration {
        match span {
            Span::Day => self.until(self.today() + TimeDelta::days(1)),
            Span::Minute => {
                self.slices.last().map_or(Duration::from_secs(60), |(last, _)| self.until(*last + SLICE_LIFE))
            }
        }
    }

    fn until(&self, at: DateTime<Utc>) -> Duration {
        (at - self.now).to_std().unwrap_or_default()
    }

    /// Takes what a call can take.
    pub(crate) fn take(&mut self, need: Need) {
        self.day.take(need);
        let now = self.slice();
        match self.slices.last_mut() {
            Some((starts_at, slice)) if *starts_at == now => slice.take(need),
            _ => {
                let mut slice = Window::default();
                slice.take(need);
                self.slices.push((now, slice));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        format!("2026-11-24T{text}Z").parse().unwrap()
    }

    fn account(limits: Limits) -> Account {
        Account { limits, now: at("23:58:57"), slices: Vec::new(), day: Window::default() }
    }

    fn need(tokens: i64, cents: i64) -> Need {
        Need { tokens, cents: cents.into() }
    }

    #[test]
    fn a_limit_is_taken_to_the_last_one_and_never_beyond() {
        let mut two =
            account(Limits { requests_per_minute: Some(2), cents_per_day: Some(100.into()), ..Limits::default() });
        assert_eq!(two.exceeded(need(1, 10)), None);
        two.take(need(1, 10));
        two.take(need(1, 10));
        let third = two.exceeded(need(1, 10)).unwrap();
        assert_eq!((third.span, third.measure, third.may_come_back), (Span::Minute, Measure::Requests, false));
        assert_eq!(third.wait, Duration::from_secs(63), "the slice began at :55, and counts for 65 seconds");
    }

    #[test]
    fn what_calls_under_way_hold_may_come_back_and_is_asked_for_again_soon() {
        let mut day = account(Limits { cents_per_day: Some(10.into()), ..Limits::default() });
        day.take(need(0, 8));
        let held = day.exceeded(need(0, 3)).unwrap();
        assert!(held.may_come_back && held.wait == HELD_PAUSE);
        assert_eq!(day.spent(need(0, 3)), None);
        day.day = Window { requests: 1, cents: 8.into(), ..Window::default() };
        let spent = day.exceeded(need(0, 3)).unwrap();
        assert_eq!((spent.may_come_back, spent.wait), (false, Duration::from_secs(63)), "midnight");
        assert_eq!(day.exceeded(need(0, 2)), None);
    }

    #[test]
    fn a_minute_goes_on_as_its_oldest_slices_pass() {
        let used = |tokens| Window { requests: 1, tokens, ..Window::default() };
        let mut minute = account(Limits { tokens_per_minute: Some(100), ..Limits::default() });
        minute.slices = vec![(at("23:57:55"), used(30)), (at("23:58:10"), used(40)), (at("23:58:50"), used(20))];
        assert_eq!(minute.exceeded(need(10, 0)), None);
        assert_eq!(minute.exceeded(need(11, 0)).unwrap().wait, Duration::from_secs(3));
        assert_eq!(minute.exceeded(need(41, 0)).unwrap().wait, Duration::from_secs(18));
        assert_eq!(minute.exceeded(need(101, 0)).unwrap().wait, Duration::from_secs(58), "never: when all has turned");
    }

    #[test]
    fn nothing_may_be_used_of_nothing() {
        let none = account(Limits { cents_per_day: Some(Decimal::ZERO), ..Limits::default() });
        assert!(none.exceeded(need(0, 0)).is_some());
        assert!(account(Limits::default()).exceeded(need(i64::MAX, 1_000_000)).is_none());
    }
}
