//! The rows of a file that wait in the database. They are forgotten when its request ends, however it ends; applied,
//! they are gone already.

use hellosales_core::content::client_import::{self, Row};
use hellosales_core::{Database, DatabaseError, ImportId, OrgId};

use crate::error::Problem;
use crate::state::AppState;

/// A connection that breaks is tried again this often.
const TRIES: u32 = 3;

/// The waiting rows of one file.
pub(super) struct Waiting {
    state: AppState,
    org: OrgId,
    import: ImportId,
    rows: i64,
}

impl Waiting {
    /// None yet.
    pub(super) fn new(state: &AppState, org: OrgId, import: ImportId) -> Self {
        Self { state: state.clone(), org, import, rows: 0 }
    }

    /// The import that they are of.
    pub(super) const fn import(&self) -> ImportId {
        self.import
    }

    /// How many there are.
    pub(super) const fn rows(&self) -> i64 {
        self.rows
    }

    /// Has more of them wait.
    ///
    /// # Errors
    /// If the database fails.
    pub(super) async fn stage(&mut self, rows: Vec<Row>) -> Result<(), Problem> {
        if rows.is_empty() {
            return Ok(());
        }
        self.rows += i64::try_from(rows.len()).unwrap_or_default();
        let mut tries = 0;
        loop {
            tries += 1;
            match self.write(&rows).await {
                Err(error) if tries < TRIES && !error.is_rejected() => {}
                written => return Ok(written?),
            }
        }
    }

    async fn write(&self, rows: &[Row]) -> Result<(), DatabaseError> {
        let mut tx = self.state.db.begin_fast().await?;
        client_import::stage(&mut tx.enter(self.org).await?, self.import, rows).await?;
        tx.commit().await
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.rows == 0 {
            return;
        }
        let (db, org, import) = (self.state.db.clone(), self.org, self.import);
        // If it fails, the janitor does it by their age.
        drop(self.state.work.spawn(async move {
            if let Err(error) = discard(&db, org, import).await {
                tracing::warn!(import_id = %import, org_id = %org, %error, "the rows of a file could not be cleared up yet");
            }
        }));
    }
}

async fn discard(db: &Database, org: OrgId, import: ImportId) -> Result<(), DatabaseError> {
    let mut tx = db.begin_fast().await?;
    client_import::discard(&mut tx.enter(org).await?, import).await?;
    tx.commit().await
}
