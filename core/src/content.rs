//! Content: what organisations sell, to whom, and what was said. One noun a file; every function works inside
//! one organisation.

pub mod answer;
pub mod client;
pub mod client_import;
pub mod company_profile;
pub mod email;
pub mod generated;
pub mod interaction;
pub mod kept;
pub mod listing;
pub mod member;
pub mod product;
pub mod script;
pub mod search;
pub mod session;
pub mod summary;
pub mod turn_history;
pub mod written;

use crate::id::UserId;

/// Who looks at a session and all that follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Viewer {
    /// The person.
    pub user_id: UserId,
    /// Sees the sessions of others in the organisation, too (`pulse:payloads`).
    pub sees_all: bool,
}

/// Totals stop counting here.
pub const COUNT_LIMIT: i64 = 10_000;

/// How many there are, up to [`COUNT_LIMIT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Total {
    /// The count.
    pub count: i64,
    /// Whether it is the whole count.
    pub is_exact: bool,
}

impl From<i64> for Total {
    /// From a count that stopped one past the limit.
    fn from(count: i64) -> Self {
        Self { count: count.min(COUNT_LIMIT), is_exact: count <= COUNT_LIMIT }
    }
}
