//! `queue pause`, `queue resume` and `queue pauses`: what stands still by an operator's word.

use std::process::ExitCode;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use hellosales_core::breaker::{self, Order, Which};
use hellosales_core::notify;
use hellosales_core::queue::pause::{self, Asked, Done, Pause, Scope};
use hellosales_core::run::Lane;

use crate::Global;
use crate::bulk::Reason;
use crate::duration;
use crate::list::{Column, List};
use crate::operator::Operator;
use crate::output::Output;
use crate::problem::{Exit, Problem};

/// So many are shown at most: a pause is an operator's, or a batch's.
const MOST: i64 = 10_000;

static COLUMNS: &[Column<Pause>] = &[
    Column::new("scope", "what", |pause| (&pause.scope).into()),
    Column::new("key", "which", |pause| (&pause.key).into()),
    Column::new("actor", "by", |pause| (&pause.actor).into()),
    Column::new("reason", "why", |pause| (&pause.reason).into()),
    Column::new("created_at", "since", |pause| pause.created_at.into()),
    Column::new("until", "until", |pause| pause.until.into()),
];

/// What stands still: one of them.
#[derive(Debug, clap::Args)]
pub(super) struct Target {
    /// A lane: interactive, standard or bulk
    #[arg(long, value_name = "LANE", value_parser = lane, conflicts_with_all = ["pipeline", "provider", "org"])]
    lane: Option<Lane>,
    /// A pipeline, in all its versions
    #[arg(long, value_name = "NAME", conflicts_with_all = ["provider", "org"])]
    pipeline: Option<String>,
    /// A provider: its breakers are tripped, so that who can goes to another
    #[arg(long, value_name = "NAME", conflicts_with = "org")]
    provider: Option<String>,
}

/// What pause takes. An organisation is named by `--org`.
#[derive(Debug, clap::Args)]
pub(super) struct PauseArgs {
    #[command(flatten)]
    target: Target,
    /// Only for so long: it goes on by itself then
    #[arg(long = "for", value_name = "DURATION", value_parser = span)]
    span: Option<Duration>,
    #[command(flatten)]
    why: Reason,
}

/// What resume takes.
#[derive(Debug, clap::Args)]
pub(super) struct ResumeArgs {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    why: Reason,
}

enum Meant {
    Queue(Scope),
    Provider(String),
}

fn lane(text: &str) -> Result<Lane, String> {
    Lane::parse(text).map_err(|_| format!("'{text}' is no lane: write interactive, standard or bulk"))
}

/// A year is long enough for a pause that ends by itself.
fn span(text: &str) -> Result<Duration, String> {
    let span = duration::parse(text)?;
    if span > Duration::from_secs(366 * 86_400) { Err("a pause lasts a year at most".to_owned()) } else { Ok(span) }
}

impl Target {
    fn read(&self, operator: &Operator) -> Result<Meant, Problem> {
        match (self.lane, &self.pipeline, &self.provider, operator.org) {
            (Some(lane), None, None, None) => Ok(Meant::Queue(Scope::Lane(lane))),
            (None, Some(name), None, None) => Ok(Meant::Queue(Scope::Pipeline(name.clone()))),
            (None, None, Some(name), None) => Ok(Meant::Provider(name.clone())),
            (None, None, None, Some(org)) => Ok(Meant::Queue(Scope::Org(org))),
            _ => Err(Problem::new(Exit::Usage, "one thing is paused or resumed at a time")
                .fix("name it: --lane L, --pipeline P, --org O or --provider P")),
        }
    }
}

pub(super) async fn pause(args: &PauseArgs, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let list = List::of_one(COLUMNS, global, output)?;
    let operator = Operator::open(global).await?;
    let scope = match args.target.read(&operator)? {
        Meant::Queue(scope) => scope,
        Meant::Provider(name) => return trip(&operator, name, args, output).await,
    };
    let for_ms = args.span.map(|span| i64::try_from(span.as_millis()).unwrap_or(i64::MAX));
    let asked = Asked { actor: &operator.actor, reason: &args.why.reason };
    match pause::pause(&operator.db, &scope, asked, for_ms).await.map_err(|error| operator.fault(error))? {
        Done::Now(pause) => {
            output.say(format!("paused: what runs ends, and nothing more of the {} {} begins", pause.scope, pause.key));
            list.show_one(&pause)?;
            Ok(ExitCode::SUCCESS)
        }
        Done::Paused(pause) => Err(stands(&pause).into()),
        Done::NotPaused => Err(Problem::new(Exit::WrongState, "it was resumed just now").fix("type it again").into()),
        Done::Unknown => Err(Problem::new(Exit::NothingMatched, "there is no such pipeline or organisation").into()),
    }
}

fn stands(pause: &Pause) -> Problem {
    let until = pause.until.map(|until| format!(" until {}", until.to_rfc3339())).unwrap_or_default();
    let what = format!("the {} {} is paused{until} by {}: {}", pause.scope, pause.key, pause.actor, pause.reason);
    Problem::new(Exit::WrongState, what).fix("resume it first, if it is to be paused otherwise")
}

pub(super) async fn resume(args: &ResumeArgs, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let list = List::of_one(COLUMNS, global, output)?;
    let operator = Operator::open(global).await?;
    let scope = match args.target.read(&operator)? {
        Meant::Queue(scope) => scope,
        Meant::Provider(name) => return reset(&operator, name, &args.why, output).await,
    };
    let asked = Asked { actor: &operator.actor, reason: &args.why.reason };
    let (done, wakes) = pause::resume(&operator.db, &scope, asked).await.map_err(|error| operator.fault(error))?;
    let Done::Now(pause) = done else {
        return Err(Problem::new(Exit::WrongState, "it is not paused").fix("hellosales queue pauses").into());
    };
    // Whom this doesn't wake looks by itself within a second.
    if let Err(error) = notify::send_once(&operator.db, wakes).await {
        output.say(format!("nobody could be woken: {error}"));
    }
    output.say(format!("resumed: what the {} {} held goes on", pause.scope, pause.key));
    list.show_one(&pause)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn list(global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let list = List::new(COLUMNS, global, output)?;
    let operator = Operator::open(global).await?;
    let mut rows = pause::list(&operator.db, MOST).await.map_err(|error| operator.fault(error))?;
    if let Some(org) = operator.org {
        rows.retain(|pause| pause.key == org.to_string());
    }
    list.show(&rows)
}

async fn trip(operator: &Operator, provider: String, args: &PauseArgs, output: Output) -> anyhow::Result<ExitCode> {
    let until: Option<DateTime<Utc>> = match args.span {
        Some(span) => operator.now().await?.checked_add_signed(TimeDelta::from_std(span)?),
        None => None,
    };
    let which = Which { provider, model: None };
    let order = Order { actor: operator.actor.clone(), reason: args.why.reason.clone() };
    let keys = breaker::trip(&operator.db, &which, &order, until).await.map_err(|error| operator.fault(error))?;
    ended(&which.provider, keys.len(), "tripped", output)
}

async fn reset(operator: &Operator, provider: String, why: &Reason, output: Output) -> anyhow::Result<ExitCode> {
    let which = Which { provider, model: None };
    let order = Order { actor: operator.actor.clone(), reason: why.reason.clone() };
    let keys = breaker::reset(&operator.db, &which, &order).await.map_err(|error| operator.fault(error))?;
    ended(&which.provider, keys.len(), "reset", output)
}

fn ended(provider: &str, count: usize, what: &str, output: Output) -> anyhow::Result<ExitCode> {
    if count == 0 {
        let none = format!("no breaker of {provider} could be {what}");
        return Err(Problem::new(Exit::NothingMatched, none).fix("hellosales providers list").into());
    }
    output.data(format!("{provider}: {count} breakers {what}"))?;
    Ok(ExitCode::SUCCESS)
}
