//! Closing calls: once each, and whoever does it adds the cost to the run, to its batch and to its organisation's budget, and
//! counts the end for its breaker.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::CallEnd;
use crate::breaker::Health;
use crate::budget::{GivenBack, Need, give_back};
use crate::database::{Database, Tx};
use crate::error::DatabaseError;
use crate::id::ProviderCallId;

/// What became of a call that was to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// It is closed now, and its cost added.
    Now,
    /// Somebody has closed it before, or there is none.
    Before,
    /// Its run's row was locked by somebody else: to be put in the next group.
    Later,
}

/// Closes calls in one transaction, and adds their costs and tokens to their runs. Waits for no run; of two calls of one
/// run the second comes later. Says of each, in their order, what became of it.
///
/// # Errors
/// If the database refuses, or gave no answer: that leaves open whether it was done, and closing again is safe.
pub async fn close_group(db: &Database, calls: &[(ProviderCallId, &CallEnd)]) -> Result<Vec<Closed>, DatabaseError> {
    close_calls(db, calls, false).await
}

/// Closes a call and adds its cost and tokens to its run; false if somebody has closed it before, or there is none.
/// Waits for the run's row. An error leaves open whether it was done; closing again is safe.
///
/// # Errors
/// If the database refuses or gave no answer.
pub async fn close(db: &Database, id: ProviderCallId, end: &CallEnd) -> Result<bool, DatabaseError> {
    Ok(close_calls(db, &[(id, end)], true).await?.first() == Some(&Closed::Now))
}

async fn close_calls(
    db: &Database,
    calls: &[(ProviderCallId, &CallEnd)],
    wait: bool,
) -> Result<Vec<Closed>, DatabaseError> {
    let mut tx = db.begin().await?;
    let runs = runs_of(&mut tx, calls).await?;
    let free = lock_runs(&mut tx, &runs, wait).await?;
    let mut taken = HashSet::new();
    let mut columns = Columns::default();
    let mut closed = vec![Closed::Before; calls.len()];
    for ((id, end), closed) in calls.iter().zip(&mut closed) {
        let Some((_, run)) = runs.iter().find(|(call, _)| *call == id.uuid()) else { continue };
        // A run that was pruned is nobody's: its call is closed without it.
        if (!wait && !free.contains(run)) || !taken.insert(*run) {
            *closed = Closed::Later;
        } else {
            columns.push(*id, end);
        }
    }
    let now = write(&mut tx, &columns).await?;
    spend(&mut tx, &now).await?;
    let given_back: Vec<GivenBack> = now.iter().filter_map(Row::given_back).collect();
    give_back(&mut tx, &given_back).await?;
    add_to_items(&mut tx, &now).await?;
    tx.commit().await?;
    for ((id, _), closed) in calls.iter().zip(&mut closed) {
        if now.iter().any(|row| row.call_id == id.uuid()) {
            *closed = Closed::Now;
        }
    }
    Ok(closed)
}

/// The calls that are open, with their runs.
async fn runs_of(tx: &mut Tx, calls: &[(ProviderCallId, &CallEnd)]) -> Result<Vec<(Uuid, Uuid)>, DatabaseError> {
    let ids: Vec<Uuid> = calls.iter().map(|(id, _)| id.uuid()).collect();
    let rows = sqlx::query!(
        "SELECT id, pipeline_run_id FROM provider_calls WHERE id = ANY($1) AND completed_at IS NULL",
        &ids
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.pipeline_run_id)).collect())
}

/// Whoever closes a call holds its run: so nobody waits for the call's own row.
async fn lock_runs(tx: &mut Tx, runs: &[(Uuid, Uuid)], wait: bool) -> Result<HashSet<Uuid>, DatabaseError> {
    let ids: Vec<Uuid> = runs.iter().map(|(_, run)| *run).collect();
    macro_rules! lock {
        ($how:literal) => {
            sqlx::query_scalar!(
                "SELECT id FROM pipeline_runs WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE " + $how,
                &ids
            )
            .fetch_all(tx.connection())
            .await?
        };
    }
    let free = if wait { lock!("") } else { lock!("SKIP LOCKED") };
    Ok(free.into_iter().collect())
}

/// How calls ended, column by column.
#[derive(Default)]
struct Columns {
    ids: Vec<Uuid>,
    outputs: Vec<String>,
    latencies: Vec<Option<i32>>,
    first_tokens: Vec<Option<i32>>,
    tokens_in: Vec<i32>,
    tokens_out: Vec<i32>,
    estimated: Vec<bool>,
    costs: Vec<Decimal>,
    codes: Vec<Option<String>>,
    messages: Vec<Option<String>>,
    /// Whether it counts for its breaker, and as a failure: null if it doesn't.
    faults: Vec<Option<bool>>,
}

impl Columns {
    fn push(&mut self, id: ProviderCallId, end: &CallEnd) {
        self.ids.push(id.uuid());
        self.outputs.push(end.output.clone());
        self.latencies.push(end.latency_ms);
        self.first_tokens.push(end.ttft_ms);
        self.tokens_in.push(end.tokens_in);
        self.tokens_out.push(end.tokens_out);
        self.estimated.push(end.usage_estimated);
        self.costs.push(end.cost_cents);
        self.codes.push(end.error.as_ref().map(|(code, _)| code.as_str().to_owned()));
        self.messages.push(end.error.as_ref().map(|(_, text)| text.clone()));
        self.faults.push(match end.health {
            Health::Well => Some(false),
            Health::Fault => Some(true),
            Health::Unseen => None,
        });
    }
}

/// A call that was closed just now.
struct Row {
    call_id: Uuid,
    batch_id: Option<Uuid>,
    batch_n: Option<i32>,
    run_has_ended: bool,
    cost: Decimal,
    reserved: Decimal,
    org_id: Uuid,
    counted_at: Option<DateTime<Utc>>,
    most_tokens: i64,
    most_cents: Decimal,
    tokens: i64,
}

impl Row {
    /// What its organisation's budget gets back, if that counts it.
    fn given_back(&self) -> Option<GivenBack> {
        Some(GivenBack {
            org: self.org_id,
            counted_at: self.counted_at?,
            reserved: Need { tokens: self.most_tokens, cents: self.most_cents },
            used: Need { tokens: self.tokens, cents: self.cost },
        })
    }
}

async fn write(tx: &mut Tx, columns: &Columns) -> Result<Vec<Row>, DatabaseError> {
    if columns.ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query_file_as!(
        Row,
        "src/provider_call/close.sql",
        &columns.ids,
        &columns.outputs,
        &columns.latencies as &[Option<i32>],
        &columns.first_tokens as &[Option<i32>],
        &columns.tokens_in,
        &columns.tokens_out,
        &columns.estimated,
        &columns.costs,
        &columns.codes as &[Option<String>],
        &columns.messages as &[Option<String>],
        &columns.faults as &[Option<bool>],
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(rows)
}

/// What was reserved comes back to the budgets, and what it cost is spent. Waits for their rows, in order: whoever holds
/// one waits for nothing but a higher one.
async fn spend(tx: &mut Tx, rows: &[Row]) -> Result<(), DatabaseError> {
    let of_batches: Vec<&Row> = rows.iter().filter(|row| row.batch_id.is_some()).collect();
    if of_batches.is_empty() {
        return Ok(());
    }
    let batches: Vec<Uuid> = of_batches.iter().filter_map(|row| row.batch_id).collect();
    let costs: Vec<Decimal> = of_batches.iter().map(|row| row.cost).collect();
    let reserved: Vec<Decimal> = of_batches.iter().map(|row| row.reserved).collect();
    sqlx::query!(
        "WITH b AS MATERIALIZED (SELECT batch_id FROM batch_budgets WHERE batch_id = ANY($1) ORDER BY batch_id FOR NO KEY UPDATE),
              v AS (SELECT v.batch_id, sum(v.cost) AS cost, sum(v.reserved) AS reserved
                    FROM unnest($1::uuid[], $2::numeric[], $3::numeric[]) AS v(batch_id, cost, reserved) GROUP BY v.batch_id)
         UPDATE batch_budgets t SET spent_cents = t.spent_cents + v.cost, reserved_cents = t.reserved_cents - v.reserved
         FROM b JOIN v ON v.batch_id = b.batch_id WHERE t.batch_id = ANY($1) AND t.batch_id = b.batch_id",
        &batches,
        &costs,
        &reserved,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// An item was told its run's cost when that ended; what is closed later is added here. The run's row is locked.
async fn add_to_items(tx: &mut Tx, rows: &[Row]) -> Result<(), DatabaseError> {
    let late: Vec<(Uuid, i32, Decimal)> = rows
        .iter()
        .filter(|row| row.run_has_ended && !row.cost.is_zero())
        .filter_map(|row| Some((row.batch_id?, row.batch_n?, row.cost)))
        .collect();
    for (batch, n, cost) in late {
        sqlx::query!(
            "UPDATE batch_items SET cost_cents = cost_cents + $3 WHERE batch_id = $1 AND n = $2",
            batch,
            n,
            cost
        )
        .execute(tx.connection())
        .await?;
    }
    Ok(())
}
