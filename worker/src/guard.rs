//! Content guards: what a person may ask, and what a model may answer.
//!
//! Rules are data (`guard/rules.toml`). Every rule has a length bound, reads folded text (see
//! `fold`), and can say after each character which text might still become a match. So the guard
//! of a whole answer and the window over a stream are the same search, and can't disagree.

mod automaton;
mod error;
mod fold;
mod pattern;
mod rules;
mod scan;
mod window;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use error::RulesError;
pub use rules::{Applies, Category, Limits, Rule, Rules};
pub use window::{OutputWindow, Release};

use scan::{Match, Scan};

/// Why a text is refused. It names the rule and the place and repeats nothing of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule's name.
    pub rule: Arc<str>,
    /// The rule's kind.
    pub category: Category,
    /// A code for people and logs, such as `empty_input`.
    pub reason: Arc<str>,
    /// The first byte of the match in the original text.
    pub start: usize,
    /// The byte after the match; a rule that asks for the end of a word reads one character on.
    pub end: usize,
}

/// A guard's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing found.
    Pass,
    /// Refused.
    Block(Finding),
}

impl Verdict {
    /// The finding, if the text is refused.
    #[must_use]
    pub fn finding(&self) -> Option<&Finding> {
        match self {
            Self::Pass => None,
            Self::Block(finding) => Some(finding),
        }
    }
}

/// The guard over inputs and outputs. Cloning it is cheap: the rules are shared.
#[derive(Clone, Debug)]
pub struct Guard {
    rules: Arc<Rules>,
    enabled: bool,
}

impl Guard {
    /// A guard with the rules that come with the product. `enabled: false` turns off rules about
    /// content only: a blank or endless input is refused all the same.
    ///
    /// # Errors
    /// If the rules break one of their promises.
    pub fn new(enabled: bool) -> Result<Self, RulesError> {
        Ok(Self::from_rules(Rules::embedded()?, enabled))
    }

    /// A guard with rules of one's own.
    #[must_use]
    pub fn from_rules(rules: Rules, enabled: bool) -> Self {
        Self { rules: Arc::new(rules), enabled }
    }

    /// Whether the rules about content are on.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// The rules.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// May this be sent to a model?
    #[must_use]
    pub fn check_input(&self, text: &str) -> Verdict {
        if text.chars().all(is_blank) {
            return malformed("empty_input", text);
        }
        if text.chars().nth(self.rules.limits.input_chars).is_some() {
            return malformed("input_too_long", text);
        }
        if !self.enabled {
            return Verdict::Pass;
        }
        // An input is bounded and read whole, so nothing limits the noise a match may hold.
        let found = scan::find(&self.rules.input, None, text);
        found.map_or(Verdict::Pass, |found| Verdict::Block(self.finding(found)))
    }

    /// May this be shown and stored?
    #[must_use]
    pub fn check_output(&self, text: &str) -> Verdict {
        if !self.enabled {
            return Verdict::Pass;
        }
        let found = scan::find(&self.rules.output, Some(self.rules.limits.noise_chars), text);
        found.map_or(Verdict::Pass, |found| Verdict::Block(self.finding(found)))
    }

    /// What the assistant says to an input that was refused.
    #[must_use]
    pub fn input_blocked_reply(&self, category: Category) -> &str {
        self.rules.replies.input.get(&category).unwrap_or(&self.rules.replies.input_default)
    }

    /// What the assistant says instead of an answer that was refused.
    #[must_use]
    pub fn output_replaced_reply(&self) -> &str {
        &self.rules.replies.output
    }

    fn output_scan(&self) -> Scan {
        Scan::new(Arc::clone(&self.rules.output), Some(self.rules.limits.noise_chars))
    }

    fn finding(&self, found: Match) -> Finding {
        let rule = self.rules.rules.get(found.rule);
        Finding {
            rule: rule.map_or_else(|| Arc::from("unknown"), |rule| Arc::clone(&rule.id)),
            category: rule.map_or(Category::Malformed, |rule| rule.category),
            reason: rule.map_or_else(|| Arc::from("unknown"), |rule| Arc::clone(&rule.reason)),
            start: found.start,
            end: found.end,
        }
    }
}

/// Nothing a reader would see: a message of joiners is as empty as one of spaces.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || fold::is_invisible(c)
}

fn malformed(reason: &str, text: &str) -> Verdict {
    Verdict::Block(Finding {
        rule: Arc::from(reason),
        category: Category::Malformed,
        reason: Arc::from(reason),
        start: 0,
        end: text.len(),
    })
}
