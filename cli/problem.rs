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
    /// Some of them failed.
    SomeFailed = 4,
    /// The thing is not in a state for it.
    WrongState = 5,
    /// The database or the api can't be reached.
    Unreachable = 6,
    /// The caller may not.
    NotAllowed = 7,
    /// `--wait` ran out.
    TimedOut = 124,
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

/// Says what went wrong, and the fix if there is one; gives the exit code. Of the causes of a problem that we
/// know only the first is said: those between have no more to say.
pub(crate) fn explain(error: &anyhow::Error) -> (String, Exit) {
    let problem = error.downcast_ref::<Problem>();
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    let known = problem.and_then(|problem| causes.iter().position(|cause| *cause == problem.what));
    let mut said: Vec<&str> = match known {
        Some(known) => {
            causes.iter().take(known + 1).chain(causes.iter().skip(known + 1).last()).map(String::as_str).collect()
        }
        None => causes.iter().map(String::as_str).collect(),
    };
    said.dedup();
    let mut text = format!("error: {}", said.join(": "));
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

    #[test]
    fn a_problem_in_front_of_its_causes_is_found_and_only_the_first_cause_is_said() {
        let cause = anyhow::anyhow!("connection refused").context("sending failed").context("no answer");
        let error = cause.context(Problem::new(Exit::Unreachable, "no database").fix("start it")).context("migrating");
        let (text, exit) = explain(&error);
        assert_eq!(text, "error: migrating: no database: connection refused\n  fix: start it");
        assert_eq!(exit, Exit::Unreachable);
    }
}
