//! Why rules are refused at start.

use regex_automata::nfa::thompson::BuildError;

use super::rules::{RULES_MAX, STATES_MAX};

/// Why a file of rules is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RulesError {
    /// It isn't TOML, or not of this shape.
    #[error("the rules can't be read")]
    Syntax(#[source] Box<toml::de::Error>),
    /// A limit is zero or beyond what the product can hold.
    #[error("limit `{0}` is out of range")]
    Limit(&'static str),
    /// No rules at all, or too many.
    #[error("there are {0} rules; 1 to {RULES_MAX} are allowed")]
    Count(usize),
    /// Two rules of one name.
    #[error("rule `{0}` is there twice")]
    Twice(String),
    /// An id or a reason that isn't a plain lower-case code.
    #[error("rule `{rule}`: `{code}` isn't a code of a-z, 0-9 and _")]
    Code {
        /// The rule.
        rule: String,
        /// What was found.
        code: String,
    },
    /// A pattern names a fragment that isn't defined.
    #[error("rule `{0}` names an unknown fragment")]
    Fragment(String),
    /// A pattern isn't a regular expression.
    #[error("rule `{rule}`: the pattern can't be parsed")]
    Pattern {
        /// The rule.
        rule: String,
        /// The parser's word.
        source: Box<regex_syntax::Error>,
    },
    /// A pattern without a longest match could hold back an answer forever.
    #[error("rule `{0}` has no length bound")]
    Unbounded(String),
    /// A pattern's longest match is beyond the limit.
    #[error("rule `{rule}` may match {bound} characters; {limit} are allowed")]
    TooLong {
        /// The rule.
        rule: String,
        /// Its longest match.
        bound: usize,
        /// The limit.
        limit: usize,
    },
    /// A pattern that matches nothing would refuse every text.
    #[error("rule `{0}` matches the empty text")]
    MatchesEmpty(String),
    /// Anchors and word borders depend on where a stream was cut.
    #[error("rule `{0}` looks around; use `starts`, or a last character that isn't a letter")]
    LooksAround(String),
    /// A pattern with letters outside ASCII never matches folded text.
    #[error("rule `{0}` isn't plain ASCII, and texts are folded to it")]
    NotAscii(String),
    /// A rule nobody can check.
    #[error("rule `{0}` needs examples of both kinds")]
    NoExamples(String),
    /// A pattern is too big to compile.
    #[error("rule `{rule}` can't be compiled")]
    Compile {
        /// The rule.
        rule: String,
        /// The compiler's word.
        source: Box<BuildError>,
    },
    /// All rules together are too big.
    #[error("the rules need {0} states; {STATES_MAX} are allowed")]
    TooBig(usize),
    /// What we say instead of a refused text is empty, or would be refused itself.
    #[error("a safe reply is blank, or refused by rule `{0}`")]
    Reply(String),
}
