//! The binary, as people start it.

mod batch;
mod bench;
mod chat;
mod clients;
mod demo;
mod dev;
mod faults;
mod program;
mod sdk;
mod settings;
