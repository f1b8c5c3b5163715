//! `client_import`.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use hellosales_core::content::client_import::{Arrived, ClientImport, Counts, RowFault};
use hellosales_core::{ImportId, UserId};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// Why a row was rejected.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = ClientImportError)]
pub(crate) struct RowFaultObject {
    /// The line of the file where the row begins, from 1.
    pub line: u64,
    /// The column, as the file's head has it.
    pub column: String,
    /// Which rule: `blank`, `too_long`, `invalid_email`, `too_many`.
    pub code: String,
    /// For people.
    pub message: String,
}

/// A file of clients, and what its rows did: each is counted once.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = ClientImport)]
pub(crate) struct ImportObject {
    #[schema(example = "client_import")]
    pub object: &'static str,
    /// None if nothing was written.
    pub id: Option<Uuid>,
    /// The same as `id`: what a batch is told.
    pub import_id: Option<Uuid>,
    /// `keep_good` or `all_or_nothing`.
    pub mode: String,
    /// It was only looked at: the counts say what would have been.
    pub dry_run: bool,
    pub created: i64,
    pub updated: i64,
    pub unchanged: i64,
    pub rejected: i32,
    /// The first thousand.
    pub errors: Vec<RowFaultObject>,
    /// There are more of them.
    pub errors_truncated: bool,
    /// Columns that mean nothing to us.
    pub ignored_columns: Vec<String>,
    pub created_by: Option<Uuid>,
    pub created_at: Option<DateTime<Utc>>,
}

impl From<ClientImport> for ImportObject {
    fn from(import: ClientImport) -> Self {
        let (errors, errors_truncated) = told(import.errors, import.rejected);
        Self {
            object: "client_import",
            id: Some(import.id.uuid()),
            import_id: Some(import.id.uuid()),
            mode: import.mode,
            dry_run: false,
            created: import.counts.created,
            updated: import.counts.updated,
            unchanged: import.counts.unchanged,
            rejected: import.rejected,
            errors,
            errors_truncated,
            ignored_columns: import.ignored_columns,
            created_by: import.created_by.map(UserId::uuid),
            created_at: Some(import.created_at),
        }
    }
}

impl ImportObject {
    /// Of a file of which nothing was written.
    pub(crate) fn unwritten(file: Arrived, counts: Counts, dry_run: bool) -> Self {
        let (errors, errors_truncated) = told(file.errors, file.rejected);
        Self {
            object: "client_import",
            id: None,
            import_id: None,
            mode: file.mode.as_str().to_owned(),
            dry_run,
            created: counts.created,
            updated: counts.updated,
            unchanged: counts.unchanged,
            rejected: file.rejected,
            errors,
            errors_truncated,
            ignored_columns: file.ignored_columns,
            created_by: None,
            created_at: None,
        }
    }
}

/// The faults that were kept, and whether there were more: of each rejected row one is told at least.
fn told(faults: Vec<RowFault>, rejected: i32) -> (Vec<RowFaultObject>, bool) {
    let lines = faults.iter().map(|fault| fault.line).collect::<BTreeSet<u64>>().len();
    let truncated = usize::try_from(rejected).is_ok_and(|rejected| rejected > lines);
    let told = faults.into_iter().map(|RowFault { line, column, code, message }| RowFaultObject {
        line,
        column,
        code,
        message,
    });
    (told.collect(), truncated)
}

/// The id as a path has it.
pub(crate) fn path(id: ImportId) -> String {
    format!("/clients/imports/{id}")
}
