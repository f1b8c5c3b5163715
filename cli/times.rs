//! Points in time as people write them: `1h` ago, a day, a time of a day.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use crate::duration;

/// A time, or how long ago it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// So long ago.
    Ago(TimeDelta),
    /// Then.
    At(DateTime<Utc>),
}

impl When {
    /// The time, seen from the database's now.
    pub(crate) fn at(self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::Ago(ago) => now.checked_sub_signed(ago).unwrap_or(DateTime::UNIX_EPOCH),
            Self::At(at) => at,
        }
    }
}

/// Reads `1h`, `2026-11-24`, `2026-11-24T10:00:00Z`.
pub(crate) fn parse(text: &str) -> Result<When, String> {
    if let Ok(ago) = duration::parse(text) {
        return TimeDelta::from_std(ago).map(When::Ago).map_err(|_| format!("'{text}' is too long ago"));
    }
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(When::At(at.to_utc()));
    }
    let day = text.parse::<NaiveDate>().ok().and_then(|day| day.and_hms_opt(0, 0, 0));
    day.map(|at| When::At(at.and_utc()))
        .ok_or_else(|| format!("'{text}' is no time: write 30m, 1h or 7d ago, 2026-11-24, or 2026-11-24T10:00:00Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_so_long_ago_or_a_day_or_a_time_of_it() {
        let now = "2026-11-24T12:00:00Z".parse().unwrap();
        for (text, at) in [
            ("1h", "2026-11-24T11:00:00Z"),
            ("7d", "2026-11-17T12:00:00Z"),
            ("2026-11-01", "2026-11-01T00:00:00Z"),
            ("2026-11-01T10:00:00+02:00", "2026-11-01T08:00:00Z"),
            ("2026-11-01T10:00:00.5Z", "2026-11-01T10:00:00.5Z"),
        ] {
            assert_eq!(parse(text).unwrap().at(now), at.parse::<DateTime<Utc>>().unwrap(), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused_and_what_is_too_long_ago_is_the_beginning() {
        for text in ["", "yesterday", "-1h", "2026-13-01", "2026-11-24 10:00", "1h ago", "99999999999999d"] {
            assert!(parse(text).is_err(), "{text}");
        }
        let now = "2026-11-24T12:00:00Z".parse().unwrap();
        assert_eq!(parse("99999999d").unwrap().at(now).timestamp().signum(), -1);
    }
}
