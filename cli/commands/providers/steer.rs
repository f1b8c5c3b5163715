//! `providers trip` and `providers reset`.

use std::process::ExitCode;
use std::time::Duration;

use hellosales_core::breaker::{self, Key, Order, Which};

use crate::Global;
use crate::bulk::{Reason, confirm};
use crate::duration;
use crate::operator::Operator;
use crate::output::{Format, Output};
use crate::problem::{Exit, Problem};

/// What trip takes.
#[derive(Debug, clap::Args)]
pub(super) struct TripArgs {
    /// The provider, as the ledger calls it: groq
    #[arg(value_name = "NAME")]
    name: String,
    /// One of its models only
    #[arg(long, value_name = "M")]
    model: Option<String>,
    /// Then a call sees whether it answers; without it nobody calls before it is reset
    #[arg(long = "for", value_name = "30m", value_parser = duration::parse)]
    within: Option<Duration>,
    #[command(flatten)]
    reason: Reason,
    /// Don't ask
    #[arg(short, long)]
    yes: bool,
}

/// What reset takes.
#[derive(Debug, clap::Args)]
pub(super) struct ResetArgs {
    /// The provider, as the ledger calls it: groq
    #[arg(value_name = "NAME")]
    name: String,
    /// One of its models only
    #[arg(long, value_name = "M")]
    model: Option<String>,
    #[command(flatten)]
    reason: Reason,
}

pub(super) async fn trip(args: &TripArgs, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let operator = Operator::open(global).await?;
    let which = Which { provider: args.name.clone(), model: args.model.clone() };
    let found = breaker::find(&operator.db, &which).await.map_err(|error| operator.fault(error))?;
    if found.is_empty() {
        return Err(unknown(&which));
    }
    let until = match args.within {
        Some(within) => Some(operator.now().await? + chrono::Duration::from_std(within)?),
        None => None,
    };
    let how_long = until.map_or("until it is reset".to_owned(), |until| format!("until {}", until.format("%FT%TZ")));
    confirm(&format!("Nobody calls {} {how_long}: what would, waits.", said(&which)), args.yes, output)?;
    let order = Order { actor: operator.actor.clone(), reason: args.reason.reason.clone() };
    let tripped = breaker::trip(&operator.db, &which, &order, until).await.map_err(|error| operator.fault(error))?;
    tell(&tripped, "tripped", output)
}

pub(super) async fn reset(args: &ResetArgs, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let operator = Operator::open(global).await?;
    let which = Which { provider: args.name.clone(), model: args.model.clone() };
    if breaker::find(&operator.db, &which).await.map_err(|error| operator.fault(error))?.is_empty() {
        return Err(unknown(&which));
    }
    let order = Order { actor: operator.actor.clone(), reason: args.reason.reason.clone() };
    let reset = breaker::reset(&operator.db, &which, &order).await.map_err(|error| operator.fault(error))?;
    if reset.is_empty() {
        return Err(Problem::new(Exit::WrongState, format!("no breaker of {} is open", said(&which))).into());
    }
    tell(&reset, "reset", output)
}

fn said(which: &Which) -> String {
    which.model.as_ref().map_or_else(|| which.provider.clone(), |model| format!("{}/{model}", which.provider))
}

fn unknown(which: &Which) -> anyhow::Error {
    Problem::new(Exit::NothingMatched, format!("there is no provider {}", said(which)))
        .fix("hellosales providers list    shows those that a worker may call")
        .into()
}

fn tell(keys: &[Key], done: &str, output: Output) -> anyhow::Result<ExitCode> {
    match output.format {
        Format::Json => output.json(&keys)?,
        Format::Jsonl => keys.iter().try_for_each(|key| output.json(key))?,
        Format::Table | Format::Wide | Format::Csv => {
            for key in keys {
                output.say(format!("{done} {}/{}", key.provider, key.model));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
