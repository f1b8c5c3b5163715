//! Read models: what is shown of the queue, a page in a bounded number of statements. Nothing here writes.

pub mod feed;
pub mod filter;
pub mod runs;
mod written;

pub use written::Written;
