//! The worker: claims steps under its lease, executes stages, and settles each in one fenced transaction.
#![forbid(unsafe_code)]

pub mod environment;
pub mod guard;
pub mod stage;
pub mod stream;
