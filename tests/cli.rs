//! The binary, as people start it.

mod batch;
mod batch_flow;
mod bench;
mod chat;
mod clients;
mod demo;
mod dev;
mod faults;
mod operate;
mod program;
mod sdk;
mod settings;
