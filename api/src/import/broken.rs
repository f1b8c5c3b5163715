//! A file that can't be read as a whole: told with its line, and nothing of it is kept.

use crate::error::{Fault, Problem};

/// Why a file is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken {
    /// Where, from 1.
    pub(crate) line: u64,
    /// Which rule.
    pub(crate) code: &'static str,
    /// For people.
    pub(crate) message: String,
}

impl Broken {
    /// A fault of shape.
    pub(super) fn new(line: u64, code: &'static str, message: impl Into<String>) -> Self {
        Self { line, code, message: message.into() }
    }
}

impl From<Broken> for Problem {
    fn from(broken: Broken) -> Self {
        let Broken { line, code, message } = broken;
        Self::invalid(vec![Fault::new(format!("/{line}"), code, message.clone())])
            .told(format!("line {line}: {message}"))
            .detail("line", line)
    }
}
