//! What handlers are given, read and checked: our own extractors, since axum's answer in plain text. Each answers
//! with a [`Problem`].

pub(crate) mod body;
pub(crate) mod fields;
pub(crate) mod head;
pub(crate) mod idempotency;
pub(crate) mod ids;
pub(crate) mod if_match;
pub(crate) mod path;
pub(crate) mod query;
pub(crate) mod strict;

pub(crate) use body::{Body, Made, New, NoBody, ReadBody};
pub(crate) use fields::{Fields, Given};
pub(crate) use head::Head;
pub(crate) use idempotency::IdempotencyKey;
pub(crate) use if_match::{ETag, IfMatch, RequiredIfMatch};
pub(crate) use path::{Id, Version};
pub(crate) use query::{Params, Query, ReadQuery};

#[cfg(doc)]
use crate::error::Problem;
