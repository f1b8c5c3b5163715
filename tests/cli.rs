//! The binary, as people start it.

mod dev;
mod faults;
mod program;
