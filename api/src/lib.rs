//! The api of HelloSales: validates, authorises, enqueues, and answers at once. It never calls a provider.
#![forbid(unsafe_code)]

mod auth;
mod clock;
mod config;
mod envelope;
mod error;
mod extract;
mod feed;
mod follow;
mod generation;
mod import;
mod object;
mod openapi;
mod page;
mod rate_limit;
mod resource;
mod routes;
mod server;
mod sse;
mod state;
mod streams;
mod submit;
mod turn;
mod watch;

pub use config::{ApiConfig, ConfigError, UsualCents};
pub use server::{Api, StartError};
