//! What stages may reach.

use hellosales_core::Database;

/// What stages may reach: at most seven things, each cheap to clone.
#[derive(Debug, Clone)]
pub struct Environment {
    /// The database, in the worker's role.
    pub database: Database,
}
