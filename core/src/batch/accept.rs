//! Accept: a batch and its items, and what it may cost; nothing else. Admission makes the runs. The caller's transaction
//! holds the idempotency key.

use chrono::DateTime;
use rust_decimal::Decimal;

use super::choose::{self, Choice};
use super::estimate::CostPerEmail;
use super::spread;
use super::{Batch, BatchStatus, Counts, MAX_LIVE};
use crate::content::email::EmailType;
use crate::database::OrgTx;
use crate::error::DatabaseError;
use crate::id::{BatchId, ImportId, OrgId, ProductId, UserId};
use crate::run::QualityMode;

/// A batch to be.
#[derive(Debug, Clone)]
pub struct NewBatch {
    /// Its id, made by the caller.
    pub id: BatchId,
    /// What it is called.
    pub name: Option<String>,
    /// What its emails sell.
    pub product_id: Option<ProductId>,
    /// What kind of emails.
    pub email_type: EmailType,
    /// What the user asks for, in their own words.
    pub instructions: Option<String>,
    /// How much thought the model may take.
    pub quality_mode: QualityMode,
    /// Whom to write to.
    pub choice: Choice,
    /// So many first, then wait for a yes.
    pub sample: Option<i32>,
    /// What it may cost.
    pub max_cost_cents: Option<Decimal>,
    /// Who asks for it.
    pub created_by: UserId,
    /// The request that submits it.
    pub request_id: Option<String>,
    /// The trace that it belongs to (W3C).
    pub traceparent: Option<String>,
    /// So many batches may an organisation have under way.
    pub max_live: i64,
}

/// Why a batch is not accepted; nothing of it is written then.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// There is no such product in the organisation.
    #[error("there is no such product")]
    ProductNotFound,
    /// There is no such import in the organisation.
    #[error("there is no such import")]
    ImportNotFound,
    /// At these places of the list is no client of the organisation.
    #[error("{} of the ids are no clients", .0.len())]
    ClientsNotFound(Vec<usize>),
    /// The filter, or the import, has nobody.
    #[error("no active client matches")]
    NoMatch,
    /// Everybody who was listed is inactive.
    #[error("all of the clients are inactive")]
    AllSkipped,
    /// More clients than a batch may have.
    #[error("more than {} clients match", choose::MAX_CLIENTS)]
    TooMany,
    /// The sample is larger than the list.
    #[error("the sample is larger than the list of {0} clients")]
    SampleTooLarge(i32),
    /// The organisation has as many batches under way as it may.
    #[error("as many batches are under way as an organisation may have")]
    TooManyLive,
    /// The database refused.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl From<sqlx::Error> for AcceptError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

/// Accepts a batch, and returns it as it is then: nothing of it is read back, since counting ten thousand items costs as much
/// as some of what writes them.
///
/// # Errors
/// If it isn't accepted: the transaction is to be given up.
pub async fn accept(tx: &mut OrgTx<'_>, new: &NewBatch, cost: &CostPerEmail) -> Result<Batch, AcceptError> {
    if live(tx).await? >= new.max_live.min(MAX_LIVE) {
        return Err(AcceptError::TooManyLive);
    }
    find_product(tx, new.product_id).await?;
    let chosen = choose::write(tx, new.id, &new.choice).await?;
    if new.sample.is_some_and(|sample| sample > chosen.total) {
        return Err(AcceptError::SampleTooLarge(chosen.total));
    }
    let batch = insert(tx, new, chosen, cost.expected * Decimal::from(chosen.total)).await?;
    if let Some(sample) = new.sample {
        spread::mark(tx, new.id, chosen.total, sample).await?;
    }
    if let Some(max) = new.max_cost_cents {
        let org = tx.org().uuid();
        sqlx::query!(
            "INSERT INTO batch_budgets (batch_id, org_id, max_cost_cents) VALUES ($1, $2, $3)",
            new.id.uuid(),
            org,
            max,
        )
        .execute(tx.connection())
        .await?;
    }
    Ok(batch)
}

/// How many batches are under way, or wait for a yes. Two that are accepted at once may both find room: the bound is there
/// against floods, and one more is none.
async fn live(tx: &mut OrgTx<'_>) -> Result<i64, DatabaseError> {
    let org = tx.org().uuid();
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM (SELECT 1 FROM email_batches WHERE org_id = $1 AND completed_at IS NULL LIMIT $2) one"#,
        org,
        MAX_LIVE,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(count)
}

/// A product of the organisation, or none at all. The batch's foreign key would tell, too, but only after all items.
pub(super) async fn find_product(tx: &mut OrgTx<'_>, product: Option<ProductId>) -> Result<(), AcceptError> {
    let Some(product) = product else { return Ok(()) };
    let org = tx.org().uuid();
    let is_there = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM products WHERE org_id = $1 AND id = $2) AS "there!""#,
        org,
        product.uuid(),
    )
    .fetch_one(tx.connection())
    .await?;
    if is_there { Ok(()) } else { Err(AcceptError::ProductNotFound) }
}

async fn insert(
    tx: &mut OrgTx<'_>,
    new: &NewBatch,
    chosen: choose::Chosen,
    estimated: Decimal,
) -> Result<Batch, DatabaseError> {
    let org = tx.org();
    let (filter, import) = match &new.choice {
        Choice::Clients(_) => (None, None),
        Choice::Filter(filter) => (Some(serde_json::to_value(filter)?), None),
        Choice::Import(import) => (None, Some(*import)),
    };
    let row = sqlx::query!(
        r#"INSERT INTO email_batches (id, org_id, name, status, product_id, email_type, instructions, quality_mode, filter, import_id, sample,
           is_approved, max_cost_cents, estimated_cost_cents, total, skipped_duplicates, skipped_inactive, created_by, request_id, traceparent)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::int, $11 IS NULL, $12, $13, $14, $15, $16, $17, $18, $19)
         RETURNING created_at, EXISTS (SELECT 1 FROM workers w WHERE w.lease_until > now() AND NOT w.draining) AS "has_worker!""#,
        new.id.uuid(),
        org.uuid(),
        new.name,
        BatchStatus::Running.as_str(),
        new.product_id.map(ProductId::uuid),
        new.email_type.as_str(),
        new.instructions,
        new.quality_mode.as_str(),
        filter.clone(),
        import.map(ImportId::uuid),
        new.sample,
        new.max_cost_cents,
        estimated,
        chosen.total,
        chosen.duplicates,
        chosen.inactive,
        new.created_by.uuid(),
        new.request_id,
        new.traceparent,
    )
    .fetch_one(tx.connection())
    .await?;
    let made = Batch {
        filter,
        created_at: row.created_at,
        has_worker: row.has_worker,
        at: row.created_at,
        ..fresh(org, new, chosen)
    };
    Ok(Batch { import_id: import, estimated_cost_cents: estimated, ..made })
}

/// A batch of which nothing has been done, but for what the database says of it.
fn fresh(org: OrgId, new: &NewBatch, chosen: choose::Chosen) -> Batch {
    let total = i64::from(chosen.total);
    Batch {
        id: new.id,
        org_id: org,
        name: new.name.clone(),
        status: BatchStatus::Running.as_str().to_owned(),
        waiting: None,
        round: 1,
        product_id: new.product_id,
        email_type: new.email_type.as_str().to_owned(),
        instructions: new.instructions.clone(),
        quality_mode: new.quality_mode.as_str().to_owned(),
        filter: None,
        import_id: None,
        sample: new.sample,
        is_approved: new.sample.is_none(),
        max_cost_cents: new.max_cost_cents,
        estimated_cost_cents: Decimal::ZERO,
        skipped_duplicates: chosen.duplicates,
        skipped_inactive: chosen.inactive,
        created_by: Some(new.created_by),
        created_at: DateTime::UNIX_EPOCH,
        completed_at: None,
        counts: Counts { total, queued: total, ..Counts::default() },
        cost_cents: Decimal::ZERO,
        completed_in_last_minute: 0,
        to_do: new.sample.map_or(total, i64::from),
        has_worker: false,
        pause: None,
        delay: None,
        at: DateTime::UNIX_EPOCH,
    }
}
