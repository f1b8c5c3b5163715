//! Every test that needs more than one crate: one binary, so that it links once.

mod api;
mod checker;
mod harness;
mod queue;
mod schema;
mod tidy;
