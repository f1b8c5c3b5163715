//! `budgets set`

use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use hellosales_core::budget::{self, Change, OnExceeded};
use rust_decimal::Decimal;

use super::list::COLUMNS;
use crate::Global;
use crate::bulk::Reason;
use crate::list::List;
use crate::operator::Operator;
use crate::output::Output;
use crate::problem::{Exit, Problem};

const MOST: i64 = 1_000_000_000_000;

/// A limit; `none` lifts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Limit<T>(Option<T>);

/// What it takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A slug, a name, an id or its first 8 characters
    #[arg(value_name = "ORG")]
    organization: String,
    /// Calls of a provider within any sixty seconds
    #[arg(long, visible_alias = "requests-per-minute", value_name = "N|none", value_parser = whole)]
    rpm: Option<Limit<i64>>,
    /// Tokens within any sixty seconds
    #[arg(long, visible_alias = "tokens-per-minute", value_name = "N|none", value_parser = whole)]
    tpm: Option<Limit<i64>>,
    /// Cents within any sixty seconds
    #[arg(long, value_name = "N|none", value_parser = cents)]
    cents_per_minute: Option<Limit<Decimal>>,
    /// Calls of a provider a day of UTC
    #[arg(long, visible_alias = "rpd", value_name = "N|none", value_parser = whole)]
    requests_per_day: Option<Limit<i64>>,
    /// Tokens a day of UTC
    #[arg(long, visible_alias = "tpd", value_name = "N|none", value_parser = whole)]
    tokens_per_day: Option<Limit<i64>>,
    /// Cents a day of UTC
    #[arg(long, value_name = "N|none", value_parser = cents)]
    cents_per_day: Option<Limit<Decimal>>,
    /// What becomes of what is submitted over it: snooze (it waits) or refuse (429)
    #[arg(long, value_name = "HOW", value_parser = PossibleValuesParser::new(["snooze", "refuse"]))]
    on_exceeded: Option<String>,
    /// Lift all limits that aren't named
    #[arg(long)]
    none: bool,
    #[command(flatten)]
    why: Reason,
}

pub(super) async fn run(args: &Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let list = List::of_one(COLUMNS, global, output)?;
    let change = args.change()?;
    let operator = Operator::open(global).await?;
    let org = operator.organization(&args.organization).await?;
    let set = budget::set(&operator.db, org, &change, &operator.actor, Some(&args.why.reason)).await;
    let (changed, wakes) = set.map_err(|error| operator.fault(error))?;
    operator.wake(wakes).await;
    if changed.hastened > 0 {
        output.say(format!("{} steps waited for it, and look at it again now", changed.hastened));
    }
    let budget = budget::get(&operator.db, org).await.map_err(|error| operator.fault(error))?;
    if let Some(budget) = budget {
        list.show_one(&budget)?;
    }
    Ok(ExitCode::SUCCESS)
}

impl Args {
    fn change(&self) -> Result<Change, Problem> {
        let on_exceeded = self.on_exceeded.as_deref().and_then(|word| OnExceeded::parse(word).ok());
        let change = Change {
            lift_all: self.none,
            requests_per_minute: self.rpm.map(|limit| limit.0),
            tokens_per_minute: self.tpm.map(|limit| limit.0),
            cents_per_minute: self.cents_per_minute.map(|limit| limit.0),
            requests_per_day: self.requests_per_day.map(|limit| limit.0),
            tokens_per_day: self.tokens_per_day.map(|limit| limit.0),
            cents_per_day: self.cents_per_day.map(|limit| limit.0),
            on_exceeded,
        };
        let names_one = self.rpm.is_some()
            || self.tpm.is_some()
            || self.cents_per_minute.is_some()
            || self.requests_per_day.is_some()
            || self.tokens_per_day.is_some()
            || self.cents_per_day.is_some();
        if names_one || self.none || on_exceeded.is_some() {
            return Ok(change);
        }
        Err(Problem::new(Exit::Usage, "nothing is said of what to set")
            .fix("--cents-per-day N, --rpm N, --tpm N, …; --none lifts all"))
    }
}

fn whole(text: &str) -> Result<Limit<i64>, String> {
    if text == "none" {
        return Ok(Limit(None));
    }
    let number = text.parse().ok().filter(|number| (0..=MOST).contains(number));
    number.map(|number| Limit(Some(number))).ok_or_else(|| format!("a whole number from 0 to {MOST}, or none"))
}

fn cents(text: &str) -> Result<Limit<Decimal>, String> {
    if text == "none" {
        return Ok(Limit(None));
    }
    let number: Option<Decimal> = text.parse().ok();
    let fits = |cents: &Decimal| {
        *cents >= Decimal::ZERO && *cents <= Decimal::from(1_000_000_000) && cents.normalize().scale() <= 6
    };
    number
        .filter(fits)
        .map(|cents| Limit(Some(cents)))
        .ok_or_else(|| "cents from 0 to 1000000000 with at most 6 decimals, or none".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_number_or_none_and_never_below_zero() {
        assert_eq!((whole("30"), whole("none"), whole("0")), (Ok(Limit(Some(30))), Ok(Limit(None)), Ok(Limit(Some(0)))));
        assert_eq!(cents("0.25"), Ok(Limit(Some(Decimal::new(25, 2)))));
        for text in ["", "-1", "1.5", "many", "1000000000001"] {
            assert!(whole(text).is_err(), "{text}");
        }
        for text in ["", "-0.1", "0.0000001", "NaN", "1000000001"] {
            assert!(cents(text).is_err(), "{text}");
        }
    }
}
