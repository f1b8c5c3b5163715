//! Batches: one email for each client of a list, submitted and followed as one. What changes a batch's or an item's status is in
//! `queue`; here is what they are, how one is accepted, and how it is read.

mod accept;
mod change;
mod choose;
mod estimate;
mod items;
mod neighbours;
mod read;
mod spread;
mod waiting;

pub use accept::{AcceptError, NewBatch, accept};
pub use change::{BatchChange, ChangeError, Editable, change, lock};
pub use choose::{Choice, ClientFilter, MAX_CLIENTS, MAX_IDS};
pub use estimate::{Basis, CostPerEmail, Estimate, TimePerEmail, cost_per_email, estimate};
pub use items::{EmailText, Ended, Item, ItemFilter, ShownStatus, count_items, ended_since, items, items_by_n};
pub use neighbours::{Neighbour, Placed, neighbours, placed, warn};
pub use read::{Batch, Counts, Delay, MAX_LIVE, count, get, list, many};

use crate::run::text_enum;

text_enum! {
    /// Where a batch stands.
    BatchStatus {
        /// Its items are admitted as there is room, and worked on.
        Running = "running",
        /// Nothing is admitted, and what is live stands still.
        Paused = "paused",
        /// Its sample is written; the rest waits for a yes.
        AwaitingApproval = "awaiting_approval",
        /// What waited is cancelled; what is live is being cancelled.
        Cancelling = "cancelling",
        /// Every item has ended.
        Completed = "completed",
        /// Stopped by its user.
        Cancelled = "cancelled",
    }
}

text_enum! {
    /// Where an item stands.
    ItemStatus {
        /// Not admitted yet, or to be redriven.
        Waiting = "waiting",
        /// Its run is live.
        Admitted = "admitted",
        /// Its email is written.
        Completed = "completed",
        /// Its run failed.
        Failed = "failed",
        /// Cancelled with its batch, or by itself.
        Cancelled = "cancelled",
    }
}

impl BatchStatus {
    /// Nothing changes a batch in an end state but a retry of what failed.
    #[must_use]
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled)
    }
}
