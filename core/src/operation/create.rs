//! Making an operation: whom it means is frozen with it, in one transaction.

use serde_json::json;
use uuid::Uuid;

use super::{Kind, MAX_ITEMS, OperationStatus, Options};
use crate::audit::{self, Entry};
use crate::database::{Database, Tx};
use crate::dead_letter::matching::matching;
use crate::error::DatabaseError;
use crate::id::{DeadLetterId, OperationId, OrgId, RunId, UserId};
use crate::pulse::filter::Filter;

/// Whom an operation means.
#[derive(Debug, Clone, Copy)]
pub enum Targets<'a> {
    /// The dead letters of a filter; of those that it says nothing of the status, the ones with which it can be done.
    Letters(&'a Filter),
    /// These dead letters.
    LetterIds(&'a [DeadLetterId]),
    /// These runs, of a filter if one chose them.
    Runs(&'a [RunId], Option<&'a Filter>),
}

/// What is to be done.
#[derive(Debug, Clone, Copy)]
pub struct NewOperation<'a> {
    /// Its id, made by the caller: whoever lost the answer looks whether it is there.
    pub id: OperationId,
    /// Whose things; `None`: an operator's, over organisations.
    pub org_id: Option<OrgId>,
    /// What.
    pub kind: Kind,
    /// To whom.
    pub targets: Targets<'a>,
    /// Who asks, for the record.
    pub actor: &'a str,
    /// The person, if it is one who signs in.
    pub user: Option<UserId>,
    /// Why.
    pub reason: Option<&'a str>,
    /// How.
    pub options: &'a Options,
    /// So many in a second; `None`: as fast as it goes.
    pub rate_per_s: Option<f64>,
    /// So many first, and the rest only if the runs of all of them complete. Of a redrive only.
    pub canary: i32,
    /// So many at most.
    pub max: i64,
}

/// Makes an operation, and says how many items it has. `None`: nobody was meant, and there is none.
///
/// # Errors
/// If the database refuses, or gave no answer: then it may be there.
pub async fn create(db: &Database, new: &NewOperation<'_>) -> Result<Option<i32>, DatabaseError> {
    let mut tx = db.begin().await?;
    if let Some(org) = new.org_id {
        tx.enter(org).await?;
    }
    let max = new.max.clamp(1, MAX_ITEMS);
    let items = match new.targets {
        Targets::Letters(filter) => freeze_letters(&mut tx, new, &new.kind.narrow(filter), max).await?,
        Targets::LetterIds(ids) => {
            let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
            freeze_named(&mut tx, new, &ids, max).await?
        }
        Targets::Runs(ids, _) => {
            let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
            freeze_runs(&mut tx, new, &ids, max).await?
        }
    };
    let Ok(total @ 1..) = i32::try_from(items) else { return Ok(None) };
    insert(&mut tx, new, total).await?;
    record(&mut tx, new, total).await?;
    tx.commit().await?;
    Ok(Some(total))
}

/// The oldest first, so that what has waited longest goes first.
async fn freeze_letters(tx: &mut Tx, new: &NewOperation<'_>, filter: &Filter, max: i64) -> Result<u64, DatabaseError> {
    crate::dead_letter::plan_for_values(tx).await?;
    let query = matching!(
        query,
        filter,
        "INSERT INTO op_items (op_id, n, org_id, target_id, run_id)
         SELECT $15, row_number() OVER (ORDER BY v.id) - 1, v.org_id, v.id, v.pipeline_run_id
         FROM (SELECT d.id, d.org_id, d.pipeline_run_id FROM dead_letter_queue d WHERE ",
        "AND (NOT $16 OR d.resolution IS DISTINCT FROM 'redriven') ORDER BY d.id LIMIT $17) v",
        new.id.uuid(),
        new.kind == Kind::Reopen,
        max,
    );
    Ok(query.execute(tx.connection()).await?.rows_affected())
}

/// Those that are there; in the order given.
async fn freeze_named(tx: &mut Tx, new: &NewOperation<'_>, ids: &[Uuid], max: i64) -> Result<u64, DatabaseError> {
    let frozen = sqlx::query!(
        "INSERT INTO op_items (op_id, n, org_id, target_id, run_id)
         SELECT $1, row_number() OVER (ORDER BY v.n) - 1, d.org_id, d.id, d.pipeline_run_id
         FROM (SELECT id, min(n) AS n FROM unnest($2::uuid[]) WITH ORDINALITY AS u(id, n) GROUP BY id ORDER BY 2 LIMIT $4) v
         JOIN dead_letter_queue d ON d.id = v.id WHERE $3::uuid IS NULL OR d.org_id = $3",
        new.id.uuid(),
        ids,
        new.org_id.map(OrgId::uuid),
        max,
    )
    .execute(tx.connection())
    .await?;
    Ok(frozen.rows_affected())
}

async fn freeze_runs(tx: &mut Tx, new: &NewOperation<'_>, ids: &[Uuid], max: i64) -> Result<u64, DatabaseError> {
    let frozen = sqlx::query!(
        "INSERT INTO op_items (op_id, n, org_id, target_id, run_id)
         SELECT $1, row_number() OVER (ORDER BY v.n) - 1, r.org_id, r.id, r.id
         FROM (SELECT id, min(n) AS n FROM unnest($2::uuid[]) WITH ORDINALITY AS u(id, n) GROUP BY id ORDER BY 2 LIMIT $4) v
         JOIN pipeline_runs r ON r.id = v.id WHERE $3::uuid IS NULL OR r.org_id = $3",
        new.id.uuid(),
        ids,
        new.org_id.map(OrgId::uuid),
        max,
    )
    .execute(tx.connection())
    .await?;
    Ok(frozen.rows_affected())
}

async fn insert(tx: &mut Tx, new: &NewOperation<'_>, total: i32) -> Result<(), DatabaseError> {
    let (filter, ids): (Option<&Filter>, Option<Vec<Uuid>>) = match new.targets {
        Targets::Letters(filter) => (Some(filter), None),
        Targets::LetterIds(ids) => (None, Some(ids.iter().map(|id| id.uuid()).collect())),
        Targets::Runs(_, Some(filter)) => (Some(filter), None),
        Targets::Runs(ids, None) => (None, Some(ids.iter().map(|id| id.uuid()).collect())),
    };
    let status = if new.canary > 0 { OperationStatus::Canary } else { OperationStatus::Running };
    sqlx::query!(
        "INSERT INTO ops (id, org_id, kind, filter, ids, actor, user_id, reason, options, rate_per_s, canary, status, total)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        new.id.uuid(),
        new.org_id.map(OrgId::uuid),
        new.kind.as_str(),
        filter.map(serde_json::to_value).transpose()?,
        ids.as_deref(),
        new.actor,
        new.user.map(UserId::uuid),
        new.reason,
        serde_json::to_value(new.options)?,
        new.rate_per_s,
        new.canary,
        status.as_str(),
        total,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

async fn record(tx: &mut Tx, new: &NewOperation<'_>, total: i32) -> Result<(), DatabaseError> {
    let filter = match new.targets {
        Targets::Letters(filter) | Targets::Runs(_, Some(filter)) => Some(filter),
        Targets::LetterIds(_) | Targets::Runs(_, None) => None,
    };
    let details = json!({"total": total, "filter": filter, "from": new.options.from, "model": new.options.model,
                         "canary": new.canary, "rate_per_s": new.rate_per_s});
    let action = format!("operation.{}", new.kind);
    let entry = Entry {
        org_id: new.org_id,
        actor: new.actor,
        action: &action,
        target_type: "operation",
        target_id: &new.id.to_string(),
        reason: new.reason,
        details,
    };
    audit::record(tx.connection(), &entry).await
}
