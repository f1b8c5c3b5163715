//! The pipelines' stages on a real queue, against the simulator: a step at a time, as each test says.

mod bench;
mod cadence;
mod chat;
mod door;
mod email;
mod fields;
mod grounding;
mod guards;
mod history;
mod laws;
mod ledger;
mod script;
mod written;
