//! The stream of a run: what its followers see, in order (`protocol.md` 9).
//!
//! `seq = major * 1_000_000 + minor`. Lifecycle events take a major each, under the run's lock. A streaming
//! attempt has a major of its own; its tokens are the minors, written without a lock, one flush at a time.

pub mod open;
pub mod read;
mod text;
pub mod write;

pub(crate) use text::delta;
pub use text::{Field, StreamText, told};

/// A major's room for minors.
pub const MINORS: i64 = 1_000_000;

/// The position of an event in its run's stream.
#[must_use]
pub fn seq(major: i32, minor: i32) -> i64 {
    i64::from(major) * MINORS + i64::from(minor)
}

/// Chunks go this long after the end of their run.
pub const RETENTION_MINUTES: i32 = 60;

/// Where a streaming attempt writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// The attempt's own major.
    pub major: i32,
    /// The minor of its first token.
    pub next_minor: i32,
}
