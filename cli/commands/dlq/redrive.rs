//! `dlq redrive`: runs are put back, one at once, many by an operation that outlives this terminal.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use hellosales_core::id::DeadLetterId;
use hellosales_core::operation::{Kind, Options};
use hellosales_core::queue::redrive::{self, Model, Redrive, Redriven, Start};
use hellosales_core::{OrgId, RunId};
use serde_json::{Value, json};

use super::show::look;
use super::target::Meant;
use crate::Global;
use crate::bulk::BulkArgs;
use crate::commands::ops::follow::{self, Patience};
use crate::commands::ops::launch::{self, Launch};
use crate::filter::FilterArgs;
use crate::operator::Operator;
use crate::output::{Format, Output};
use crate::problem::{Exit, Problem};
use crate::{config, duration};

/// Longer is no model's name.
const MAX_MODEL_CHARS: usize = 200;

/// What it takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Which; or a filter
    ids: Vec<String>,
    #[command(flatten)]
    how: HowArgs,
    /// Another input instead of the one that it was given, as JSON: one dead letter, from the start
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    #[command(flatten)]
    patience: PatienceArgs,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    bulk: BulkArgs,
}

/// How runs begin again.
#[derive(Debug, clap::Args)]
pub(in crate::commands) struct HowArgs {
    /// failed: what is finished stands; start: everything runs again
    #[arg(long, value_name = "failed|start", value_parser = start)]
    pub(in crate::commands) from: Option<Start>,
    /// model=NAME or model=PROVIDER/NAME: who answers this time
    #[arg(long, value_name = "model=M", value_parser = model)]
    pub(in crate::commands) set: Option<String>,
}

/// How long this terminal looks on.
#[derive(Debug, clap::Args)]
pub(in crate::commands) struct PatienceArgs {
    /// Look on until the runs have ended, at most so long, an hour if nothing is said; then exit 124
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "1h", value_parser = duration::parse)]
    wait: Option<Duration>,
    /// Don't look on: it goes on without this terminal
    #[arg(long, conflicts_with = "wait")]
    detach: bool,
}

impl PatienceArgs {
    pub(in crate::commands) const fn read(&self) -> Patience {
        match (self.wait, self.detach) {
            (Some(wait), _) => Patience::AtMost(wait),
            (None, true) => Patience::None,
            (None, false) => Patience::WhileItMoves,
        }
    }
}

fn start(text: &str) -> Result<Start, String> {
    match text {
        "failed" => Ok(Start::Failed),
        "start" => Ok(Start::Start),
        _ => Err(format!("'{text}' is neither failed nor start")),
    }
}

fn model(text: &str) -> Result<String, String> {
    let name = text.strip_prefix("model=").ok_or("only model=NAME can be set")?.trim();
    if name.is_empty() || name.chars().count() > MAX_MODEL_CHARS || name.chars().any(char::is_control) {
        return Err("a model's name is not empty, and on one line".to_owned());
    }
    Ok(name.to_owned())
}

pub(super) async fn run(args: &Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let reason = args.bulk.reason()?;
    let input = args.input.as_deref().map(read_input).transpose()?;
    if input.is_some() && args.how.from == Some(Start::Failed) {
        return Err(Problem::new(Exit::Usage, "an edited input needs --from start").into());
    }
    let operator = Operator::open(global).await?;
    let meant = Meant::read(&args.ids, &args.filter, &args.bulk, (&operator, output)).await?;
    if input.is_some() && !matches!(meant, Meant::One(_)) {
        return Err(Problem::new(Exit::Usage, "an edited input is one dead letter's").fix("name one by its id").into());
    }
    let from = args.how.from.unwrap_or(if input.is_some() { Start::Start } else { Start::Failed });
    if let (Meant::One(letter), false) = (&meant, args.bulk.dry_run) {
        let how = Redrive {
            reason: Some(reason),
            from,
            model: args.how.set.as_deref().map_or(Model::Usual, Model::This),
            input: input.as_ref(),
            stage_timeout_ms: stage_timeout_ms(),
            ..Redrive::new(&operator.actor)
        };
        return one(&operator, *letter, how, (args.patience.read(), output)).await;
    }
    let options = Options { from, model: args.how.set.clone(), notes: None };
    let launch = Launch { kind: Kind::Redrive, options: &options, reason, bulk: &args.bulk };
    let words = meant.words(Kind::Redrive, &args.bulk, &operator).await?;
    launch::launch(&launch, meant.targets(), &words, (&operator, args.patience.read(), output)).await
}

/// `STAGE_TIMEOUT_MS`, as the workers have it.
pub(in crate::commands) fn stage_timeout_ms() -> i32 {
    config::optional("STAGE_TIMEOUT_MS").and_then(|text| text.parse().ok()).unwrap_or(30_000)
}

fn read_input(path: &Path) -> anyhow::Result<Value> {
    let text = std::fs::read(path).with_context(|| format!("{} can't be read", path.display()))?;
    serde_json::from_slice(&text).map_err(|error| {
        Problem::new(Exit::Usage, format!("{} is no JSON: {error}", path.display()))
            .fix("'dlq show ID --payload -o json' shows the input as it is")
            .into()
    })
}

/// One letter's run, at once.
async fn one(
    operator: &Operator,
    letter: DeadLetterId,
    how: Redrive<'_>,
    (patience, output): (Patience, Output),
) -> anyhow::Result<ExitCode> {
    let found = look(&operator.db, letter, None).await.map_err(|error| operator.fault(error))?;
    let Some((found, _)) = found else {
        return Err(Problem::new(Exit::NothingMatched, format!("there is no dead letter {letter}")).into());
    };
    let how = Redrive { generation: Some(found.generation), ..how };
    let generation = put_back(operator, found.org_id, found.pipeline_run_id, &how).await?;
    follow::run(operator, found.pipeline_run_id, generation, (patience, output)).await
}

/// Redrives a run, and says which life it lives now. What can't be redriven is exit 5.
pub(in crate::commands) async fn put_back(
    operator: &Operator,
    org: OrgId,
    run: RunId,
    how: &Redrive<'_>,
) -> anyhow::Result<i32> {
    let (redriven, _) = redrive::redrive(&operator.db, org, run, how).await.map_err(|error| operator.fault(error))?;
    let wrong = |what: String| Err(Problem::new(Exit::WrongState, what).into());
    match redriven {
        Redriven::Resumed { generation } | Redriven::Restarted { generation } => Ok(generation),
        Redriven::InvalidState(status) => {
            wrong(format!("the run {run} was redriven, or is not failed: it is {status}"))
        }
        Redriven::Refused(redrive::Refusal::Input(fault)) => {
            Err(Problem::new(Exit::Usage, format!("the edited input can't be used: {fault}")).into())
        }
        Redriven::Refused(refusal) => wrong(refusal.to_string()),
        Redriven::NotFound => wrong(format!("the run {run} was pruned")),
    }
}

/// A run that was put back, for people and for programs.
pub(in crate::commands) fn tell(run: RunId, generation: i32, status: &str, output: Output) -> anyhow::Result<()> {
    match output.format {
        Format::Table | Format::Wide | Format::Csv => {
            Ok(output.data(format!("run {run}  generation {generation}  {status}"))?)
        }
        Format::Json | Format::Jsonl => {
            output.json(&json!({"run_id": run, "generation": generation, "status": status}))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_model_can_be_set_and_it_has_a_name() {
        assert_eq!(model("model=llama-3.3-70b"), Ok("llama-3.3-70b".to_owned()));
        assert_eq!(model("model=groq/llama"), Ok("groq/llama".to_owned()));
        for text in ["", "model=", "model= ", "temperature=1", "model=a\nb"] {
            assert!(model(text).is_err(), "{text}");
        }
        assert!(start("failed").is_ok() && start("start").is_ok() && start("llm").is_err());
    }
}
