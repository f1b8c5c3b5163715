//! What the stages of two or more pipelines share.

pub mod answer;
pub mod facts;
pub mod written;
