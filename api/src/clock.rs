//! The process's own clock, in one place: for the time in an error and the expiry of a token, which belong to no
//! row. What is kept is dated by the database.

use chrono::{DateTime, Utc};

/// The time of this machine.
#[expect(clippy::disallowed_methods, reason = "the one place; nothing that is stored is decided by it")]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}
