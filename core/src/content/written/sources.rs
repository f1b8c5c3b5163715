//! What a text can be written from, and whether one is being written.

use uuid::Uuid;

use crate::database::OrgTx;
use crate::error::DatabaseError;
use crate::id::{ClientId, ProductId, RunId};

/// Whether product and client are there, and active. `None`: the organisation has no such one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The product.
    pub product: Option<bool>,
    /// The client.
    pub client: Option<bool>,
}

/// Looks at the product and the client that a text is to be written from.
///
/// # Errors
/// If the database fails.
pub async fn standing(
    tx: &mut OrgTx<'_>,
    product: Option<ProductId>,
    client: Option<ClientId>,
) -> Result<Standing, DatabaseError> {
    let org = tx.org().uuid();
    let standing = sqlx::query_as!(
        Standing,
        "SELECT (SELECT is_active FROM products WHERE org_id = $1 AND id = $2) AS product,
           (SELECT is_active FROM clients WHERE org_id = $1 AND id = $3) AS client",
        org,
        product.map(ProductId::uuid),
        client.map(ClientId::uuid),
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(standing)
}

/// The run that writes this script or email right now, if there is one. Under the lineage's lock no other begins.
///
/// # Errors
/// If the database fails.
pub async fn is_being_written(tx: &mut OrgTx<'_>, target: Uuid) -> Result<Option<RunId>, DatabaseError> {
    let org = tx.org().uuid();
    let run = sqlx::query_scalar!(
        r#"SELECT id AS "id: RunId" FROM pipeline_runs WHERE target_id = $1 AND target_type IN ('script', 'email') AND batch_id IS NULL
             AND org_id = $2 AND status IN ('queued', 'running') LIMIT 1"#,
        target,
        org,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(run)
}
