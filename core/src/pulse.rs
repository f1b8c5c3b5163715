//! Read models: what is shown of the queue, a page in a bounded number of statements. Nothing here writes.

pub mod filter;
pub mod runs;
pub mod why;
mod written;

pub use written::Written;
