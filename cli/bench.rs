//! Benchmarks, on a stack of their own that is removed after.

pub(crate) mod batch;
mod chat;
mod list;
mod memory;
mod processor;
mod report;
mod times;
