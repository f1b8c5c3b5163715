//! What a benchmark of batches says: for programs, and for people.

use serde::Serialize;

use super::processor::CpuMs;
use crate::output::Output;

/// All of it.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) items: u32,
    pub(super) call_ms: u64,
    pub(super) rounds: Vec<Round>,
}

/// With one number of slots.
#[derive(Debug, Serialize)]
pub(super) struct Round {
    /// At work for the batch.
    pub(super) slots: u16,
    /// Of the worker: what is more is kept for who waits.
    pub(super) worker_slots: u16,
    pub(super) emails: i64,
    pub(super) ideal_seconds: f64,
    pub(super) seconds: f64,
    pub(super) ratio: f64,
    pub(super) emails_per_second: f64,
    pub(super) accept: Accept,
    pub(super) per_email: PerEmail,
    pub(super) cpu_ms_per_email: CpuMs,
    pub(super) memory: Memory,
    pub(super) chat: Chat,
    pub(super) fairness: Fairness,
}

/// The accept of a whole list, beside the least that a commit takes here.
#[derive(Debug, Serialize)]
pub(super) struct Accept {
    pub(super) accepts: usize,
    pub(super) accept_p50_ms: f64,
    pub(super) accept_p99_ms: f64,
    pub(super) commit_p50_ms: f64,
    pub(super) commit_p99_ms: f64,
    /// An accept's p99, in single-row commits.
    pub(super) accept_p99_commits: f64,
}

/// What an email costs the database.
#[derive(Debug, Serialize)]
pub(super) struct PerEmail {
    pub(super) transactions: f64,
    pub(super) rows_inserted: f64,
    pub(super) rows_updated: f64,
    pub(super) rows_deleted: f64,
    pub(super) wal_bytes: f64,
}

/// The worker's memory, early and late.
#[derive(Debug, Serialize)]
pub(super) struct Memory {
    pub(super) worker_at_10_percent_bytes: Option<u64>,
    pub(super) worker_at_90_percent_bytes: Option<u64>,
}

/// What we add to a turn's first words.
#[derive(Debug, Serialize)]
pub(super) struct Chat {
    pub(super) idle_turns: usize,
    pub(super) idle_added_p50_ms: f64,
    pub(super) busy_turns: usize,
    pub(super) busy_added_p50_ms: f64,
    pub(super) ratio: f64,
}

/// How another organisation's ten fare in the middle.
#[derive(Debug, Serialize)]
pub(super) struct Fairness {
    pub(super) other_items: u32,
    pub(super) other_seconds: f64,
    /// Emails of the large batch that ended between the accept and the end of the other one.
    pub(super) emails_meanwhile: i64,
}

impl Report {
    /// For people.
    pub(super) fn show(&self, output: Output) -> anyhow::Result<()> {
        for round in &self.rounds {
            for (what, value) in round.lines(self.items, self.call_ms) {
                output.data(format!("{what:<34} {value}"))?;
            }
            output.data("")?;
        }
        Ok(())
    }
}

impl Round {
    fn lines(&self, items: u32, call_ms: u64) -> Vec<(&'static str, String)> {
        let (accept, cost, chat, other) = (&self.accept, &self.per_email, &self.chat, &self.fairness);
        let mebibytes =
            |bytes: Option<u64>| bytes.map_or_else(|| "?".to_owned(), |bytes| format!("{} MiB", bytes >> 20));
        vec![
            ("emails", format!("{} of {items}, {call_ms} ms a call", self.emails)),
            ("slots", format!("{} for the batch (a worker of {})", self.slots, self.worker_slots)),
            ("time", format!("{} s; ideal {} s; ratio {}", self.seconds, self.ideal_seconds, self.ratio)),
            ("pace", format!("{} emails/s", self.emails_per_second)),
            ("accept of the list", format!("p50 {} ms, p99 {} ms", accept.accept_p50_ms, accept.accept_p99_ms)),
            (
                "single-row commit",
                format!(
                    "p50 {} ms, p99 {} ms; an accept is {} of them",
                    accept.commit_p50_ms, accept.commit_p99_ms, accept.accept_p99_commits
                ),
            ),
            (
                "database, an email",
                format!(
                    "{} transactions, {} rows inserted, {} updated, {} deleted, {} bytes of WAL",
                    cost.transactions, cost.rows_inserted, cost.rows_updated, cost.rows_deleted, cost.wal_bytes
                ),
            ),
            ("processors, an email", self.cpu_ms_per_email.line()),
            (
                "worker's memory at 10 % and 90 %",
                format!(
                    "{}, {}",
                    mebibytes(self.memory.worker_at_10_percent_bytes),
                    mebibytes(self.memory.worker_at_90_percent_bytes)
                ),
            ),
            (
                "chat, added to the first words",
                format!(
                    "p50 {} ms idle, {} ms beside the batch; ratio {}",
                    chat.idle_added_p50_ms, chat.busy_added_p50_ms, chat.ratio
                ),
            ),
            (
                "another organisation's batch",
                format!(
                    "{} emails in {} s, while {} of the large batch ended",
                    other.other_items, other.other_seconds, other.emails_meanwhile
                ),
            ),
        ]
    }
}
