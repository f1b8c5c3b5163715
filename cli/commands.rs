//! The commands, one noun a file.

pub(crate) mod api;
pub(crate) mod audit;
pub(crate) mod batch;
pub(crate) mod bench;
pub(crate) mod budgets;
pub(crate) mod chat;
pub(crate) mod clients;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod dev;
pub(crate) mod dlq;
pub(crate) mod doctor;
pub(crate) mod keep_postgres;
pub(crate) mod migrate;
pub(crate) mod prune;
pub(crate) mod queue;
pub(crate) mod ops;
pub(crate) mod runs;
pub(crate) mod simulator;
pub(crate) mod status;
pub(crate) mod steps;
pub(crate) mod token;
pub(crate) mod version;
pub(crate) mod worker;
pub(crate) mod workers;
