//! Server-sent events: framing, and the life of one stream.

mod batch;
mod feed;
mod frame;
mod position;
mod stream;
mod text;

pub(crate) use batch::{BatchStream, has_heard_the_end};
pub(crate) use feed::FeedStream;
pub(crate) use position::Position;
pub(crate) use stream::{Stream, open, response};
