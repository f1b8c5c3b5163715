//! The worker: claims steps under its lease, executes stages, and settles each in one fenced transaction.
#![forbid(unsafe_code)]

mod backend;
mod claimer;
pub mod config;
pub mod environment;
pub mod execute;
pub mod grounding;
pub mod guard;
mod health;
pub mod job;
pub mod json_fields;
pub mod leases;
mod maintenance;
pub mod pipelines;
pub mod prompt;
pub mod provider;
pub mod registry;
pub mod settler;
pub mod slots;
pub mod stage;
pub mod stages;
pub mod stream;
pub mod worker;
