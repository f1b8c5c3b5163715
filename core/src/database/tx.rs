//! Transactions. A cancelled `begin` of sqlx 0.9 gives a connection with an open transaction back to its
//! pool, so it runs on a task of its own, which nobody cancels.

use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{AssertSqlSafe, Postgres, Transaction};

use crate::error::DatabaseError;
use crate::id::OrgId;
use crate::run::Lane;

/// An open transaction; rolled back when dropped.
#[derive(Debug)]
pub struct Tx {
    inner: Transaction<'static, Postgres>,
    /// Which organisation it is in.
    inside: Option<OrgId>,
}

impl Tx {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where begin is called, and it can't be cancelled here"
    )]
    pub(super) async fn begin(pool: PgPool) -> Result<Self, DatabaseError> {
        let begin = tokio::spawn(async move { pool.begin().await });
        let inner = begin.await.map_err(|_| DatabaseError::Interrupted)??;
        Ok(Self { inner, inside: None })
    }

    /// Begun and inside an organisation with one message: what most transactions begin with.
    pub(super) async fn begin_in(pool: PgPool, org: OrgId) -> Result<Self, DatabaseError> {
        // Not a macro, since a transaction's first words take no arguments; a UUID as text is hexadecimal and safe.
        let words = AssertSqlSafe(format!("BEGIN; SET LOCAL app.org_id = '{org}'"));
        let begin = tokio::spawn(async move { pool.begin_with(words).await });
        let inner = begin.await.map_err(|_| DatabaseError::Interrupted)??;
        Ok(Self { inner, inside: Some(org) })
    }

    /// The connection, for statements that serve all organisations.
    pub fn connection(&mut self) -> &mut PgConnection {
        &mut self.inner
    }

    /// Enters an organisation: until the transaction ends, row-level security lets through its rows only.
    ///
    /// # Errors
    /// If the server can't be reached.
    pub async fn enter(&mut self, org: OrgId) -> Result<OrgTx<'_>, DatabaseError> {
        if self.inside != Some(org) {
            sqlx::query!("SELECT set_config('app.org_id', $1, true)", org.to_string())
                .fetch_one(self.connection())
                .await?;
            self.inside = Some(org);
        }
        Ok(OrgTx { connection: &mut self.inner, org, submitted: Vec::new() })
    }

    /// The same organisation again, in a transaction that has entered it.
    pub(crate) fn entered(&mut self, org: OrgId) -> OrgTx<'_> {
        OrgTx { connection: &mut self.inner, org, submitted: Vec::new() }
    }

    /// Commits. An error leaves open whether it was done: the answer may have been lost.
    ///
    /// # Errors
    /// If the server refused, or did not answer.
    pub async fn commit(self) -> Result<(), DatabaseError> {
        Ok(self.inner.commit().await?)
    }

    /// Gives up what was done.
    ///
    /// # Errors
    /// If the server did not answer.
    pub async fn rollback(self) -> Result<(), DatabaseError> {
        Ok(self.inner.rollback().await?)
    }
}

/// A transaction inside one organisation: what touches content takes this, so the organisation can't be forgotten.
#[derive(Debug)]
pub struct OrgTx<'t> {
    connection: &'t mut PgConnection,
    org: OrgId,
    submitted: Vec<Lane>,
}

impl OrgTx<'_> {
    /// The organisation.
    #[must_use]
    pub const fn org(&self) -> OrgId {
        self.org
    }

    /// The connection.
    pub fn connection(&mut self) -> &mut PgConnection {
        self.connection
    }

    /// Notes that a lane has something to claim once this commits.
    pub(crate) fn note_submitted(&mut self, lane: Lane) {
        self.submitted.push(lane);
    }

    /// The lanes to wake after the commit.
    pub(crate) fn into_submitted(self) -> Vec<Lane> {
        self.submitted
    }
}
