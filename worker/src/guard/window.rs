//! The output guard for a stream: text leaves as soon as no rule can still reach it.

use super::scan::Scan;
use super::{Finding, Guard};

/// What may leave after a piece of an answer arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Release {
    /// This text is clear; it may be empty.
    Text(String),
    /// A rule matched. Nothing more will ever leave this window.
    Blocked {
        /// The match, in offsets of the whole answer.
        finding: Finding,
        /// Text before the match that hadn't left yet and may.
        safe: String,
    },
}

/// Reads an answer piece by piece and lets through, for any way of cutting it, exactly what
/// [`Guard::check_output`] would pass of the whole: all of it, or all before the match.
#[derive(Clone, Debug)]
pub struct OutputWindow {
    guard: Guard,
    /// None once the answer is over: blocked, or finished.
    scan: Option<Scan>,
    /// What arrived and hasn't left.
    held: String,
    /// Bytes that have left.
    left: usize,
}

impl OutputWindow {
    /// A window for one answer.
    #[must_use]
    pub fn new(guard: &Guard) -> Self {
        Self { guard: guard.clone(), scan: Some(guard.output_scan()), held: String::new(), left: 0 }
    }

    /// Takes the next piece.
    pub fn push(&mut self, delta: &str) -> Release {
        let Some(scan) = &mut self.scan else {
            return Release::Text(String::new());
        };
        if !self.guard.is_enabled() {
            self.left = self.left.saturating_add(delta.len());
            return Release::Text(delta.to_owned());
        }
        self.held.push_str(delta);
        for c in delta.chars() {
            scan.push(c);
            if scan.decided().is_some() {
                return self.end();
            }
        }
        let clear = scan.clear_until();
        Release::Text(self.release(clear))
    }

    /// The answer is complete: what is still held leaves, or is refused.
    pub fn finish(&mut self) -> Release {
        let Some(scan) = &mut self.scan else {
            return Release::Text(String::new());
        };
        if self.guard.is_enabled() {
            scan.finish();
        }
        self.end()
    }

    /// What is held back now: at most [`super::Rules::window_chars`] characters.
    #[must_use]
    pub fn held(&self) -> &str {
        &self.held
    }

    /// Matches that are under way: the work for the next character.
    #[cfg(test)]
    pub(super) fn threads(&self) -> usize {
        self.scan.as_ref().map_or(0, Scan::threads)
    }

    fn end(&mut self) -> Release {
        let found = self.scan.take().and_then(|scan| scan.decided());
        let release = match found {
            Some(found) => {
                let safe = self.release(found.start);
                Release::Blocked { finding: self.guard.finding(found), safe }
            }
            None => Release::Text(std::mem::take(&mut self.held)),
        };
        self.held.clear();
        release
    }

    /// Takes what is held before the byte `until` of the whole answer.
    fn release(&mut self, until: usize) -> String {
        // A start always lies on a character and at or after what has left; if it ever didn't,
        // holding everything is the safe mistake.
        let Some((clear, rest)) = until.checked_sub(self.left).and_then(|at| self.held.split_at_checked(at)) else {
            return String::new();
        };
        let (clear, rest) = (clear.to_owned(), rest.to_owned());
        self.left = until;
        self.held = rest;
        clear
    }
}
