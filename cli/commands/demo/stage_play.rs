//! The three turns that the demo plays, and what must be true after each.

use std::time::Duration;

use anyhow::{Context, ensure};
use hellosales_core::{Database, RunId, timeline as record};
use serde_json::json;
use tokio::time::timeout;
use uuid::Uuid;

use super::control::Control;
use crate::client::{Api, Event, Follow, Run};
use crate::output::{Output, Paint};
use crate::stack::Stack;
use crate::timeline::picture;

/// No turn takes longer here.
const PATIENCE: Duration = Duration::from_secs(60);
/// A sentence is under way after so many tokens.
const MID_SENTENCE: u32 = 14;
/// So many pieces of text are heard before the third turn is stopped.
const HEARD: usize = 10;

/// Where the turns are played.
pub(super) struct Stage {
    api: Api,
    operator: Database,
    session: Uuid,
    control: Control,
    /// The workers as they were at the beginning: one of them is killed.
    workers: Vec<u32>,
    output: Output,
}

impl Stage {
    pub(super) fn new(
        api: Api,
        operator: Database,
        session: Uuid,
        stack: &Stack,
        output: Output,
    ) -> anyhow::Result<Self> {
        let control = Control::new(&stack.simulator_url)?;
        let workers = stack.workers.iter().filter_map(|worker| Some(worker.process()?.pid)).collect();
        Ok(Self { api, operator, session, control, workers, output })
    }

    /// (1) A turn: its tokens as they stream, and its timeline.
    pub(super) async fn a_turn(&self) -> anyhow::Result<()> {
        self.head("1  A turn, durable from HTTP to the last token");
        let (run, mut follow) = self.say("Write an opening for my first call with Ana.").await?;
        let end = self.listen(&mut follow).await?;
        ensure!(end.status == "completed", "the first turn ended {}{}", end.status, reason(&end));
        self.show_timeline(run).await?;
        self.sum_up(&end);
        Ok(())
    }

    /// (2) A turn whose worker is killed in mid-sentence.
    pub(super) async fn a_killed_worker(&self, stack: &mut Stack) -> anyhow::Result<()> {
        self.head("2  The worker is killed (SIGKILL) in mid-sentence");
        self.control.hold(MID_SENTENCE, Some(1)).await?;
        let (run, mut follow) =
            self.say("She says: we tried a tool last year, and nobody used it. What do I answer?").await?;
        self.listen_until_held(&mut follow).await?;
        let holder = record::holder(&self.operator, RunId::from(run)).await?;
        let holder = holder.context("nobody holds the step of the second turn")?;
        let pid = u32::try_from(holder.pid)?;
        let name = self.worker_name(Some(holder.pid));
        stack.kill_worker(pid).await?;
        self.note(
            Paint::Red,
            &format!("\n   ✗ {name} (pid {pid}) is killed; its lease ends in 2 s, another takes over\n"),
        );
        self.control.release().await?;
        let end = self.listen(&mut follow).await?;
        ensure!(end.status == "completed", "the second turn ended {}{}", end.status, reason(&end));
        self.show_timeline(run).await?;
        let traces = record::traces(&self.operator, RunId::from(run)).await?;
        ensure!(traces.answers == 1, "{} answers are stored, and not one", traces.answers);
        ensure!(traces.calls == 2, "{} calls are in the ledger, and not two", traces.calls);
        self.note(Paint::Green, "   ✓ finished by the other worker: one answer stored, two calls in the ledger");
        Ok(())
    }

    /// (3) A turn stopped while it streams.
    pub(super) async fn a_stopped_turn(&self) -> anyhow::Result<()> {
        self.head("3  A turn is stopped while it streams");
        self.control.set(&json!({"token_delay_ms": 60, "requests": 1})).await?;
        let (run, mut follow) = self.say("Now write a long follow-up email, with every detail.").await?;
        let mut heard = 0;
        while heard < HEARD {
            match self.next(&mut follow).await? {
                Event::Ended(end) => anyhow::bail!("the third turn ended {} before it was stopped", end.status),
                event => heard += usize::from(self.hear(&event)),
            }
        }
        self.api.cancel(run).await?;
        let end = self.listen(&mut follow).await?;
        ensure!(end.status == "cancelled", "the stopped turn ended {}", end.status);
        let kept = self.api.history(self.session).await?.pop().context("the session has no history")?;
        let words = kept.content.unwrap_or_default().split_whitespace().count();
        ensure!(kept.role == "assistant" && kept.status == "partial" && words > 0, "the partial text was not kept");
        self.note(
            Paint::Green,
            &format!("   ✓ stopped; the {words} words that were said are kept, as a partial answer"),
        );
        self.control.release().await
    }

    async fn say(&self, message: &str) -> anyhow::Result<(Uuid, Follow)> {
        self.output.say(format!("   {} {message}", self.output.paint(Paint::Bold, "Dana:")));
        let run = self.api.say(self.session, message).await?;
        self.output.say_part(&format!("   {} ", self.output.paint(Paint::Bold, "HelloSales:")));
        Ok((run.id, self.api.follow(run.id)))
    }

    async fn next(&self, follow: &mut Follow) -> anyhow::Result<Event> {
        let event = timeout(PATIENCE, follow.next()).await.context("the turn takes longer than a minute")??;
        event.context("the stream ended without an end")
    }

    /// Shows what streams until the run has ended.
    async fn listen(&self, follow: &mut Follow) -> anyhow::Result<Run> {
        loop {
            let event = self.next(follow).await?;
            self.hear(&event);
            if let Event::Ended(run) = event {
                self.output.say("\n");
                return Ok(*run);
            }
        }
    }

    /// Shows what streams until the model holds its breath and all that it said has arrived.
    async fn listen_until_held(&self, follow: &mut Follow) -> anyhow::Result<()> {
        let held = self.control.await_held(1);
        tokio::pin!(held);
        loop {
            tokio::select! {
                event = self.next(follow) => match event? {
                    Event::Ended(end) => anyhow::bail!("the second turn ended {} before its worker was killed", end.status),
                    event => drop(self.hear(&event)),
                },
                held = &mut held => {
                    held?;
                    break;
                }
            }
        }
        while let Ok(event) = timeout(Duration::from_millis(400), self.next(follow)).await {
            self.hear(&event?);
        }
        Ok(())
    }

    /// Shows an event; tells whether it was text.
    fn hear(&self, event: &Event) -> bool {
        match event {
            Event::Delta { text, .. } => self.output.say_part(&text.replace('\n', "\n   ")),
            Event::Snapshot(said) => said.iter().for_each(|(_, text)| self.output.say_part(text)),
            Event::Reset(_) => self.output.say_part("\n   ↺ the text begins anew: "),
            Event::Waiting(why) => self.output.say_part(&format!("[waits: {why}] ")),
            Event::Started { .. } | Event::Ended(_) => {}
        }
        matches!(event, Event::Delta { .. })
    }

    async fn show_timeline(&self, run: Uuid) -> anyhow::Result<()> {
        let attempts = record::attempts(&self.operator, RunId::from(run)).await?;
        for line in picture(&attempts, |pid| self.worker_name(pid), self.output) {
            self.output.say(line);
        }
        Ok(())
    }

    fn sum_up(&self, run: &Run) {
        let text = |value: Option<i64>| value.map_or_else(|| "?".to_owned(), |value| value.to_string());
        let cost = run.usage.cost_cents.map_or_else(|| "?".to_owned(), |cost| format!("{cost:.6}"));
        let (provider, model) =
            (run.usage.provider.as_deref().unwrap_or("?"), run.usage.model.as_deref().unwrap_or("?"));
        let (first, total, tokens) = (text(run.timing.ttft_ms), text(run.timing.total_ms), text(run.usage.tokens_out));
        self.note(
            Paint::Green,
            &format!(
                "   ✓ {provider}/{model}\n     first token {first} ms, {tokens} tokens, {total} ms in all, {cost} cents"
            ),
        );
    }

    /// `worker 2`, or its process if it is none of this stack's.
    fn worker_name(&self, pid: Option<i32>) -> String {
        let Some(pid) = pid.and_then(|pid| u32::try_from(pid).ok()) else { return "?".to_owned() };
        let number = self.workers.iter().position(|worker| *worker == pid);
        number.map_or_else(|| format!("pid {pid}"), |number| format!("worker {}", number + 1))
    }

    fn head(&self, text: &str) {
        self.output.say(format!("\n{}", self.output.paint(Paint::Bold, text)));
    }

    fn note(&self, paint: Paint, text: &str) {
        self.output.say(self.output.paint(paint, text));
    }
}

fn reason(run: &Run) -> String {
    run.error.as_ref().map_or_else(String::new, |error| format!(": {}: {}", error.code, error.message))
}
