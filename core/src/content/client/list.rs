//! Pages of clients, in each order.

use serde::Serialize;
use serde_json::Value;
use sqlx::types::Json;

use super::{Client, Row, select};
use crate::content::kept::Kept;
use crate::content::listing::{Slice, Sort};
use crate::content::search::Search;
use crate::content::{COUNT_LIMIT, Total};
use crate::database::OrgTx;
use crate::error::DatabaseError;
use crate::id::{ClientId, ImportId};

/// Which clients; `None` doesn't ask.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Filter {
    /// Whose words begin with these.
    pub search: Option<Search>,
    /// Of this trade, in whatever case.
    pub industry: Option<String>,
    /// Of this company, in whatever case.
    pub company: Option<String>,
    /// Those that are shown, or those that were put away.
    pub is_active: Option<bool>,
    /// Those that can be written to, or those that can't.
    pub has_email: Option<bool>,
    /// Those that were in this file.
    pub import_id: Option<ImportId>,
}

/// A page of the organisation's clients.
///
/// # Errors
/// If the database can't be read.
pub async fn list(tx: &mut OrgTx<'_>, filter: &Filter, slice: &Slice) -> Result<Vec<Kept<Client>>, DatabaseError> {
    macro_rules! page {
        ($tail:tt, $after:expr) => {
            select!(
                ["AND ($2::text IS NULL OR words @@ to_tsquery('simple', nullif($2, ''))) AND ($3::text IS NULL OR lower(industry) = lower($3))
               AND ($4::text IS NULL OR lower(company) = lower($4)) AND ($5::boolean IS NULL OR is_active = $5)
               AND ($6::boolean IS NULL OR (email IS NOT NULL) = $6)
               AND ($7::uuid IS NULL OR EXISTS (SELECT 1 FROM client_import_members m
                                                WHERE m.org_id = $1 AND m.import_id = $7 AND m.client_id = clients.id)) " + $tail],
                tx.org().uuid(),
                filter.search.as_ref().map(Search::as_str),
                filter.industry,
                filter.company,
                filter.is_active,
                filter.has_email,
                filter.import_id.map(ImportId::uuid),
                $after,
                slice.id_bound(),
                slice.limit
            )
            .fetch_all(tx.connection())
            .await?
        };
    }
    let rows = match slice.sort {
        Sort::Newest => page!(
            "AND (created_at, id) < ($8, $9)
             ORDER BY created_at DESC, id DESC LIMIT $10",
            slice.time_bound()
        ),
        Sort::Oldest => page!(
            "AND (created_at, id) > ($8, $9)
             ORDER BY created_at, id LIMIT $10",
            slice.time_bound()
        ),
        Sort::Name => page!(
            "AND (name, id) > ($8, $9)
             ORDER BY name, id LIMIT $10",
            slice.name_bound()
        ),
        Sort::NameBackwards => page!(
            "AND (name, id) < (CASE WHEN $8::text IS NULL THEN (SELECT max(name) FROM clients WHERE org_id = $1) ELSE $8 END, $9)
             ORDER BY name DESC, id DESC LIMIT $10",
            slice.after_name()
        ),
    };
    Ok(rows.into_iter().map(Kept::from).collect())
}

/// How many clients [`list`] would give in all.
///
/// # Errors
/// If the database can't be read.
pub async fn count(tx: &mut OrgTx<'_>, filter: &Filter) -> Result<Total, DatabaseError> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM (SELECT 1 FROM clients WHERE org_id = $1
             AND ($2::text IS NULL OR words @@ to_tsquery('simple', nullif($2, ''))) AND ($3::text IS NULL OR lower(industry) = lower($3))
             AND ($4::text IS NULL OR lower(company) = lower($4)) AND ($5::boolean IS NULL OR is_active = $5)
             AND ($6::boolean IS NULL OR (email IS NOT NULL) = $6)
             AND ($7::uuid IS NULL OR EXISTS (SELECT 1 FROM client_import_members m
                                              WHERE m.org_id = $1 AND m.import_id = $7 AND m.client_id = clients.id))
           LIMIT $8) counted"#,
        tx.org().uuid(),
        filter.search.as_ref().map(Search::as_str),
        filter.industry,
        filter.company,
        filter.is_active,
        filter.has_email,
        filter.import_id.map(ImportId::uuid),
        COUNT_LIMIT + 1,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(count.into())
}
