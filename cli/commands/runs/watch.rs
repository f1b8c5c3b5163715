//! `runs watch`: a run's events and its status, read in the database until it ends. The run doesn't know that anybody looks.

use std::process::ExitCode;
use std::time::Duration;

use hellosales_core::id::RunId;
use hellosales_core::pulse::run_list::ListedRun;
use hellosales_core::stream::read::{self, StreamRow};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use super::list::COLUMNS;
use crate::Global;
use crate::list::List;
use crate::operator::Operator;
use crate::output::{Format, Output, Paint, this_program};
use crate::problem::Exit;

/// How often the database is asked.
const EVERY: Duration = Duration::from_millis(250);
/// So many events are read at a time.
const EVENTS: i64 = 500;

/// What it takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Its id, or the first 8 characters of it
    #[arg(value_name = "ID")]
    id: String,
    /// Only events after this one
    #[arg(long, value_name = "SEQ", default_value_t = 0, value_parser = clap::value_parser!(i64).range(0..))]
    after: i64,
}

pub(super) async fn run(args: &Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let operator = Operator::open(global).await?;
    let id = super::find(&operator, &args.id).await?.id;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut watch = Watch { after: args.after, said: None, output };
    loop {
        let ended = tokio::select! {
            ended = watch.look(&operator, id) => ended?,
            _ = interrupt.recv() => return Ok(left(&watch, id, output)),
        };
        if let Some(run) = ended {
            return watch.end(&run, global);
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = interrupt.recv() => return Ok(left(&watch, id, output)),
        }
    }
}

fn left(watch: &Watch, id: RunId, output: Output) -> ExitCode {
    let after = watch.after;
    output.say(format!("\nthe run goes on; come back: {} runs watch {id} --after {after}", this_program()));
    Exit::Interrupted.into()
}

/// How far it was seen.
struct Watch {
    after: i64,
    said: Option<String>,
    output: Output,
}

impl Watch {
    /// Shows what is new; gives the run once it has ended and all of it was shown.
    async fn look(&mut self, operator: &Operator, id: RunId) -> anyhow::Result<Option<ListedRun>> {
        // The run first: what it says was written before, so that no event is missed at its end.
        let run = super::find(operator, &id.to_string()).await?;
        loop {
            let events = read::after(&operator.db, &[(id, self.after)], EVENTS).await;
            let events = events.map_err(|error| operator.fault(error))?;
            let Some(last) = events.last() else { break };
            self.after = last.seq;
            events.iter().try_for_each(|event| self.event(event))?;
        }
        self.status(&run)?;
        Ok(run.completed_at.is_some().then_some(run))
    }

    fn event(&self, event: &StreamRow) -> anyhow::Result<()> {
        if self.is_for_programs() {
            return self.output.json(&json!({"seq": event.seq, "event": event.event, "data": event.data}));
        }
        let text = |key: &str| event.data.get(key).and_then(Value::as_str).unwrap_or_default();
        match event.event.as_str() {
            "output.delta" => Ok(self.output.data_part(&printable(text("delta")))?),
            name => {
                let of = [text("stage"), text("status"), text("reason")].join(" ");
                self.output
                    .say(self.output.paint(Paint::Dim, format!("\n{} {name} {}", event.seq, of.trim()).trim_end()));
                Ok(())
            }
        }
    }

    /// Says how it stands, when that is new.
    fn status(&mut self, run: &ListedRun) -> anyhow::Result<()> {
        let stage = run.stage.as_deref().map(|stage| format!(" at {stage}")).unwrap_or_default();
        let step = run.step_status.as_deref().map(|step| format!(" ({step})")).unwrap_or_default();
        let line = format!("{}{stage}{step}", run.status);
        if self.said.as_ref() != Some(&line) {
            if self.is_for_programs() {
                let (status, stage, step) = (&run.status, &run.stage, &run.step_status);
                self.output
                    .json(&json!({"event": "run.status", "status": status, "stage": stage, "step_status": step}))?;
            } else {
                self.output.say(self.output.paint(Paint::Dim, &line));
            }
            self.said = Some(line);
        }
        Ok(())
    }

    fn end(&self, run: &ListedRun, global: &Global) -> anyhow::Result<ExitCode> {
        if self.is_for_programs() {
            let list = List::of_one(COLUMNS, global, self.output)?;
            self.output.json(&json!({"event": format!("run.{}", run.status), "run": list.object(run)}))?;
        } else {
            let error = run.error_code.as_deref().map(|code| format!(": {code}")).unwrap_or_default();
            self.output.data(format!("\nrun {}: {}{error}", run.id, run.status))?;
        }
        Ok(if run.status == "completed" { ExitCode::SUCCESS } else { Exit::Failed.into() })
    }

    const fn is_for_programs(&self) -> bool {
        matches!(self.output.format, Format::Json | Format::Jsonl)
    }
}

/// Text as it streams: lines stay lines, and nothing controls the terminal.
fn printable(text: &str) -> String {
    text.chars().filter(|c| *c == '\n' || !c.is_control()).collect()
}
