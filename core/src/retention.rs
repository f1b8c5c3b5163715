//! Retention: what is old goes by policy, in small batches that wait for nobody, and nothing that is open goes.
//!
//! A run goes with its dead letters, and not before them. A batch goes before its runs. Events and calls go by the month, as
//! soon as nothing open has any there; what stands outside the months goes row by row. Chat, scripts, emails and clients are
//! content, and stay.

mod batches;
mod calls;
mod events;
mod imports;
mod letters;
mod months;
mod policy;
mod records;
mod runs;

use uuid::Uuid;

pub use months::{Parent, make_months};
pub use policy::Policy;

use crate::content::{COUNT_LIMIT, Total};
use crate::database::Database;
use crate::error::DatabaseError;
use crate::id::RunId;
use crate::queue::janitor;
use crate::run::text_enum;

/// Where a batch ended: the id of the last row that it looked at.
pub type RowId = Uuid;

/// So many rows are looked at, or go, at a time.
const BATCH: i64 = 500;

text_enum! {
    /// What goes by age. In this order: a batch before its runs, runs before the calls that they made.
    Prunable {
        /// Chunks of streams, an hour after their run's end.
        Stream = "run_stream",
        /// Idempotency keys, after a day.
        IdempotencyKeys = "idempotency_keys",
        /// Rows of files that never arrived, after an hour.
        ImportRows = "client_import_rows",
        /// Workers that are gone, after an hour.
        Workers = "workers",
        /// Batches that have ended.
        Batches = "email_batches",
        /// The items of batches that are gone.
        BatchItems = "batch_items",
        /// Runs that have ended, with their dead letters.
        Runs = "pipeline_runs",
        /// What closed dead letters keep of people's words.
        DeadLetters = "dead_letter_queue",
        /// Prompts and answers in the ledger.
        Prompts = "prompts",
        /// Calls in the ledger, by the month.
        ProviderCalls = "provider_calls",
        /// Events, by the month.
        Events = "pipeline_events",
        /// Lists of clients that came in by file; the clients stay.
        Imports = "client_imports",
        /// The audit log.
        AuditLog = "audit_log",
    }
}

/// What one batch did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Rows that went; of a month as many as the planner thinks that it had.
    pub gone: u64,
    /// There may be more: go on from here.
    pub next: Option<RowId>,
}

impl Pruned {
    /// A batch that looked at `ids`, in their order: if it was full there may be more.
    fn of(ids: &[Uuid], gone: u64) -> Self {
        let full = i64::try_from(ids.len()).is_ok_and(|n| n >= BATCH);
        Self { gone, next: ids.last().copied().filter(|_| full) }
    }

    /// A batch whose victims are gone, so that the next one begins where it did.
    fn again(gone: u64) -> Self {
        Self { gone, next: i64::try_from(gone).is_ok_and(|n| n >= BATCH).then_some(Uuid::nil()) }
    }
}

/// Prunes one batch of one kind, from where the last one ended.
///
/// # Errors
/// If the database refuses or can't be reached: then nothing of this batch went.
pub async fn prune(
    db: &Database,
    policy: &Policy,
    what: Prunable,
    from: Option<RowId>,
) -> Result<Pruned, DatabaseError> {
    let after = from.unwrap_or(Uuid::nil());
    match what {
        Prunable::Stream => {
            let (next, gone) = janitor::prune_stream(db, from.map(RunId::from)).await?;
            Ok(Pruned { gone, next: next.map(RunId::uuid) })
        }
        Prunable::IdempotencyKeys => Ok(Pruned::again(janitor::prune_idempotency_keys(db).await?)),
        Prunable::ImportRows => Ok(Pruned::again(crate::content::client_import::prune(db).await?)),
        Prunable::Workers => Ok(Pruned { gone: janitor::prune_workers(db).await?, next: None }),
        Prunable::Batches => batches::prune(db, policy.runs_days, after).await,
        Prunable::BatchItems => batches::prune_items(db, policy.runs_days).await,
        Prunable::Runs => runs::prune(db, policy, after).await,
        Prunable::DeadLetters => letters::blank(db, policy.dead_letters_days, after).await,
        Prunable::Prompts => calls::blank(db, policy.prompts_days).await,
        Prunable::ProviderCalls => calls::prune(db, policy.runs_days).await,
        Prunable::Events => events::prune(db, policy.events_days).await,
        Prunable::Imports => imports::prune(db, policy.runs_days, after).await,
        Prunable::AuditLog => records::prune_audit_log(db, policy.audit_days).await,
    }
}

/// How much of one kind would go now: rows, counted up to a bound.
///
/// # Errors
/// If the database refuses or can't be reached.
pub async fn due(db: &Database, policy: &Policy, what: Prunable) -> Result<Total, DatabaseError> {
    let mut tx = db.begin().await?;
    let connection = tx.connection();
    let most = COUNT_LIMIT + 1;
    let count = match what {
        Prunable::Stream => records::due_stream(connection, most).await?,
        Prunable::IdempotencyKeys => records::due_keys(connection, most).await?,
        Prunable::ImportRows => records::due_import_rows(connection, most).await?,
        Prunable::Workers => records::due_workers(connection, most).await?,
        Prunable::Batches => batches::due(connection, policy.runs_days, most).await?,
        Prunable::BatchItems => batches::due_items(connection, policy.runs_days, most).await?,
        Prunable::Runs => runs::due(connection, policy, most).await?,
        Prunable::DeadLetters => letters::due(connection, policy.dead_letters_days, most).await?,
        Prunable::Prompts => calls::due_blank(connection, policy.prompts_days, most).await?,
        Prunable::ProviderCalls => calls::due(connection, policy.runs_days, most).await?,
        Prunable::Events => events::due(connection, policy.events_days, most).await?,
        Prunable::Imports => imports::due(connection, policy.runs_days, most).await?,
        Prunable::AuditLog => records::due_audit_log(connection, policy.audit_days, most).await?,
    };
    Ok(count.into())
}
