//! The worker: claims steps under its lease, executes stages, and settles each in one fenced transaction.
#![forbid(unsafe_code)]

pub mod config;
pub mod environment;
pub mod guard;
pub mod leases;
pub mod pipelines;
pub mod prompt;
pub mod provider;
pub mod registry;
pub mod stage;
pub mod stages;
pub mod stream;
