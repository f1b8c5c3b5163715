//! Read models: what is shown of the queue, in one statement each. Nothing here writes.

pub mod runs;
