//! Every test that needs more than one crate: one binary, so that it links once.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test that can't go on has failed, and says so"
)]

mod api;
mod batches;
mod chat;
mod checker;
mod cli;
mod fields;
mod harness;
mod pipelines;
mod proxy;
mod queue;
mod schema;
mod tidy;
