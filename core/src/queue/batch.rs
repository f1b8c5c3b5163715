//! Batches: every statement that changes where a batch or one of its items stands, but for the end of an item's run, which
//! writes its own item (`finish`).
//!
//! A batch is `running -> completed`, with `running -> awaiting_approval -> running` for a sample, `paused` from either of the
//! two, and `cancelling -> cancelled` from all three; `completed -> running` begins a new round. An item is `waiting ->
//! admitted -> completed | failed | cancelled`. Waiting items are written under their batch's lock, admitted ones under their
//! run's. Lock order: batch < run.

mod admit;
mod approve;
mod cancel;
mod end;
mod item;
mod lock;
mod pause;
mod resume;
mod retry;
mod sweep;

pub(super) use item::take_item_back;
pub(super) use lock::lock;

pub use admit::{Looked, admit};
pub use approve::{approve, resample};
pub use cancel::cancel;
pub use end::end;
pub use pause::{pause, pause_for_budget};
pub use resume::resume;
pub use retry::retry_failed;

use crate::batch::BatchStatus;

/// What became of a change of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// It is done.
    Now,
    /// It was done before.
    Before,
    /// The batch stands where this can't be done.
    InvalidState(BatchStatus),
    /// All of it ended, and nothing failed: what was cancelled stays cancelled.
    NothingFailed,
    /// There is no such batch.
    NotFound,
}
