//! Read models: what is shown of the queue, a page in a bounded number of statements. Nothing here writes.

pub mod filter;
pub mod prefix;
pub mod providers;
pub mod run_list;
pub mod runs;
pub mod window;
pub mod workers;
mod written;

pub use written::Written;
