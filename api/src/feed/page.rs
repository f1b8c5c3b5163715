//! What a page shows of a person's runs and batches.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use hellosales_core::batch::Batch;
use hellosales_core::pulse::runs::RunRow;
use hellosales_core::pulse::why::Waiting;
use hellosales_core::{BatchId, RunId};

/// What ended stays on the page so long.
pub(crate) const RECENT: TimeDelta = TimeDelta::minutes(1);

/// A person's runs and batches: those under way, and those that ended lately.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    /// When this was read, by the database's clock.
    pub at: DateTime<Utc>,
    /// The oldest first.
    pub runs: BTreeMap<RunId, Arc<RunRow>>,
    /// The oldest first.
    pub batches: BTreeMap<BatchId, Arc<Batch>>,
}

/// What of a run makes a difference to a page: where it stands, and why it doesn't move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunState {
    status: String,
    generation: i32,
    waiting: Option<Waiting>,
}

impl RunState {
    /// Of a run as it was read.
    pub(crate) fn of(row: &RunRow) -> Self {
        Self { status: row.status.clone(), generation: row.generation, waiting: row.waiting() }
    }

    /// Whether it is in the same life and place.
    pub(super) fn stands(&self, status: &str, generation: i32) -> bool {
        self.status == status && self.generation == generation
    }
}
