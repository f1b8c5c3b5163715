//! Durations as people write them: `60s`, `250ms`, `5m`, `2h`, `1d`.

use std::time::Duration;

/// Reads a duration; a number alone is seconds.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is no duration: write 250ms, 60s, 5m, 2h or 1d");
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at_checked(digits).ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let ms = match unit {
        "ms" => Some(1),
        "" | "s" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        "d" => Some(86_400_000),
        _ => None,
    };
    let total = ms.and_then(|ms: u64| number.checked_mul(ms)).ok_or_else(wrong)?;
    if total == 0 { Err(wrong()) } else { Ok(Duration::from_millis(total)) }
}

/// Says how long, from milliseconds: `11ms`, `4.2s`, `6m02s`, `3h05m`, `2d04h`.
pub(crate) fn tell(ms: i64) -> String {
    let (sign, ms) = (if ms < 0 { "-" } else { "" }, ms.unsigned_abs());
    let seconds = ms / 1_000;
    let told = match ms {
        0..1_000 => format!("{ms}ms"),
        1_000..10_000 => format!("{seconds}.{}s", ms % 1_000 / 100),
        10_000..60_000 => format!("{seconds}s"),
        60_000..3_600_000 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3_600_000..86_400_000 => format!("{}h{:02}m", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds % 86_400 / 3_600),
    };
    format!("{sign}{told}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_and_a_bare_number_is_seconds() {
        for (text, ms) in
            [("250ms", 250), ("60s", 60_000), ("60", 60_000), ("5m", 300_000), ("2h", 7_200_000), ("1d", 86_400_000)]
        {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn nonsense_zero_and_what_overflows_are_refused() {
        for text in ["", "s", "-1s", "1.5s", "1w", "0s", "99999999999999999999d", "18446744073709551615d", "1 s", "ünf"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_duration_is_told_in_two_units_at_most() {
        for (ms, told) in [
            (0, "0ms"),
            (11, "11ms"),
            (4_250, "4.2s"),
            (59_999, "59s"),
            (362_000, "6m02s"),
            (11_100_000, "3h05m"),
            (187_200_000, "2d04h"),
            (-1_500, "-1.5s"),
        ] {
            assert_eq!(tell(ms), told);
        }
    }
}
