//! `batch watch`: how far it is, until it ends or waits for somebody. The batch doesn't know that anybody looks.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};
use uuid::Uuid;

use super::show;
use crate::client::{Api, Batch};
use crate::output::{Format, Output, Paint, this_program};
use crate::problem::Exit;

/// Without a terminal a line is said no more often than this.
const SAY_EVERY: Duration = Duration::from_secs(2);

pub(super) async fn run(api: &Api, id: Uuid, output: Output) -> anyhow::Result<ExitCode> {
    let mut feed = api.follow_batch(id);
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut view = View::new(output, "");
    loop {
        let event = tokio::select! {
            event = feed.next() => event?,
            _ = interrupt.recv() => {
                view.close();
                output.say(format!("the batch goes on; come back: {} batch watch {id}", this_program()));
                return Ok(Exit::Interrupted.into());
            }
        };
        let batch = match event {
            Some((_, mut data)) => data.get_mut("batch").map(Value::take),
            // The end was told before, or is long past.
            None => Some(api.get(&format!("/email-batches/{id}")).await?),
        };
        let Some(data) = batch else { continue };
        let batch = Batch::deserialize(&data)?;
        if is_for_programs(output) {
            output.json(&data)?;
        } else {
            view.show(&batch);
        }
        if let Some(exit) = exit(&batch) {
            view.end(&batch)?;
            return Ok(exit);
        }
    }
}

/// How the command ends, if the batch has ended or waits for somebody.
fn exit(batch: &Batch) -> Option<ExitCode> {
    match (batch.status.as_str(), batch.outcome.as_deref()) {
        ("completed", Some("all_succeeded") | None) | ("awaiting_approval", _) => Some(ExitCode::SUCCESS),
        ("completed", _) => Some(Exit::SomeFailed.into()),
        ("cancelled", _) => Some(Exit::Failed.into()),
        ("paused", _) if show::waits_for_budget(batch) => Some(Exit::Failed.into()),
        _ => None,
    }
}

/// What is seen of it.
pub(in crate::commands) struct View {
    output: Output,
    indent: &'static str,
    bar: Option<ProgressBar>,
    said: Option<(Instant, String)>,
}

impl View {
    /// A bar at a terminal, else lines, behind an indent.
    pub(in crate::commands) fn new(output: Output, indent: &'static str) -> Self {
        let is_seen = output.shows_progress() && output.format == Format::Table && std::io::stderr().is_terminal();
        // The words have a line of their own: beside a bar they are cut at 80 columns.
        let style = ProgressStyle::with_template(&format!("{indent}{{bar:40}} {{pos}}/{{len}}\n{indent}{{wide_msg}}"));
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        Self { output, indent, bar: is_seen.then(|| ProgressBar::no_length().with_style(style)), said: None }
    }

    /// How far it is now.
    pub(in crate::commands) fn show(&mut self, batch: &Batch) {
        let line = show::line(batch);
        if let Some(bar) = &self.bar {
            bar.set_message(line);
            bar.set_length(batch.counts.total);
            bar.set_position(batch.counts.done());
            return;
        }
        let is_due = self.said.as_ref().is_none_or(|(at, said)| at.elapsed() >= SAY_EVERY && *said != line);
        if is_due {
            self.output.say(format!("{}{line}", self.indent));
            self.said = Some((Instant::now(), line));
        }
    }

    fn close(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// Takes the bar away, and says how far it is in the end.
    pub(in crate::commands) fn last(&self, batch: &Batch) {
        self.close();
        self.output.say(format!("{}{}", self.indent, show::line(batch)));
    }

    fn end(&self, batch: &Batch) -> anyhow::Result<()> {
        self.close();
        if !is_for_programs(self.output) {
            self.output.data(format!("batch {}: {}", batch.id, show::line(batch)))?;
        }
        if let Some(next) = show::next(batch) {
            self.output.say(self.output.paint(Paint::Dim, &next));
        }
        Ok(())
    }
}

const fn is_for_programs(output: Output) -> bool {
    matches!(output.format, Format::Json | Format::Jsonl)
}
