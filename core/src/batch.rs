//! Batches: one email for each client of a list, submitted and followed as one. What changes a batch's or an item's status is in
//! `queue`; here is what they are, how one is accepted, and how it is read.

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
