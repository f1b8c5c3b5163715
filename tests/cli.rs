//! The binary, as people start it.

mod batch;
mod batch_flow;
mod bench;
mod budgets;
mod chat;
mod clients;
mod demo;
mod dev;
mod dlq;
mod faults;
mod keep;
mod operate;
mod program;
mod sdk;
mod settings;
