//! `hellosales steps`: the queue's rows. A subcommand a file.

mod list;
mod release;

use std::process::ExitCode;

use hellosales_core::pulse::filter::Filter;
use hellosales_core::pulse::prefix::Noun;
use hellosales_core::pulse::step_list::{self, ListedStep, StepFilter};

use crate::Global;
use crate::operator::Operator;
use crate::output::Output;
use crate::problem::{Exit, Problem};

/// What it takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Steps by a filter of their runs, the newest first
    List(Box<list::Args>),
    /// One step
    Show(One),
    /// Take a running step back from its worker, or let a delayed one begin now
    Release(release::Args),
}

/// One step.
#[derive(Debug, clap::Args)]
struct One {
    /// Its run's id, or the first 8 characters of it, and its stage: 0199f2ab/llm
    #[arg(value_name = "RUN/STAGE")]
    id: String,
}

pub(crate) async fn run(args: Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::List(args) => list::run(&args, global, output).await,
        Command::Show(args) => list::show(&args, global, output).await,
        Command::Release(args) => release::run(&args, global, output).await,
    }
}

impl One {
    /// The step that is meant. A run alone means its step, if it has one only that is not over.
    async fn find(&self, operator: &Operator) -> anyhow::Result<ListedStep> {
        let (run, stage) = match self.id.split_once('/') {
            Some((run, stage)) => (run, Some(stage)),
            None => (self.id.as_str(), None),
        };
        let run_id = operator.id(Noun::Run, run).await?;
        let filter = Filter { run_id: Some(run_id.into()), ..Filter::default() };
        let steps = StepFilter { ascending: true, ..StepFilter::default() };
        let all = step_list::list(&operator.db, &filter, &steps, 64).await.map_err(|error| operator.fault(error))?;
        let is_open = |step: &&ListedStep| !matches!(step.status.as_str(), "completed" | "skipped");
        let mut found: Vec<&ListedStep> = match stage {
            Some(stage) => all.iter().filter(|step| step.stage_name() == stage).collect(),
            None => all.iter().filter(is_open).collect(),
        };
        match (found.pop(), found.is_empty()) {
            (Some(step), true) => Ok(step.clone()),
            (None, _) => {
                let what = stage.map_or_else(
                    || format!("run {run_id} has no step"),
                    |stage| format!("run {run_id} has no step {stage}"),
                );
                Err(Problem::new(Exit::NothingMatched, what).fix("steps of runs that have ended well are gone").into())
            }
            (Some(_), false) => {
                let names: Vec<String> = all.iter().map(|step| format!("{run_id}/{}", step.stage_name())).collect();
                Err(Problem::new(Exit::Usage, format!("run {run_id} has more than one step"))
                    .fix(format!("name the stage:\n{}", names.join("\n")))
                    .into())
            }
        }
    }
}
