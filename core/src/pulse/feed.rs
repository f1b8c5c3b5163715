//! One feed for a page: how a person's runs and batches stand, so light that it can be looked at twice a second. Runs of batches
//! are not among them: their batch is.

use chrono::{DateTime, Utc};

use crate::database::OrgTx;
use crate::error::DatabaseError;
use crate::id::{BatchId, RunId, UserId};

/// So many of an organisation's newest batches are looked through for those that ended lately.
const NEWEST_BATCHES: i64 = 200;

/// How a run stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunStanding {
    /// Which.
    pub id: RunId,
    /// Whose.
    pub user_id: UserId,
    /// Its status.
    pub status: String,
    /// Its life: one that ended lives again with the next.
    pub generation: i32,
    /// When it ended.
    pub completed_at: Option<DateTime<Utc>>,
}

/// How a batch stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchStanding {
    /// Which.
    pub id: BatchId,
    /// Who submitted it.
    pub created_by: UserId,
    /// Its status.
    pub status: String,
    /// Its round: one that was completed runs again with the next.
    pub round: i32,
    /// When it ended.
    pub completed_at: Option<DateTime<Utc>>,
}

/// When this transaction looks, by the database's clock.
///
/// # Errors
/// If the database can't be read.
pub async fn now(tx: &mut OrgTx<'_>) -> Result<DateTime<Utc>, DatabaseError> {
    Ok(sqlx::query_scalar!(r#"SELECT statement_timestamp() AS "now!""#).fetch_one(tx.connection()).await?)
}

/// The newest runs of these people, of each so many; and those that are known already. One may come twice.
///
/// # Errors
/// If the database can't be read.
pub async fn runs(
    tx: &mut OrgTx<'_>,
    people: &[(UserId, i64)],
    known: &[RunId],
) -> Result<Vec<RunStanding>, DatabaseError> {
    let org = tx.org().uuid();
    let (users, newest): (Vec<_>, Vec<i64>) = people.iter().map(|(user, newest)| (user.uuid(), *newest)).unzip();
    let known: Vec<_> = known.iter().map(|id| id.uuid()).collect();
    Ok(sqlx::query_as!(
        RunStanding,
        r#"SELECT n.id AS "id!: RunId", n.user_id AS "user_id!: UserId", n.status AS "status!", n.generation AS "generation!", n.completed_at
           FROM unnest($2::uuid[], $3::bigint[]) AS p (user_id, newest)
           CROSS JOIN LATERAL (
             SELECT id, user_id, status, generation, completed_at FROM pipeline_runs
             WHERE org_id = $1 AND user_id = p.user_id AND batch_id IS NULL ORDER BY id DESC LIMIT p.newest) n
           UNION ALL
           SELECT id, user_id, status, generation, completed_at FROM pipeline_runs
           WHERE id = ANY ($4) AND org_id = $1 AND user_id IS NOT NULL AND batch_id IS NULL"#,
        org,
        &users,
        &newest,
        &known,
    )
    .fetch_all(tx.connection())
    .await?)
}

/// The batches of these people that are under way, or ended after a time.
///
/// # Errors
/// If the database can't be read.
pub async fn batches(
    tx: &mut OrgTx<'_>,
    people: &[UserId],
    since: DateTime<Utc>,
) -> Result<Vec<BatchStanding>, DatabaseError> {
    let org = tx.org().uuid();
    let people: Vec<_> = people.iter().map(|user| user.uuid()).collect();
    Ok(sqlx::query_as!(
        BatchStanding,
        r#"SELECT id AS "id!: BatchId", created_by AS "created_by!: UserId", status AS "status!", round AS "round!", completed_at
           FROM email_batches WHERE org_id = $1 AND completed_at IS NULL AND created_by = ANY ($2)
           UNION ALL
           SELECT id, created_by, status, round, completed_at
           FROM (SELECT * FROM email_batches WHERE org_id = $1 ORDER BY created_at DESC, id DESC LIMIT $4) b
           WHERE completed_at > $3 AND created_by = ANY ($2)"#,
        org,
        &people,
        since,
        NEWEST_BATCHES,
    )
    .fetch_all(tx.connection())
    .await?)
}
