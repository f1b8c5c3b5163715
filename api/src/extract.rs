//! What handlers are given, read and checked: our own extractors, since axum's answer in plain text. Each answers
//! with a [`Problem`].

pub mod body;
pub mod fields;
pub mod idempotency;
pub mod path;
pub mod query;
pub mod strict;

pub use body::{Body, NoBody, ReadBody};
pub use fields::{Fields, Given};
pub use idempotency::IdempotencyKey;
pub use path::Id;
pub use query::{Params, Query, ReadQuery};

#[cfg(doc)]
use crate::error::Problem;
