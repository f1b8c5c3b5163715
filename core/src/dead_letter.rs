//! Dead letters: a run that was stopped by a step out of attempts or failed for good, kept with its context. What it says, and
//! how it is found; what changes one is in [`crate::queue::letter`] and [`crate::queue::redrive`].

mod automatic;
pub mod fingerprint;
pub(crate) mod matching;
pub mod read;
mod snapshot;
pub mod summary;

pub use automatic::{Automatic, MAX_RETRIES};
pub use snapshot::Snapshot;

use crate::database::Tx;
use crate::error::DatabaseError;
use crate::run::text_enum;

text_enum! {
    /// Where a dead letter stands.
    LetterStatus {
        /// Nobody has looked at it yet.
        Pending = "pending",
        /// Somebody is looking for the cause.
        Investigating = "investigating",
        /// Its run was redriven, or its cause is dealt with.
        Resolved = "resolved",
        /// Nobody will do anything about it.
        Abandoned = "abandoned",
    }
}

impl LetterStatus {
    /// Its run's steps are kept, and it can be redriven.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Investigating)
    }
}

text_enum! {
    /// What became of a dead letter.
    Resolution {
        /// Its run was put back.
        Redriven = "redriven",
        /// It was dealt with otherwise.
        Fixed = "fixed",
        /// It is left as it is.
        WontFix = "wont_fix",
    }
}

/// From here on the statements of the transaction are planned for the values that they are given: what a filter leaves out
/// costs nothing.
pub(crate) async fn plan_for_values(tx: &mut Tx) -> Result<(), DatabaseError> {
    sqlx::query!("SET LOCAL plan_cache_mode = force_custom_plan").execute(tx.connection()).await?;
    Ok(())
}
