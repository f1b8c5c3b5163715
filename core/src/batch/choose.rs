//! Whom a batch is for: a list of ids, a filter, or an import. They are frozen as items when the batch is accepted.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::accept::AcceptError;
use crate::content::search::Search;
use crate::database::OrgTx;
use crate::error::DatabaseError;
use crate::id::{BatchId, ClientId, ImportId};

/// So many ids may be listed.
pub const MAX_IDS: usize = 10_000;
/// So many clients may be chosen by a filter or an import.
pub const MAX_CLIENTS: i64 = 100_000;

/// Whom to write to.
#[derive(Debug, Clone)]
pub enum Choice {
    /// These, in this order.
    Clients(Vec<ClientId>),
    /// All active ones that match, the oldest first.
    Filter(ClientFilter),
    /// All active ones that came in by this file, in its order.
    Import(ImportId),
}

/// Which clients; all active ones if nothing is said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientFilter {
    /// With these words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q: Option<String>,
    /// Of this trade, whatever its case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub industry: Option<String>,
    /// Of this company, whatever its case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub company: Option<String>,
    /// With, or without, an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub has_email: Option<bool>,
    /// That came in by this file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import_id: Option<ImportId>,
}

/// Who was chosen, and who was left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Chosen {
    /// Items.
    pub total: i32,
    /// Listed before.
    pub duplicates: i32,
    /// Not active any more.
    pub inactive: i32,
}

/// Who would be chosen; nothing is written.
pub(super) async fn count(tx: &mut OrgTx<'_>, choice: &Choice) -> Result<Chosen, AcceptError> {
    let chosen = match choice {
        Choice::Clients(ids) => listed(tx, ids).await?.1,
        Choice::Filter(filter) => {
            find_import(tx, filter.import_id).await?;
            let total = count_filtered(tx, filter).await?;
            Chosen { total: small(total), ..Chosen::default() }
        }
        Choice::Import(import) => {
            find_import(tx, Some(*import)).await?;
            count_imported(tx, *import).await?
        }
    };
    judge(choice, chosen)
}

/// Writes the items of those who are chosen.
pub(super) async fn write(tx: &mut OrgTx<'_>, batch: BatchId, choice: &Choice) -> Result<Chosen, AcceptError> {
    let chosen = match choice {
        Choice::Clients(ids) => {
            let (ids, chosen) = listed(tx, ids).await?;
            write_listed(tx, batch, &ids).await?;
            chosen
        }
        Choice::Filter(filter) => {
            find_import(tx, filter.import_id).await?;
            let total = write_filtered(tx, batch, filter).await?;
            Chosen { total: small(total), ..Chosen::default() }
        }
        Choice::Import(import) => {
            find_import(tx, Some(*import)).await?;
            let chosen = count_imported(tx, *import).await?;
            write_imported(tx, batch, *import).await?;
            chosen
        }
    };
    judge(choice, chosen)
}

fn judge(choice: &Choice, chosen: Chosen) -> Result<Chosen, AcceptError> {
    if i64::from(chosen.total) > MAX_CLIENTS {
        return Err(AcceptError::TooMany);
    }
    if chosen.total == 0 {
        let nobody = chosen.inactive == 0 && !matches!(choice, Choice::Clients(_));
        return Err(if nobody { AcceptError::NoMatch } else { AcceptError::AllSkipped });
    }
    Ok(chosen)
}

/// A count that stopped one past [`MAX_CLIENTS`].
fn small(count: i64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// The listed ids that are to be written to. One statement looks at all, and gives back only those who aren't.
async fn listed(tx: &mut OrgTx<'_>, ids: &[ClientId]) -> Result<(Vec<Uuid>, Chosen), AcceptError> {
    let mut first: HashMap<Uuid, usize> = HashMap::with_capacity(ids.len());
    let mut unique: Vec<Uuid> = Vec::with_capacity(ids.len());
    for (n, id) in ids.iter().enumerate() {
        first.entry(id.uuid()).or_insert_with(|| {
            unique.push(id.uuid());
            n
        });
    }
    // In the order of the index: neighbours are found on the same page.
    let mut sorted = unique.clone();
    sorted.sort_unstable();
    let org = tx.org().uuid();
    let left_out = sqlx::query!(
        r#"SELECT v.id AS "id!", c.id IS NULL AS "is_missing!"
           FROM unnest($1::uuid[]) AS v(id) LEFT JOIN clients c ON c.id = v.id AND c.org_id = $2
           WHERE c.id IS NULL OR NOT c.is_active"#,
        &sorted,
        org,
    )
    .fetch_all(tx.connection())
    .await?;
    let mut missing: Vec<usize> =
        left_out.iter().filter(|row| row.is_missing).filter_map(|row| first.get(&row.id).copied()).collect();
    if !missing.is_empty() {
        missing.sort_unstable();
        return Err(AcceptError::ClientsNotFound(missing));
    }
    let duplicates = ids.len() - unique.len();
    if !left_out.is_empty() {
        for row in &left_out {
            first.remove(&row.id);
        }
        unique.retain(|id| first.contains_key(id));
    }
    let chosen = Chosen { total: length(&unique), duplicates: whole(duplicates), inactive: whole(left_out.len()) };
    Ok((unique, chosen))
}

fn length<T>(items: &[T]) -> i32 {
    whole(items.len())
}

fn whole(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

async fn write_listed(tx: &mut OrgTx<'_>, batch: BatchId, ids: &[Uuid]) -> Result<(), DatabaseError> {
    let org = tx.org().uuid();
    sqlx::query!(
        "INSERT INTO batch_items (org_id, batch_id, n, client_id)
         SELECT $1, $2, v.n - 1, v.id FROM unnest($3::uuid[]) WITH ORDINALITY AS v(id, n)",
        org,
        batch.uuid(),
        ids,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// The condition is the same for the count and for the items.
macro_rules! filtered {
    (@ $query:ident, $before:literal, $after:literal, $filter:expr, $org:expr $(, $more:expr)*) => {
        sqlx::$query!(
            $before
                + "FROM clients c WHERE c.org_id = $1 AND c.is_active
                   AND ($2::text IS NULL OR c.words @@ to_tsquery('simple', nullif($2, '')))
                   AND ($3::text IS NULL OR lower(c.industry) = lower($3)) AND ($4::text IS NULL OR lower(c.company) = lower($4))
                   AND ($5::boolean IS NULL OR (c.email IS NOT NULL) = $5)
                   AND ($6::uuid IS NULL OR EXISTS (SELECT 1 FROM client_import_members m
                     WHERE m.org_id = c.org_id AND m.import_id = $6 AND m.client_id = c.id)) "
                + $after,
            $org,
            $filter.q.as_deref().map(|q| Search::new(q).as_str().to_owned()),
            $filter.industry,
            $filter.company,
            $filter.has_email,
            $filter.import_id.map(ImportId::uuid)
            $(, $more)*
        )
    };
    ($($all:tt)+) => {
        filtered!(@ $($all)+)
    };
}

async fn count_filtered(tx: &mut OrgTx<'_>, filter: &ClientFilter) -> Result<i64, DatabaseError> {
    let org = tx.org().uuid();
    let query = filtered!(
        query_scalar,
        r#"SELECT count(*) AS "count!" FROM (SELECT 1 "#,
        "LIMIT $7) one",
        filter,
        org,
        MAX_CLIENTS + 1
    );
    Ok(query.fetch_one(tx.connection()).await?)
}

async fn write_filtered(tx: &mut OrgTx<'_>, batch: BatchId, filter: &ClientFilter) -> Result<i64, DatabaseError> {
    let org = tx.org().uuid();
    let query = filtered!(
        query,
        "INSERT INTO batch_items (org_id, batch_id, n, client_id)
         SELECT $1, $7, row_number() OVER (ORDER BY o.created_at, o.id) - 1, o.id FROM (SELECT c.id, c.created_at ",
        "ORDER BY c.created_at, c.id LIMIT $8) o",
        filter,
        org,
        batch.uuid(),
        MAX_CLIENTS + 1
    );
    Ok(query.execute(tx.connection()).await?.rows_affected().cast_signed())
}

async fn find_import(tx: &mut OrgTx<'_>, import: Option<ImportId>) -> Result<(), AcceptError> {
    let Some(import) = import else { return Ok(()) };
    let org = tx.org().uuid();
    let is_there = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM client_imports WHERE org_id = $1 AND id = $2) AS "there!""#,
        org,
        import.uuid(),
    )
    .fetch_one(tx.connection())
    .await?;
    if is_there { Ok(()) } else { Err(AcceptError::ImportNotFound) }
}

async fn count_imported(tx: &mut OrgTx<'_>, import: ImportId) -> Result<Chosen, DatabaseError> {
    let org = tx.org().uuid();
    let row = sqlx::query!(
        r#"SELECT count(*) FILTER (WHERE one.is_active) AS "active!", count(*) FILTER (WHERE NOT one.is_active) AS "inactive!"
           FROM (SELECT c.is_active FROM client_import_members m JOIN clients c ON c.org_id = m.org_id AND c.id = m.client_id
                 WHERE m.org_id = $1 AND m.import_id = $2 ORDER BY m.n LIMIT $3) one"#,
        org,
        import.uuid(),
        2 * MAX_CLIENTS,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(Chosen { total: small(row.active), duplicates: 0, inactive: small(row.inactive) })
}

async fn write_imported(tx: &mut OrgTx<'_>, batch: BatchId, import: ImportId) -> Result<(), DatabaseError> {
    let org = tx.org().uuid();
    sqlx::query!(
        "INSERT INTO batch_items (org_id, batch_id, n, client_id)
         SELECT $1, $2, row_number() OVER (ORDER BY o.n) - 1, o.client_id
         FROM (SELECT m.n, m.client_id FROM client_import_members m JOIN clients c ON c.org_id = m.org_id AND c.id = m.client_id
               WHERE m.org_id = $1 AND m.import_id = $3 AND c.is_active ORDER BY m.n LIMIT $4) o",
        org,
        batch.uuid(),
        import.uuid(),
        MAX_CLIENTS + 1,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
