//! `1,000`, `1.000`, `1 000` and `1'000` are one number; so are `49.90` and `49,9`.

use std::str::FromStr;

use rust_decimal::Decimal;

const SPACES: [char; 3] = [' ', '\u{a0}', '\u{202f}'];

/// Where the number ends that begins here.
pub(super) fn end(text: &str, start: usize) -> usize {
    let rest = text.get(start..).unwrap_or_default();
    let mut end = 0;
    for (at, c) in rest.char_indices() {
        if c.is_ascii_digit() {
            end = at + 1;
            continue;
        }
        let after = rest.get(at + c.len_utf8()..).unwrap_or_default();
        let group = after.chars().take_while(char::is_ascii_digit).count();
        let goes_on = match c {
            '.' | ',' => group > 0,
            '\'' | '’' => group == 3,
            // A space parts thousands only: "3 4" are two numbers, and so are "2026 100".
            c if SPACES.contains(&c) => group == 3 && is_short(rest.get(..at).unwrap_or_default()),
            _ => false,
        };
        if !goes_on {
            break;
        }
    }
    start + end
}

/// The last group of digits has at most three, as before a separator of thousands.
fn is_short(digits: &str) -> bool {
    (1..=3).contains(&digits.chars().rev().take_while(char::is_ascii_digit).count())
}

/// Its value; `None` if it is no amount, but a date or a version.
pub(super) fn read(digits: &str) -> Option<Decimal> {
    let joined: String = digits.chars().filter(|c| !SPACES.contains(c) && !matches!(c, '\'' | '’')).collect();
    let last = joined.rfind(['.', ',']);
    let plain = match last {
        None => joined,
        Some(at) => {
            let (whole, fraction) = joined.split_at_checked(at)?;
            let mark = fraction.chars().next()?;
            let fraction = fraction.get(1..)?;
            let is_mixed = whole.contains(['.', ',']) && !whole.contains(mark);
            let thousands = whole.split(['.', ',']).skip(1).all(|group| group.len() == 3);
            if !thousands {
                return None;
            }
            let whole_digits: String = whole.chars().filter(char::is_ascii_digit).collect();
            let is_grouping = !is_mixed && fraction.len() == 3 && whole_digits != "0";
            if is_grouping {
                format!("{whole_digits}{fraction}")
            } else if whole.contains(mark) {
                // 12.03.2026
                return None;
            } else {
                format!("{whole_digits}.{fraction}")
            }
        }
    };
    Decimal::from_str(&plain).ok().map(|value| value.normalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Option<String> {
        assert_eq!(end(text, 0), text.len(), "{text}");
        read(text).map(|value| value.to_string())
    }

    #[test]
    fn one_value_is_written_in_many_ways() {
        for text in ["1000", "1,000", "1.000", "1 000", "1\u{202f}000", "1'000", "1’000", "1,000.00", "1.000,00"] {
            assert_eq!(value(text).as_deref(), Some("1000"), "{text}");
        }
        for (text, expected) in [
            ("49.90", "49.9"),
            ("49,9", "49.9"),
            ("0.125", "0.125"),
            ("1,234,567", "1234567"),
            ("1.234.567,5", "1234567.5"),
            ("2026", "2026"),
        ] {
            assert_eq!(value(text).as_deref(), Some(expected), "{text}");
        }
        for text in ["12.03.2026", "1.2.3"] {
            assert_eq!(value(text), None, "{text}");
        }
    }

    #[test]
    fn a_number_ends_where_its_sentence_goes_on() {
        for (text, expected) in [("49.", 2), ("49, then", 2), ("3 4", 1), ("2026 100", 4), ("5's", 1), ("10-15", 2)] {
            assert_eq!(end(text, 0), expected, "{text}");
        }
    }
}
