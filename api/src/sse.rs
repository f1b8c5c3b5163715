//! Server-sent events: framing, and the life of one stream.

mod frame;
mod position;
mod stream;
mod text;

pub(crate) use position::Position;
pub(crate) use stream::{Stream, response};
