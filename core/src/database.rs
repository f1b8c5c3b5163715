//! The way to PostgreSQL: pools by role, and transactions that can't be left open by accident.

pub mod health;
pub mod migrate;
mod tx;

use std::str::FromStr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgListener, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection};

pub use tx::{OrgTx, Tx};

use crate::error::DatabaseError;
use crate::id::OrgId;

/// Whom a process is to the database (`protocol.md` 10): each has its own rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Sees one organisation at a time.
    Api,
    /// Serves the queue of all organisations, and content of one at a time.
    Worker,
    /// Reads the stream only.
    Fanout,
    /// Ops.
    Operator,
    /// Whoever the URL names: migrations and the embedded cluster's own tools.
    Login,
}

impl Role {
    const fn name(self) -> Option<&'static str> {
        match self {
            Self::Api => Some("hellosales_api"),
            Self::Worker => Some("hellosales_worker"),
            Self::Fanout => Some("hellosales_fanout"),
            Self::Operator => Some("hellosales_operator"),
            Self::Login => None,
        }
    }
}

/// How to connect.
#[derive(Debug, Clone)]
pub struct DatabaseConfig {
    /// `postgres://…`
    pub url: SecretString,
    /// Shown in `pg_stat_activity`.
    pub application_name: String,
    /// The most connections of the durable pool; the fast pool has as many.
    pub max_connections: u32,
}

impl DatabaseConfig {
    /// A configuration with the usual bounds.
    #[must_use]
    pub fn new(url: SecretString, application_name: &str) -> Self {
        Self { url, application_name: application_name.to_owned(), max_connections: 10 }
    }
}

/// Two pools of one role: *durable* waits for the disk at COMMIT (accept, settle, cancel, redrive, ledger),
/// *fast* does not (claim, beat, reap, promote, chunks, reads).
#[derive(Debug, Clone)]
pub struct Database {
    durable: PgPool,
    fast: PgPool,
    options: PgConnectOptions,
}

const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that was idle for longer is asked whether it still is one.
const TRUSTED_IDLE: Duration = Duration::from_millis(100);

impl Database {
    /// Makes the pools; connects when first used.
    ///
    /// # Errors
    /// If the URL can't be read.
    pub fn new(config: &DatabaseConfig, role: Role) -> Result<Self, DatabaseError> {
        let options = PgConnectOptions::from_str(config.url.expose_secret())?
            .application_name(&config.application_name)
            .options([
                ("lock_timeout", "2s"),
                ("statement_timeout", "10s"),
                ("idle_in_transaction_session_timeout", "10s"),
                ("plan_cache_mode", "force_generic_plan"),
                // Whatever a plan can't do without a step that is switched off below costs 10^10 to the planner, and
                // would be compiled at each execution: 0.4 s for a promotion of nothing.
                ("jit", "off"),
            ])
            .disable_statement_logging();
        let options = match role.name() {
            Some(name) => options.options([("role", name)]),
            None => options,
        };
        let pool = |options: PgConnectOptions| {
            PgPoolOptions::new()
                .max_connections(config.max_connections)
                .acquire_timeout(ACQUIRE_TIMEOUT)
                // One that answered just now is taken at its word: asking each time is a message more in most transactions.
                .test_before_acquire(false)
                .before_acquire(|connection, known| {
                    Box::pin(async move {
                        if known.idle_for > TRUSTED_IDLE {
                            connection.ping().await?;
                        }
                        Ok(true)
                    })
                })
                .connect_lazy_with(options)
        };
        // The claim's statements lose a factor of four to plans that a generic estimate makes look cheap.
        let fast = options.clone().options([
            ("synchronous_commit", "off"),
            ("enable_seqscan", "off"),
            ("enable_bitmapscan", "off"),
            ("enable_sort", "off"),
            ("enable_hashjoin", "off"),
            ("enable_mergejoin", "off"),
        ]);
        let durable = options.clone().options([("synchronous_commit", "on")]);
        Ok(Self { durable: pool(durable), fast: pool(fast), options })
    }

    /// A durable transaction.
    ///
    /// # Errors
    /// If no connection can be had.
    pub async fn begin(&self) -> Result<Tx, DatabaseError> {
        Tx::begin(self.durable.clone()).await
    }

    /// A durable transaction inside an organisation: entering that is free.
    ///
    /// # Errors
    /// If no connection can be had.
    pub async fn begin_in(&self, org: OrgId) -> Result<Tx, DatabaseError> {
        Tx::begin_in(self.durable.clone(), org).await
    }

    /// The same, whose commit does not wait for the disk.
    ///
    /// # Errors
    /// If no connection can be had.
    pub async fn begin_fast_in(&self, org: OrgId) -> Result<Tx, DatabaseError> {
        Tx::begin_in(self.fast.clone(), org).await
    }

    /// A transaction whose commit does not wait for the disk: for reads, and for what a crash may forget.
    ///
    /// # Errors
    /// If no connection can be had.
    pub async fn begin_fast(&self) -> Result<Tx, DatabaseError> {
        Tx::begin(self.fast.clone()).await
    }

    /// The pool for single statements that a crash may forget.
    #[must_use]
    pub const fn fast(&self) -> &PgPool {
        &self.fast
    }

    /// The pool for single statements that must last.
    #[must_use]
    pub const fn durable(&self) -> &PgPool {
        &self.durable
    }

    /// A connection outside the pools, for a duty that must not wait for one.
    ///
    /// # Errors
    /// If the server can't be reached.
    pub async fn connection(&self) -> Result<PgConnection, DatabaseError> {
        let options = self.options.clone().options([("synchronous_commit", "off")]);
        Ok(PgConnection::connect_with(&options).await?)
    }

    /// A listener on a connection of its own.
    ///
    /// # Errors
    /// If the server can't be reached.
    pub async fn listener(&self) -> Result<PgListener, DatabaseError> {
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_lazy_with(self.options.clone());
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.ignore_pool_close_event(true);
        Ok(listener)
    }

    /// Closes both pools, waiting for what is out.
    pub async fn close(&self) {
        self.durable.close().await;
        self.fast.close().await;
    }
}
