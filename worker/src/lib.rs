//! The worker.

pub mod guard;
