//! What went wrong, for people: what it is, and what to do about it. Its exit code is for scripts.

use std::fmt;
use std::process::ExitCode;

/// How a command ended (`ops.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Unhealthy, or it failed.
    Failed = 1,
    /// It was called wrongly.
    Usage = 2,
    /// Nothing matched.
    NothingMatched = 3,
    /// The thing is not in a state for it.
    WrongState = 5,
    /// The database or the api can't be reached.
    Unreachable = 6,
    /// The caller may not.
    NotAllowed = 7,
    /// Ctrl-C.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error with its fix and its exit code.
#[derive(Debug)]
pub(crate) struct Problem {
    what: String,
    fix: Option<String>,
    exit: Exit,
}

impl Problem {
    /// A problem without a fix that we know.
    pub(crate) fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { what: what.into(), fix: None, exit }
    }

    /// The same, with what to do about it.
    pub(crate) fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Problem {}

/// Says what went wrong, each cause once, and the fix if there is one; gives the exit code.
pub(crate) fn explain(error: &anyhow::Error) -> (String, Exit) {
    let mut text = String::from("error: ");
    let mut last = String::new();
    for cause in error.chain() {
        let said = cause.to_string();
        if !last.is_empty() && last.contains(&said) {
            continue;
        }
        if !last.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&said);
        last = said;
    }
    let problem = error.chain().find_map(|cause| cause.downcast_ref::<Problem>());
    if let Some(fix) = problem.and_then(|problem| problem.fix.as_deref()) {
        for (n, line) in fix.lines().enumerate() {
            text.push_str(if n == 0 { "\n  fix: " } else { "\n       " });
            text.push_str(line);
        }
    }
    (text, problem.map_or(Exit::Failed, |problem| problem.exit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_comes_with_its_fix_and_its_exit_code_however_deep_it_lies() {
        let error = anyhow::Error::from(Problem::new(Exit::Unreachable, "no api at http://x").fix("hellosales dev"));
        let (text, exit) = explain(&error.context("the session could not be made"));
        assert_eq!(text, "error: the session could not be made: no api at http://x\n  fix: hellosales dev");
        assert_eq!(exit, Exit::Unreachable);
        assert_eq!(explain(&anyhow::anyhow!("x")).1, Exit::Failed);
    }
}
