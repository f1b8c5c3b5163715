//! `dlq investigate | resolve | abandon | reopen`.

use std::process::ExitCode;

use hellosales_core::id::DeadLetterId;
use hellosales_core::operation::{Kind, Options};
use hellosales_core::queue::letter::{self, Changed, Decided, Decision};
use serde_json::json;

use super::show::look;
use super::target::Meant;
use crate::Global;
use crate::bulk::BulkArgs;
use crate::commands::dlq::redrive::PatienceArgs;
use crate::commands::ops::launch::{self, Launch};
use crate::filter::FilterArgs;
use crate::operator::Operator;
use crate::output::{Format, Output};
use crate::problem::{Exit, Problem};

/// What it takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Which; or a filter
    ids: Vec<String>,
    /// What is to be known of it: it is kept with the dead letter
    #[arg(long, value_name = "TEXT", value_parser = note)]
    note: Option<String>,
    #[command(flatten)]
    patience: PatienceArgs,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    bulk: BulkArgs,
}

fn note(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > 2_000 || text.contains('\0') {
        return Err("a note has at most 2,000 characters, and is not empty".to_owned());
    }
    Ok(text.to_owned())
}

const fn kind(decision: Decision) -> Kind {
    match decision {
        Decision::Investigate => Kind::Investigate,
        Decision::Resolve => Kind::Resolve,
        Decision::Abandon => Kind::Abandon,
        Decision::Reopen => Kind::Reopen,
    }
}

pub(super) async fn run(args: &Args, decision: Decision, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let reason = args.bulk.reason.as_deref().or(args.note.as_deref()).ok_or_else(|| {
        Problem::new(Exit::Usage, "why is it done?").fix("--note TEXT    it is kept with the dead letter")
    })?;
    if args.bulk.canary.is_some() {
        return Err(Problem::new(Exit::Usage, "only a redrive has a canary").into());
    }
    let operator = Operator::open(global).await?;
    let meant = Meant::read(&args.ids, &args.filter, &args.bulk, (&operator, output)).await?;
    if let (Meant::One(letter), false) = (&meant, args.bulk.dry_run) {
        let how = Decided {
            decision,
            actor: &operator.actor,
            user: None,
            reason: Some(reason),
            notes: args.note.as_deref(),
            operation: None,
        };
        return one(&operator, *letter, &how, output).await;
    }
    let options = Options { notes: args.note.clone(), ..Options::default() };
    let launch = Launch { kind: kind(decision), options: &options, reason, bulk: &args.bulk };
    let words = meant.words(kind(decision), &args.bulk, &operator).await?;
    launch::launch(&launch, meant.targets(), &words, (&operator, args.patience.read(), output)).await
}

async fn one(operator: &Operator, letter: DeadLetterId, how: &Decided<'_>, output: Output) -> anyhow::Result<ExitCode> {
    let absent = || Problem::new(Exit::NothingMatched, format!("there is no dead letter {letter}"));
    let found = look(&operator.db, letter, None).await.map_err(|error| operator.fault(error))?;
    let (found, _) = found.ok_or_else(absent)?;
    let decided = letter::decide(&operator.db, found.org_id, letter, how).await;
    match decided.map_err(|error| operator.fault(error))?.0 {
        Changed::Now => {}
        Changed::InvalidState(standing) => return Err(Problem::new(Exit::WrongState, standing.to_string()).into()),
        Changed::NotFound => return Err(absent().into()),
    }
    let status = how.decision.status();
    match output.format {
        Format::Table | Format::Wide | Format::Csv => output.data(format!("dead letter {letter}  {status}"))?,
        Format::Json | Format::Jsonl => output.json(&json!({"id": letter, "status": status}))?,
    }
    Ok(ExitCode::SUCCESS)
}
