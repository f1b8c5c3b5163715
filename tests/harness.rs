//! What the tests stand on: a database of one's own, a proxy that loses answers, the application in process.

pub(crate) mod app;
pub(crate) mod check;
pub(crate) mod cluster;
pub(crate) mod database;
pub(crate) mod http;
pub(crate) mod proxy;
