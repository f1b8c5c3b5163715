//! The api over real HTTP, against a real database and the simulator's issuer. A worker's part is played by hand.

mod auth;
mod bad_input;
mod batches;
mod connection;
mod content;
mod cors;
mod door;
mod events;
mod feed;
mod idempotency;
mod import;
mod lost_answers;
mod messages;
mod quiet_runs;
mod runs;
mod sessions;
mod shutdown;
mod written;
