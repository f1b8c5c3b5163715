//! How long what is kept.

/// How long what is kept, in days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Runs, batches, calls and imports, from their end.
    pub runs_days: i32,
    /// Prompts and answers in the ledger.
    pub prompts_days: i32,
    /// Events.
    pub events_days: i32,
    /// Dead letters, from when they were closed.
    pub dead_letters_days: i32,
    /// The audit log.
    pub audit_days: i32,
}

impl Policy {
    /// What holds where nothing is said.
    pub const DEFAULT: Self =
        Self { runs_days: 90, prompts_days: 30, events_days: 30, dead_letters_days: 90, audit_days: 365 };
}

impl Default for Policy {
    fn default() -> Self {
        Self::DEFAULT
    }
}
