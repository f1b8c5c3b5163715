//! The binary, as people start it.

mod bench;
mod chat;
mod demo;
mod dev;
mod faults;
mod program;
mod sdk;
mod settings;
