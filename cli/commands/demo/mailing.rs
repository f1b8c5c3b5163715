//! Emails for a list of clients: a file, an estimate, a sample, a yes, and a worker killed in the middle of it.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use anyhow::{Context, ensure};
use hellosales_core::{Database, OrgId, RunId, timeline as record};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;
use uuid::Uuid;

use super::control::Control;
use super::letter;
use crate::client::{Api, Batch, Item, Warning};
use crate::commands::batch::{Estimate, View, ask_estimate};
use crate::commands::clients::Import;
use crate::output::{Output, Paint};
use crate::seed;
use crate::stack::Stack;
use crate::upload::Upload;

/// The file, as `clients import` would send it.
const FILE: &[u8] = include_bytes!("clients.csv");
/// So many clients are in it.
const CLIENTS: usize = 25;
/// So many emails are the sample.
const SAMPLE: usize = 3;
/// An email is half-written after so many tokens.
const MID_SENTENCE: u32 = 40;
/// The worker is killed once so many emails are half-written.
const HALF_WRITTEN: u64 = 6;
/// Nothing takes longer here.
const PATIENCE: Duration = Duration::from_secs(90);

/// Where the emails are written.
pub(super) struct Mailing {
    api: Api,
    operator: Database,
    org: OrgId,
    control: Control,
    output: Output,
}

/// An email that somebody finds in their list.
#[derive(Debug, Deserialize)]
struct Listed {
    id: Uuid,
    client_id: Option<Uuid>,
}

impl Mailing {
    pub(super) fn new(api: Api, operator: Database, org: OrgId, stack: &Stack, output: Output) -> anyhow::Result<Self> {
        let control = Control::new(&stack.simulator_url)?;
        Ok(Self { api, operator, org, control, output })
    }

    /// (4) Clients come in from a file, and what a batch of emails to them would be.
    pub(super) async fn a_file(&self) -> anyhow::Result<(Value, Estimate)> {
        self.head("4  25 clients come in from a file");
        let answer: Value = self.api.upload("/clients/import", "text/csv", Upload::of_bytes(FILE, self.output)).await?;
        let import = Import::deserialize(&answer)?;
        self.note(Paint::Green, &format!("   ✓ clients.csv: {}", import.line()));
        ensure!(
            import.rejected == 0 && usize::try_from(import.taken()) == Ok(CLIENTS),
            "not all {CLIENTS} clients came in"
        );
        let order = json!({
            "name": "Demo: a pilot for everyone",
            "import_id": import.import_id,
            "product_id": seed::product_id(self.org, 0),
            "email_type": "cold_outreach",
            "instructions": "Offer the free pilot.",
            "sample": SAMPLE,
        });
        let (_, estimate) = ask_estimate(&self.api, &order).await?;
        ensure!(estimate.count == CLIENTS as u64, "the batch would have {} emails", estimate.count);
        self.output
            .say(format!("   What an email to each would be, before anything is spent:\n     {}", estimate.line()));
        Ok((order, estimate))
    }

    /// (5) A batch over them: a sample, then it waits.
    pub(super) async fn a_sample(&self, order: &Value) -> anyhow::Result<Uuid> {
        self.head("5  A batch, one email a client: three as a sample, then it waits for a yes");
        let key = format!("demo-{}", Uuid::now_v7());
        let (answer, _) = self.api.submit_batch(order, &key).await?;
        let id = Batch::deserialize(&answer)?.id;
        self.follow(id, "awaiting_approval").await?;
        let written = self.items(id, "completed").await?;
        ensure!(written.len() == SAMPLE, "the sample has {} emails", written.len());
        for item in &written {
            self.show(item, letter::GLIMPSE)?;
        }
        Ok(id)
    }

    /// (6) The yes, and a worker killed in the middle. Gives the runs that it held.
    pub(super) async fn a_killed_worker(&self, stack: &mut Stack, id: Uuid) -> anyhow::Result<HashSet<Uuid>> {
        self.output
            .say(self.output.paint(Paint::Bold, "6  Approved, and a worker is killed (SIGKILL) in the middle of it"));
        self.control.hold(MID_SENTENCE, None).await?;
        self.api.steer_batch(id, "approve").await?;
        self.control.await_held(HALF_WRITTEN).await?;
        let (pid, held) = self.busiest(id).await?;
        stack.kill_worker(pid).await?;
        let lost = format!(
            "   ✗ a worker (pid {pid}) is killed with {} emails half-written; its lease ends in 2 s",
            held.len()
        );
        self.note(Paint::Red, &lost);
        self.control.release().await?;
        Ok(held)
    }

    /// The worker that holds most of a batch, and what it holds.
    async fn busiest(&self, id: Uuid) -> anyhow::Result<(u32, HashSet<Uuid>)> {
        let mut held: BTreeMap<i32, HashSet<Uuid>> = BTreeMap::new();
        for run in self.items(id, "running").await?.iter().filter_map(|item| item.run_id) {
            if let Some(holder) = record::holder(&self.operator, RunId::from(run)).await? {
                held.entry(holder.pid).or_default().insert(run);
            }
        }
        let busiest = held.into_iter().max_by_key(|(_, runs)| runs.len());
        let (pid, runs) = busiest.context("nobody holds an email of the batch")?;
        Ok((u32::try_from(pid)?, runs))
    }

    /// (6) The end of it: one email a client, whatever died.
    pub(super) async fn the_end(&self, id: Uuid, estimate: &Estimate, lost: &HashSet<Uuid>) -> anyhow::Result<()> {
        let batch = self.follow(id, "completed").await?;
        ensure!(batch.outcome.as_deref() == Some("all_succeeded"), "the batch ended {:?}", batch.outcome);
        let items = self.items(id, "completed").await?;
        let (emails, calls) = (self.emails(id).await?, self.calls(&items).await?);
        let clients: HashSet<Uuid> = emails.iter().filter_map(|email| email.client_id).collect();
        let ids: HashSet<Uuid> = emails.iter().map(|email| email.id).collect();
        ensure!(
            [items.len(), emails.len(), ids.len(), clients.len()] == [CLIENTS; 4],
            "{} emails for {} clients, and not one for each of {CLIENTS}",
            emails.len(),
            clients.len()
        );
        ensure!(calls > CLIENTS as i64, "the calls of the killed worker are not in the ledger: {calls}");
        let was_lost = |item: &&Item| item.run_id.is_some_and(|run| lost.contains(&run));
        let again = items.iter().find(was_lost).context("what the killed worker wrote was not written again")?;
        self.output.say(self.output.paint(Paint::Dim, "   One that was half-written when the worker died:"));
        self.show(again, letter::WHOLE)?;
        self.output.say(self.output.paint(Paint::Dim, "   And the last of the list:"));
        self.show(items.last().context("no email")?, letter::WHOLE)?;
        self.note(Paint::Green, &format!("   ✓ {CLIENTS} clients, {} emails, one each", emails.len()));
        let again = calls - CLIENTS as i64;
        self.note(
            Paint::Green,
            &format!("   ✓ {calls} calls in the ledger: {again} died with the worker, and were made again"),
        );
        self.sum_up(&batch, estimate, &items)
    }

    /// What it cost, and what is to be looked at.
    fn sum_up(&self, batch: &Batch, estimate: &Estimate, items: &[Item]) -> anyhow::Result<()> {
        ensure!(batch.cost_cents > 0.0, "the batch cost nothing");
        let (cost, expected) = (batch.cost_cents, estimate.cost_cents.expected);
        self.note(Paint::Green, &format!("   ✓ {cost:.2} cents; the estimate was {expected:.2}"));
        let warned: Vec<&Item> = items.iter().filter(|item| !item.warnings.is_empty()).collect();
        ensure!(batch.counts.warnings == warned.len() as u64, "the batch counts {} warnings", batch.counts.warnings);
        if warned.is_empty() {
            self.note(Paint::Green, "   ✓ no warnings: each number, price and name in them stands in their sources");
        }
        for item in warned {
            let client = item.client.name.as_deref().unwrap_or("?");
            for Warning { code, text } in &item.warnings {
                self.note(Paint::Yellow, &format!("   ! {client}: {code}: {text}"));
            }
        }
        Ok(())
    }

    /// Shows how far it is until it stands like this.
    async fn follow(&self, id: Uuid, status: &str) -> anyhow::Result<Batch> {
        let mut feed = self.api.follow_batch(id);
        let mut view = View::new(self.output, "   ");
        loop {
            let event = timeout(PATIENCE, feed.next()).await.context("the batch takes longer than it may")??;
            let data = match event {
                Some((_, mut data)) => data.get_mut("batch").map(Value::take),
                None => Some(self.api.get(&format!("/email-batches/{id}")).await?),
            };
            let Some(data) = data else { continue };
            let batch = Batch::deserialize(&data)?;
            if batch.status == status {
                view.last(&batch);
                return Ok(batch);
            }
            view.show(&batch);
            ensure!(batch.status != "completed" && batch.status != "cancelled", "the batch ended {}", batch.status);
        }
    }

    async fn items(&self, id: Uuid, status: &str) -> anyhow::Result<Vec<Item>> {
        self.api.list(&format!("/email-batches/{id}/results?limit=100&status={status}")).await
    }

    async fn emails(&self, id: Uuid) -> anyhow::Result<Vec<Listed>> {
        self.api.list(&format!("/emails?limit=100&batch_id={id}")).await
    }

    /// The provider calls in the ledger for these.
    async fn calls(&self, items: &[Item]) -> anyhow::Result<i64> {
        let mut calls = 0;
        for run in items.iter().filter_map(|item| item.run_id) {
            calls += record::traces(&self.operator, RunId::from(run)).await?.calls;
        }
        Ok(calls)
    }

    fn show(&self, item: &Item, lines: usize) -> anyhow::Result<()> {
        let email = item.email.as_ref().context("a completed item has no email")?;
        let to = [item.client.name.as_deref(), item.client.company.as_deref()];
        let to = to.into_iter().flatten().collect::<Vec<_>>().join(", ");
        self.output.say(format!("   {} {to}", self.output.paint(Paint::Bold, "To:     ")));
        self.output.say(format!("   {} {}", self.output.paint(Paint::Bold, "Subject:"), email.subject));
        for line in letter::lines(&email.body, lines) {
            self.output.say(format!("     {line}").trim_end());
        }
        self.output.say("");
        Ok(())
    }

    fn head(&self, text: &str) {
        self.output.say(format!("\n{}", self.output.paint(Paint::Bold, text)));
    }

    fn note(&self, paint: Paint, text: &str) {
        self.output.say(self.output.paint(paint, text));
    }
}
