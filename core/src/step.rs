//! A step: one stage of one live run as a row in the queue, the retryable unit. No SQL here.

use crate::run::text_enum;

text_enum! {
    /// Where a step stands.
    StepStatus {
        /// Waits for something that isn't time: see [`HeldBy`].
        Held = "held",
        /// Waits for a time: a backoff or a limit.
        Delayed = "delayed",
        /// May be claimed.
        Ready = "ready",
        /// Claimed by a worker, under its lease.
        Running = "running",
        /// Done; its output is the checkpoint.
        Completed = "completed",
        /// Counts as done; what depends on it runs without its output.
        Skipped = "skipped",
        /// Out of attempts, or failed for good.
        Dead = "dead",
    }
}

text_enum! {
    /// What a held step waits for.
    HeldBy {
        /// An earlier turn of its session.
        Turn = "turn",
        /// A redrive of its failed run.
        Failed = "failed",
        /// The end of a pause.
        Pause = "pause",
    }
}

/// Three lost workers are enough: the step is dead.
pub const MAX_CRASHES: i16 = 3;

/// A stage's output as JSON may have this many bytes.
pub const MAX_OUTPUT_BYTES: usize = 1024 * 1024;
