//! What may be changed in a batch that is there: what it is called, what is asked for, what it may cost. Its status changes
//! in `queue` only.

use rust_decimal::Decimal;

use super::BatchStatus;
use crate::database::OrgTx;
use crate::error::DatabaseError;
use crate::id::BatchId;

/// What is to change; `None` leaves as it is, `Some(None)` clears.
#[derive(Debug, Clone, Default)]
pub struct BatchChange {
    /// What it is called.
    pub name: Option<Option<String>>,
    /// What the user asks for: of the emails that are yet to be begun.
    pub instructions: Option<Option<String>>,
    /// What it may cost: a bound can be moved, not taken away.
    pub max_cost_cents: Option<Decimal>,
}

/// Why it isn't changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// There is no such batch in the organisation.
    #[error("there is no such batch")]
    NotFound,
    /// It has ended, or is being cancelled.
    #[error("the batch is {0}: nothing but its name can be changed")]
    Over(BatchStatus),
    /// The rest of it is being written by the instructions as they are.
    #[error("the batch is {0}: its instructions can be changed until it is approved, or while it is paused")]
    Running(BatchStatus),
    /// More has been spent, or is about to be, than it may cost.
    #[error("the batch has cost more already")]
    Spent,
    /// It was accepted without a bound, and calls that are under way have reserved nothing.
    #[error("the batch was accepted without max_cost_cents, and its calls count towards none")]
    NoBudget,
    /// The database refused.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl From<sqlx::Error> for ChangeError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

/// What the editor of a batch has seen of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Editable {
    /// What it is called.
    pub name: Option<String>,
    /// What the user asks for.
    pub instructions: Option<String>,
    /// What it may cost.
    pub max_cost_cents: Option<Decimal>,
    status: BatchStatus,
    is_approved: bool,
}

/// Locks a batch, for a change.
///
/// # Errors
/// [`ChangeError::NotFound`], or if the database refuses.
pub async fn lock(tx: &mut OrgTx<'_>, id: BatchId) -> Result<Editable, ChangeError> {
    let org = tx.org().uuid();
    let row = sqlx::query!(
        "SELECT status, is_approved, name, instructions, max_cost_cents FROM email_batches WHERE id = $1 AND org_id = $2
         FOR NO KEY UPDATE",
        id.uuid(),
        org,
    )
    .fetch_optional(tx.connection())
    .await?;
    let row = row.ok_or(ChangeError::NotFound)?;
    Ok(Editable {
        name: row.name,
        instructions: row.instructions,
        max_cost_cents: row.max_cost_cents,
        status: BatchStatus::parse(&row.status)?,
        is_approved: row.is_approved,
    })
}

/// Changes a batch that this transaction has locked.
///
/// # Errors
/// If it is past changing.
pub async fn change(tx: &mut OrgTx<'_>, id: BatchId, now: &Editable, change: &BatchChange) -> Result<(), ChangeError> {
    let is_over = now.status.has_ended() || now.status == BatchStatus::Cancelling;
    if is_over && (change.instructions.is_some() || change.max_cost_cents.is_some()) {
        return Err(ChangeError::Over(now.status));
    }
    let is_settled = now.status == BatchStatus::Running && now.is_approved;
    if is_settled && change.instructions.is_some() {
        return Err(ChangeError::Running(now.status));
    }
    if let Some(max) = change.max_cost_cents {
        set_budget(tx, id, max).await?;
    }
    let (name, instructions) = (change.name.clone(), change.instructions.clone());
    let org = tx.org().uuid();
    sqlx::query!(
        "UPDATE email_batches SET name = CASE WHEN $3 THEN $4 ELSE name END,
           instructions = CASE WHEN $5 THEN $6 ELSE instructions END, max_cost_cents = coalesce($7, max_cost_cents),
           updated_at = clock_timestamp()
         WHERE id = $1 AND org_id = $2",
        id.uuid(),
        org,
        name.is_some(),
        name.flatten(),
        instructions.is_some(),
        instructions.flatten(),
        change.max_cost_cents,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// The budget's row is what calls reserve in. It goes down as far as what is spent and reserved. A batch without one
/// gets none later: what is under way has not reserved anything, so the bound would not hold.
async fn set_budget(tx: &mut OrgTx<'_>, id: BatchId, max: Decimal) -> Result<(), ChangeError> {
    let org = tx.org().uuid();
    let raised = sqlx::query!(
        "UPDATE batch_budgets SET max_cost_cents = $3 WHERE batch_id = $1 AND org_id = $2 AND spent_cents + reserved_cents <= $3",
        id.uuid(),
        org,
        max,
    )
    .execute(tx.connection())
    .await?;
    if raised.rows_affected() == 1 {
        return Ok(());
    }
    let is_there = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM batch_budgets WHERE batch_id = $1 AND org_id = $2) AS "there!""#,
        id.uuid(),
        org,
    )
    .fetch_one(tx.connection())
    .await?;
    if is_there { Err(ChangeError::Spent) } else { Err(ChangeError::NoBudget) }
}
