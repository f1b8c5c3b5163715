//! Calls that nobody will close any more, closed with what is known of their cost.

use hellosales_core::provider_call;
use hellosales_core::queue::lease::Owned;
use hellosales_core::{Database, DatabaseError, WorkerId};

use super::LlmDoor;
use crate::provider::Usage;
use crate::provider::price::count_tokens;

impl LlmDoor {
    /// Closes the calls that a lost worker left open for a step, with what is known of their cost.
    ///
    /// # Errors
    /// If the database refuses or can't be reached; what is still open is closed by another try.
    pub async fn close_orphans(&self, db: &Database, step: Owned) -> Result<u64, DatabaseError> {
        let calls = provider_call::orphans(db, step).await?;
        provider_call::close_orphans(db, calls, |call| self.price_orphan(call)).await
    }

    /// Closes the calls that a dead worker left open; true if there may be more.
    ///
    /// # Errors
    /// If the database refuses or can't be reached; what is still open is closed by another try.
    pub async fn close_left_by(&self, db: &Database, dead: WorkerId) -> Result<bool, DatabaseError> {
        let calls = provider_call::left_by(db, dead).await?;
        let full = i64::try_from(calls.len()).is_ok_and(|n| n >= provider_call::GROUP);
        provider_call::close_orphans(db, calls, |call| self.price_orphan(call)).await?;
        Ok(full)
    }

    /// Closes the calls that nobody will close any more: the janitor's.
    ///
    /// # Errors
    /// If the database refuses or can't be reached; what is still open is closed by another try.
    pub async fn close_forgotten(&self, db: &Database) -> Result<u64, DatabaseError> {
        let calls = provider_call::forgotten(db).await?;
        provider_call::close_orphans(db, calls, |call| self.price_orphan(call)).await
    }

    fn price_orphan(&self, call: &provider_call::OpenCall) -> (i32, rust_decimal::Decimal) {
        let usage =
            Usage { tokens_in: u32::try_from(call.tokens_in).unwrap_or(0), tokens_out: count_tokens(&call.streamed) };
        let cost = self.prices.cost_cents(&call.provider, &call.model_id, usage);
        (i32::try_from(usage.tokens_out).unwrap_or(i32::MAX), cost)
    }
}
