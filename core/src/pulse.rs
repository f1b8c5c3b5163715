//! Read models: what is shown of the queue, a page in a bounded number of statements. Nothing here writes.

pub mod explain;
pub mod feed;
pub mod filter;
pub mod prefix;
pub mod providers;
pub mod queue_stats;
pub mod run_detail;
pub mod run_list;
pub mod runs;
pub mod standing;
pub mod status;
pub mod step_list;
pub mod why;
pub mod window;
pub mod workers;
mod written;

pub use written::Written;
