//! BULK: many at once. It names whom it means, says why, and asks before it begins.

use std::fmt;
use std::io::{BufRead, IsTerminal};

use hellosales_core::content::{COUNT_LIMIT, Total};

use crate::filter::FilterArgs;
use crate::output::Output;
use crate::problem::{Exit, Problem};

/// How many at once.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Bulk")]
pub(crate) struct BulkArgs {
    /// All that there are: a filter narrows it, nothing else does
    #[arg(long)]
    pub(crate) all: bool,
    /// Say what it would touch, and touch nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// So many at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max: Option<u32>,
    /// So fast
    #[arg(long, value_name = "N/s", default_value = "10/s", value_parser = Rate::parse)]
    pub(crate) rate: Rate,
    /// So many first, and the rest only if these end well
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) canary: Option<u32>,
    /// Why: it is kept in the audit log
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub(crate) reason: Option<String>,
    /// Don't ask
    #[arg(short, long)]
    pub(crate) yes: bool,
}

/// Why something is done, where one thing is done.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Reason {
    /// Why: it is kept in the audit log
    #[arg(long, value_name = "TEXT", required = true, value_parser = reason)]
    pub(crate) reason: String,
}

/// So many in a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rate {
    /// In a second.
    pub(crate) per_second: f64,
}

impl Rate {
    /// Reads `10/s`, `30/m`, `100/h`; a number alone is in a second.
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is no rate: write 10/s, 30/m or 100/h");
        let (number, unit) = text.split_once('/').unwrap_or((text, "s"));
        let seconds = match unit {
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            _ => return Err(wrong()),
        };
        let number: u16 = number.parse().map_err(|_| wrong())?;
        if number == 0 { Err(wrong()) } else { Ok(Self { per_second: f64::from(number) / seconds }) }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.per_second {
            fast if fast >= 1.0 => write!(f, "{}/s", fast.round()),
            slow if slow * 60.0 >= 1.0 => write!(f, "{}/m", (slow * 60.0).round()),
            slower => write!(f, "{}/h", (slower * 3_600.0).round()),
        }
    }
}

/// A reason says something, on one line, and not too much.
fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > 500 || text.chars().any(char::is_control) {
        return Err("a reason is a line of at most 500 characters, and not empty".to_owned());
    }
    Ok(text.to_owned())
}

/// Whom a bulk command means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chosen {
    /// Those that were named.
    Named,
    /// Those of the filter, which with `--all` may be empty.
    Filtered,
}

impl BulkArgs {
    /// Whom it means: ids, or a filter, or with `--all` everything. Nothing, or two of them, is no choice.
    pub(crate) fn choose(&self, ids: &[String], filter: &FilterArgs) -> Result<Chosen, Problem> {
        match (ids.is_empty(), filter.is_empty(), self.all) {
            (false, true, false) => Ok(Chosen::Named),
            (true, false, false) | (true, true, true) => Ok(Chosen::Filtered),
            (true, true, false) => Err(Problem::new(Exit::Usage, "nothing is said of which ones")
                .fix("name them by id, narrow them by a filter (--since 1h, --error CODE), or say --all")),
            (true, false, true) => Err(Problem::new(Exit::Usage, "a filter narrows what --all does not")
                .fix("leave out one of them; --since 1h alone is all of the last hour")),
            (false, ..) => Err(Problem::new(Exit::Usage, "ids leave nothing for a filter or --all to choose")
                .fix("give ids, or a filter")),
        }
    }

    /// Why; every write says it.
    pub(crate) fn reason(&self) -> Result<&str, Problem> {
        self.reason.as_deref().ok_or_else(|| {
            Problem::new(Exit::Usage, "why is it done?").fix("--reason TEXT    it is kept in the audit log")
        })
    }

    /// Asks, where somebody can answer. `what` is who it is about: `34 dead letters, 2 organisations, about 1.9 cents`.
    pub(crate) fn confirm(&self, what: &str, output: Output) -> Result<(), Problem> {
        let canary = self.canary.map(|canary| format!("Canary {canary} first, then ")).unwrap_or_default();
        let pace = if canary.is_empty() { format!("At {}.", self.rate) } else { format!("{canary}{}.", self.rate) };
        confirm(&format!("{what}. {pace}"), self.yes, output)
    }
}

/// Asks whether to go on. Where nobody sits nothing is asked: it takes `-y`.
pub(crate) fn confirm(what: &str, yes: bool, output: Output) -> Result<(), Problem> {
    if yes {
        output.say(what);
        return Ok(());
    }
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(Problem::new(Exit::Usage, format!("{what} Nobody is here to ask"))
            .fix("-y    does it without asking; --dry-run, where there is one, only says what it would do"));
    }
    output.ask(&format!("{what} Continue? [y/N] "));
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    if read.is_ok() && matches!(line.trim(), "y" | "Y" | "yes") {
        return Ok(());
    }
    Err(Problem::new(Exit::Failed, "nothing was done"))
}

/// So many of something: `1 run`, `34 runs`, `10,000+ runs`. Counting stops at a bound.
pub(crate) fn count(total: Total, one: &str, many: &str) -> String {
    match total {
        Total { count: 1, .. } => format!("1 {one}"),
        Total { count, is_exact: true } => format!("{} {many}", thousands(count)),
        Total { is_exact: false, .. } => format!("{}+ {many}", thousands(COUNT_LIMIT)),
    }
}

/// A number, its digits in groups of three.
pub(crate) fn thousands(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut grouped = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if number < 0 { format!("-{grouped}") } else { grouped }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::times;

    fn bulk(all: bool) -> BulkArgs {
        let rate = Rate::parse("10/s").unwrap();
        BulkArgs { all, dry_run: false, max: None, rate, canary: None, reason: None, yes: false }
    }

    #[test]
    fn one_way_of_choosing_is_needed_and_one_only() {
        let (none, some) = (FilterArgs::default(), FilterArgs { since: times::parse("1h").ok(), ..Default::default() });
        let ids = ["0199f2ab".to_owned()];
        assert_eq!(bulk(false).choose(&ids, &none).unwrap(), Chosen::Named);
        assert_eq!(bulk(false).choose(&[], &some).unwrap(), Chosen::Filtered);
        assert_eq!(bulk(true).choose(&[], &none).unwrap(), Chosen::Filtered);
        assert!(bulk(false).choose(&[], &none).is_err() && bulk(true).choose(&[], &some).is_err());
        assert!(bulk(false).choose(&ids, &some).is_err() && bulk(true).choose(&ids, &none).is_err());
        assert!(bulk(true).reason().is_err());
    }

    #[test]
    fn a_rate_is_read_and_told() {
        for (text, per_second, told) in [("10/s", 10.0, "10/s"), ("30/m", 0.5, "30/m"), ("5", 5.0, "5/s")] {
            let rate = Rate::parse(text).unwrap();
            assert!((rate.per_second - per_second).abs() < 1e-9, "{text}");
            assert_eq!(rate.to_string(), told);
        }
        for text in ["", "0/s", "-1/s", "10/w", "x", "10/s/s", "99999999/s"] {
            assert!(Rate::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn counts_are_bounded_and_told_in_words() {
        let total = |count| Total::from(count);
        assert_eq!(count(total(1), "run", "runs"), "1 run");
        assert_eq!(count(total(8_914), "run", "runs"), "8,914 runs");
        assert_eq!(count(total(10_001), "run", "runs"), "10,000+ runs");
        assert_eq!((thousands(0), thousands(-1_234_567)), ("0".to_owned(), "-1,234,567".to_owned()));
    }

    #[test]
    fn a_reason_is_a_line_that_says_something() {
        assert_eq!(reason(" INC-81 "), Ok("INC-81".to_owned()));
        assert!(reason("  ").is_err() && reason("a\nb").is_err() && reason(&"x".repeat(501)).is_err());
    }
}
