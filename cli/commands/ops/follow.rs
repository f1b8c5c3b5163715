//! Looking on: at an operation until it and the runs that it redrove have ended, or at one run. This terminal is nobody: the
//! workers carry an operation out; only where none is alive is it carried out from here.

use std::process::ExitCode;
use std::time::Duration;

use hellosales_core::id::{OperationId, RunId, WorkerId};
use hellosales_core::operation::execute::{self, Advanced, Means};
use hellosales_core::operation::read::{self, Ends, Operation};
use hellosales_core::operation::{Kind, OperationStatus};
use hellosales_core::pulse::prefix::Noun;
use hellosales_core::pulse::standing::{self, Standing};
use hellosales_core::queue::lease;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::list::COLUMNS;
use crate::Global;
use crate::bulk::thousands;
use crate::commands::dlq::redrive::{PatienceArgs, stage_timeout_ms, tell};
use crate::list::List;
use crate::operator::Operator;
use crate::output::{Format, Output, this_program};
use crate::problem::{Exit, Problem};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(300);
const HOLD_MS: i64 = 2_000;

/// How long somebody looks on.
#[derive(Debug, Clone, Copy)]
pub(in crate::commands) enum Patience {
    /// Not at all.
    None,
    /// As long as somebody is there who carries it on.
    WhileItMoves,
    /// So long, whoever is there.
    AtMost(Duration),
}

/// What it takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Which, or the first characters of its id
    id: String,
    #[command(flatten)]
    patience: PatienceArgs,
}

pub(super) async fn watch(args: &Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let operator = Operator::open(global).await?;
    let id = OperationId::from(operator.id(Noun::Operation, &args.id).await?);
    operation(&operator, id, (args.patience.read(), output)).await
}

/// Looks on at an operation, and says how it ended.
pub(in crate::commands) async fn operation(
    operator: &Operator,
    id: OperationId,
    (patience, output): (Patience, Output),
) -> anyhow::Result<ExitCode> {
    let looking = until_ended(operator, id, (patience, output));
    let (op, ends, ran_out) = tokio::select! {
        looked = looking => looked?,
        _ = tokio::signal::ctrl_c() => {
            output.say(format!("the operation goes on; come back: {} ops watch {id}", this_program()));
            return Ok(Exit::Interrupted.into());
        }
    };
    show(&op, &ends, output)?;
    if ran_out {
        output.say(format!("it goes on; come back: {} ops watch {id}", this_program()));
    }
    Ok(exit(&op, &ends, ran_out, patience))
}

async fn until_ended(
    operator: &Operator,
    id: OperationId,
    (patience, output): (Patience, Output),
) -> anyhow::Result<(Operation, Ends, bool)> {
    let began = Instant::now();
    let me = WorkerId::new();
    let (mut told, mut said_alone) = (String::new(), false);
    loop {
        let found = read::look(&operator.db, id).await.map_err(|error| operator.fault(error))?;
        let (op, ends) =
            found.ok_or_else(|| Problem::new(Exit::NothingMatched, format!("there is no operation {id}")))?;
        if op.ended_at.is_some() && ends.live == 0 {
            return Ok((op, ends, false));
        }
        let now = line(&op, &ends);
        if output.shows_progress() && now != told {
            output.say(&now);
            told = now;
        }
        let alone = standing::workers(&operator.db).await.map_err(|error| operator.fault(error))? == 0;
        let ran_out = match patience {
            Patience::None => !alone || op.ended_at.is_some(),
            Patience::WhileItMoves => alone && op.ended_at.is_some(),
            Patience::AtMost(most) => began.elapsed() >= most,
        };
        if ran_out {
            return Ok((op, ends, true));
        }
        if alone {
            if !said_alone {
                output.say("no worker is alive: it is carried out from here, and its runs wait for one");
                said_alone = true;
            }
            carry_out(operator, me).await?;
        }
        if !alone || op.ended_at.is_some() {
            sleep(LOOK).await;
        }
    }
}

/// Carries operations on for a moment, if nobody else does.
async fn carry_out(operator: &Operator, me: WorkerId) -> anyhow::Result<()> {
    let held = lease::hold_duty(operator.db.fast(), "operations", me, HOLD_MS).await;
    if !held.map_err(|error| operator.fault(error))? {
        sleep(LOOK).await;
        return Ok(());
    }
    let means = Means { stage_timeout_ms: stage_timeout_ms(), ..Means::default() };
    let began = Instant::now();
    while began.elapsed() < LOOK {
        let (advanced, wakes) = execute::advance(&operator.db, &means).await.map_err(|error| operator.fault(error))?;
        operator.wake(wakes).await;
        match advanced {
            Advanced::Idle(Some(rest)) => sleep(rest.min(LOOK)).await,
            Advanced::Idle(None) | Advanced::Ended(..) => return Ok(()),
            Advanced::Moved(_) => {}
        }
    }
    Ok(())
}

/// `op 0199f2…  canary 3/3 ok · 34/34 redriven · 33 completed · 1 failed again`.
pub(super) fn line(op: &Operation, ends: &Ends) -> String {
    let mut parts = Vec::new();
    if op.canary > 0 {
        let first = op.canary.min(op.total);
        parts.push(format!("canary {}/{first} ok", ends.canary_completed));
    }
    parts.push(format!("{}/{} {}", thousands(op.ok.into()), thousands(op.total.into()), done(&op.kind)));
    let mut count = |n: i64, word: &str| {
        if n > 0 {
            parts.push(format!("{} {word}", thousands(n)));
        }
    };
    count(op.failed.into(), "refused");
    count(ends.live, "on their way");
    count(ends.completed, "completed");
    count(ends.failed, "failed again");
    count(ends.cancelled, "cancelled");
    count(ends.unknown, "pruned since");
    match (op.status.as_str(), &op.status_reason) {
        ("aborted", _) => parts.push("aborted".to_owned()),
        ("failed", Some(why)) => parts.push(format!("stopped: {why}")),
        _ => {}
    }
    format!("op {}  {}", op.id, parts.join(" · "))
}

fn done(kind: &str) -> &'static str {
    match Kind::parse(kind) {
        Ok(Kind::Redrive) => "redriven",
        Ok(Kind::Cancel) => "cancelled",
        Ok(Kind::Investigate) => "investigated",
        Ok(Kind::Resolve) => "resolved",
        Ok(Kind::Abandon) => "abandoned",
        Ok(Kind::Reopen) => "reopened",
        Err(_) => "done",
    }
}

pub(super) fn ends_json(ends: &Ends) -> Value {
    json!({"live": ends.live, "completed": ends.completed, "failed": ends.failed, "cancelled": ends.cancelled, "unknown": ends.unknown})
}

fn show(op: &Operation, ends: &Ends, output: Output) -> anyhow::Result<()> {
    match output.format {
        Format::Table | Format::Wide | Format::Csv => Ok(output.data(line(op, ends))?),
        Format::Json | Format::Jsonl => {
            let mut object = List::all(COLUMNS, output).object(op);
            if let Value::Object(members) = &mut object {
                members.insert("runs".to_owned(), ends_json(ends));
            }
            output.json(&object)
        }
    }
}

/// Done, some failed, nothing could be done, or the time ran out.
fn exit(op: &Operation, ends: &Ends, ran_out: bool, patience: Patience) -> ExitCode {
    let some_failed = op.failed > 0 || ends.failed > 0 || ends.cancelled > 0;
    if ran_out {
        return match patience {
            Patience::AtMost(_) => Exit::TimedOut.into(),
            Patience::None | Patience::WhileItMoves => ExitCode::SUCCESS,
        };
    }
    if op.status == OperationStatus::Done.as_str() && op.failed == op.total {
        return Exit::WrongState.into();
    }
    if some_failed || op.status != OperationStatus::Done.as_str() {
        return Exit::SomeFailed.into();
    }
    ExitCode::SUCCESS
}

/// Looks on at a run that was put back, and says how that life ended.
pub(in crate::commands) async fn run(
    operator: &Operator,
    run: RunId,
    generation: i32,
    (patience, output): (Patience, Output),
) -> anyhow::Result<ExitCode> {
    let looking = until_run_ended(operator, run, generation, patience);
    let (status, ran_out) = tokio::select! {
        looked = looking => looked?,
        _ = tokio::signal::ctrl_c() => return Ok(Exit::Interrupted.into()),
    };
    tell(run, generation, &status, output)?;
    Ok(match (ran_out, status.as_str(), patience) {
        (true, _, Patience::AtMost(_)) => Exit::TimedOut.into(),
        (true, ..) | (false, "completed", _) => ExitCode::SUCCESS,
        (false, ..) => Exit::SomeFailed.into(),
    })
}

async fn until_run_ended(
    operator: &Operator,
    run: RunId,
    generation: i32,
    patience: Patience,
) -> anyhow::Result<(String, bool)> {
    let began = Instant::now();
    loop {
        let standing = standing::run(&operator.db, run, generation).await.map_err(|error| operator.fault(error))?;
        let status = match standing {
            Standing::Live(status) => status,
            Standing::Ended(status) => return Ok((status, false)),
            Standing::Gone => return Ok(("pruned".to_owned(), false)),
        };
        let ran_out = match patience {
            Patience::None => true,
            Patience::WhileItMoves => {
                standing::workers(&operator.db).await.map_err(|error| operator.fault(error))? == 0
            }
            Patience::AtMost(most) => began.elapsed() >= most,
        };
        if ran_out {
            return Ok((status, true));
        }
        sleep(LOOK).await;
    }
}
