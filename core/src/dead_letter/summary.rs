//! Summary: how many letters share what, the largest group first.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::matching::matching;
use crate::database::Tx;
use crate::error::DatabaseError;
use crate::id::DeadLetterId;
use crate::pulse::filter::Filter;
use crate::run::text_enum;

text_enum! {
    /// What letters are grouped by.
    By {
        /// The error's code.
        Error = "error",
        /// The failed stage.
        Stage = "stage",
        /// The provider that was asked.
        Provider = "provider",
        /// The pipeline.
        Pipeline = "pipeline",
        /// The organisation.
        Org = "org",
        /// The cause.
        Fingerprint = "fingerprint",
    }
}

/// More groups than this are not told.
pub const MAX_GROUPS: i64 = 200;

/// Letters that share all that they are grouped by; what they are not grouped by is `None`.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "what letters are grouped by, by their names")]
pub struct Group {
    pub error: Option<String>,
    pub stage: Option<String>,
    pub provider: Option<String>,
    pub pipeline: Option<String>,
    pub org: Option<String>,
    pub fingerprint: Option<String>,
    /// How many.
    pub count: i64,
    /// Of how many organisations.
    pub organisations: i64,
    /// The first.
    pub oldest: DateTime<Utc>,
    /// The last.
    pub newest: DateTime<Utc>,
    /// One of them, to look at.
    pub example: DeadLetterId,
    /// What the newest says.
    pub message: Option<String>,
}

/// Groups the letters that a filter means.
///
/// # Errors
/// If the database fails.
pub async fn groups(tx: &mut Tx, filter: &Filter, by: &[By]) -> Result<Vec<Group>, DatabaseError> {
    super::plan_for_values(tx).await?;
    let has = |one: By| by.contains(&one);
    let query = matching!(
        query_as<Group>,
        filter,
        r#"SELECT v.error, v.stage, v.provider, v.pipeline, v.org, v.fingerprint, count(*) AS "count!",
             count(DISTINCT v.org_id) AS "organisations!", min(v.created_at) AS "oldest!", max(v.created_at) AS "newest!",
             (array_agg(v.id ORDER BY v.id DESC))[1] AS "example!: DeadLetterId", (array_agg(v.error_message ORDER BY v.id DESC))[1] AS message
           FROM (SELECT d.id, d.org_id, d.created_at, d.error_message, CASE WHEN $15 THEN d.error_code END AS error,
             CASE WHEN $16 THEN d.failed_stage END AS stage, CASE WHEN $17 THEN d.provider END AS provider,
             CASE WHEN $18 THEN d.pipeline END AS pipeline, CASE WHEN $19 THEN d.org_id::text END AS org,
             CASE WHEN $20 THEN d.fingerprint END AS fingerprint FROM dead_letter_queue d WHERE "#,
        ") v GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY count(*) DESC, max(v.created_at) DESC LIMIT $21",
        has(By::Error),
        has(By::Stage),
        has(By::Provider),
        has(By::Pipeline),
        has(By::Org),
        has(By::Fingerprint),
        MAX_GROUPS,
    );
    Ok(query.fetch_all(tx.connection()).await?)
}

/// What it would take to try a set of letters again.
#[derive(Debug, Clone)]
pub struct Reach {
    /// How many there are; counted to the given limit and one more.
    pub count: i64,
    /// Of how many organisations.
    pub organisations: i64,
    /// What they have cost so far, which is about what they will.
    pub cost_cents: Decimal,
}

/// Counts the letters that a filter means, to a limit. `unless_redriven`: only those whose runs were not put back.
///
/// # Errors
/// If the database fails.
pub async fn reach(tx: &mut Tx, filter: &Filter, unless_redriven: bool, limit: i64) -> Result<Reach, DatabaseError> {
    super::plan_for_values(tx).await?;
    let query = matching!(
        query_as<Reach>,
        filter,
        r#"SELECT count(*) AS "count!", count(DISTINCT v.org_id) AS "organisations!", coalesce(sum(v.cost), 0) AS "cost_cents!"
           FROM (SELECT d.org_id, r.total_cost_cents / r.generation AS cost
                 FROM dead_letter_queue d LEFT JOIN pipeline_runs r ON r.id = d.pipeline_run_id WHERE "#,
        "AND (NOT $15 OR d.resolution IS DISTINCT FROM 'redriven') ORDER BY d.id LIMIT $16) v",
        unless_redriven,
        limit,
    );
    Ok(query.fetch_one(tx.connection()).await?)
}
