//! The rules as data: read from a file, checked, compiled. A file that breaks a promise is refused
//! when the process starts, never when a text arrives.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use regex_syntax::hir::Hir;
use serde::{Deserialize, Serialize};

use super::automaton::Automaton;
use super::error::RulesError;
use super::fold::Place;
use super::pattern::{self, Spelling};
use super::scan::find;

/// The rules that come with the product.
const EMBEDDED: &str = include_str!("rules.toml");
/// No pattern may be longer than this, whatever the file says: it is what a reader waits for.
const PATTERN_CHARS_MAX: usize = 224;
const NOISE_CHARS_MAX: u32 = 64;
pub(super) const RULES_MAX: usize = 200;
pub(super) const STATES_MAX: usize = 1 << 17;

/// What kind of harm a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// Text that tries to take over the model's instructions.
    PromptInjection,
    /// Markup that would run or call home where the text is shown.
    Markup,
    /// Keys, tokens and passwords.
    Secrets,
    /// The model telling its own instructions.
    SelfDisclosure,
    /// Not content at all: blank, or longer than allowed.
    Malformed,
}

impl Category {
    /// The name used in events and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PromptInjection => "prompt_injection",
            Self::Markup => "markup",
            Self::Secrets => "secrets",
            Self::SelfDisclosure => "self_disclosure",
            Self::Malformed => "malformed",
        }
    }
}

/// Which texts a rule reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Applies {
    /// What a person sends.
    Input,
    /// What a model answers.
    Output,
    /// Both.
    Both,
}

/// One rule, checked.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name.
    pub id: Arc<str>,
    /// Its kind.
    pub category: Category,
    /// Why a text is refused, as a code that repeats nothing of the text.
    pub reason: Arc<str>,
    /// Which texts it reads.
    pub applies: Applies,
    /// The longest match in letters.
    pub bound_chars: usize,
    /// Texts it must refuse.
    pub blocks: Vec<String>,
    /// Texts it must let through.
    pub passes: Vec<String>,
    hir: Hir,
    from: Place,
}

/// Bounds on texts and matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// The longest input, in characters.
    pub input_chars: usize,
    /// The longest match of any rule, in letters.
    pub pattern_chars: usize,
    /// How many characters that show nothing a match may hold, beyond one for each letter.
    pub noise_chars: u32,
}

/// What is said instead of a refused text.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Replies {
    pub(super) output: String,
    pub(super) input: BTreeMap<Category, String>,
    pub(super) input_default: String,
}

/// All rules, checked and compiled.
#[derive(Clone, Debug)]
pub struct Rules {
    pub(super) limits: Limits,
    pub(super) rules: Vec<Rule>,
    pub(super) replies: Replies,
    pub(super) input: Arc<Automaton>,
    pub(super) output: Arc<Automaton>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    limits: Limits,
    replies: Replies,
    #[serde(default)]
    fragments: BTreeMap<String, String>,
    #[serde(rename = "rule", default)]
    rules: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    category: Category,
    reason: String,
    applies: Applies,
    #[serde(default)]
    starts: Starts,
    #[serde(default)]
    spelling: Spelling,
    pattern: String,
    blocks: Vec<String>,
    passes: Vec<String>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Starts {
    Anywhere,
    #[default]
    Word,
    Line,
}

impl Rules {
    /// The rules that come with the product.
    ///
    /// # Errors
    /// As [`Rules::parse`]; a test holds that it doesn't.
    pub fn embedded() -> Result<Self, RulesError> {
        Self::parse(EMBEDDED)
    }

    /// Reads, checks and compiles rules.
    ///
    /// # Errors
    /// The first promise that the file breaks.
    pub fn parse(text: &str) -> Result<Self, RulesError> {
        let file: File = toml::from_str(text).map_err(|error| RulesError::Syntax(Box::new(error)))?;
        file.limits.check()?;
        if file.rules.is_empty() || file.rules.len() > RULES_MAX {
            return Err(RulesError::Count(file.rules.len()));
        }
        let mut names = HashSet::new();
        let mut rules = Vec::with_capacity(file.rules.len());
        for entry in file.rules {
            if !names.insert(entry.id.clone()) {
                return Err(RulesError::Twice(entry.id));
            }
            rules.push(entry.check(&file.fragments, &file.limits)?);
        }
        let compiled = Self {
            limits: file.limits,
            input: compile(&rules, Applies::Output)?,
            output: compile(&rules, Applies::Input)?,
            rules,
            replies: file.replies,
        };
        compiled.check_replies()?;
        Ok(compiled)
    }

    /// The same rules, each for both directions.
    ///
    /// # Errors
    /// If all of them together are too big.
    pub fn for_both_directions(mut self) -> Result<Self, RulesError> {
        for rule in &mut self.rules {
            rule.applies = Applies::Both;
        }
        self.input = compile(&self.rules, Applies::Output)?;
        self.output = Arc::clone(&self.input);
        self.check_replies()?;
        Ok(self)
    }

    /// The rules, in the file's order.
    #[must_use]
    pub fn all(&self) -> &[Rule] {
        &self.rules
    }

    /// Bounds on texts and matches.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// W: the most characters of an answer that are ever held back. A match has at most its rule's
    /// bound in letters, one silent character for each, and the limit's allowance.
    #[must_use]
    pub fn window_chars(&self) -> usize {
        let reads_output = |rule: &&Rule| rule.applies != Applies::Input;
        let longest = self.rules.iter().filter(reads_output).map(|rule| rule.bound_chars).max().unwrap_or(0);
        let noise = usize::try_from(self.limits.noise_chars).unwrap_or(usize::MAX);
        longest.saturating_mul(2).saturating_add(noise)
    }

    fn check_replies(&self) -> Result<(), RulesError> {
        let replies = self.replies.input.values().chain([&self.replies.output, &self.replies.input_default]);
        for reply in replies {
            if reply.trim().is_empty() {
                return Err(RulesError::Reply("blank".into()));
            }
            for automaton in [&self.input, &self.output] {
                if let Some(found) = find(automaton, None, reply) {
                    let id = self.rules.get(found.rule).map(|rule| rule.id.to_string());
                    return Err(RulesError::Reply(id.unwrap_or_default()));
                }
            }
        }
        Ok(())
    }
}

impl Limits {
    fn check(&self) -> Result<(), RulesError> {
        if self.input_chars == 0 {
            return Err(RulesError::Limit("input_chars"));
        }
        if !(1..=PATTERN_CHARS_MAX).contains(&self.pattern_chars) {
            return Err(RulesError::Limit("pattern_chars"));
        }
        if self.noise_chars > NOISE_CHARS_MAX {
            return Err(RulesError::Limit("noise_chars"));
        }
        Ok(())
    }
}

impl Entry {
    fn check(self, fragments: &BTreeMap<String, String>, limits: &Limits) -> Result<Rule, RulesError> {
        for code in [&self.id, &self.reason] {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            if code.is_empty() || !code.chars().all(plain) {
                return Err(RulesError::Code { rule: self.id.clone(), code: code.clone() });
            }
        }
        if self.blocks.is_empty() || self.passes.is_empty() {
            return Err(RulesError::NoExamples(self.id));
        }
        let hir = pattern::parse(&self.id, &self.pattern, fragments, self.spelling)?;
        let bound = hir.properties().maximum_len().ok_or_else(|| RulesError::Unbounded(self.id.clone()))?;
        if bound > limits.pattern_chars {
            return Err(RulesError::TooLong { rule: self.id, bound, limit: limits.pattern_chars });
        }
        Ok(Rule {
            id: self.id.into(),
            category: self.category,
            reason: self.reason.into(),
            applies: self.applies,
            bound_chars: bound,
            blocks: self.blocks,
            passes: self.passes,
            hir,
            from: match self.starts {
                Starts::Anywhere => Place::Inside,
                Starts::Word => Place::Word,
                Starts::Line => Place::Line,
            },
        })
    }
}

/// One table of all rules but those that read only the other direction.
fn compile(rules: &[Rule], other: Applies) -> Result<Arc<Automaton>, RulesError> {
    let mut automaton = Automaton::new();
    for (index, rule) in rules.iter().enumerate().filter(|(_, rule)| rule.applies != other) {
        automaton
            .add(index, &rule.hir, rule.from)
            .map_err(|source| RulesError::Compile { rule: rule.id.to_string(), source })?;
        if automaton.len() > STATES_MAX {
            return Err(RulesError::TooBig(automaton.len()));
        }
    }
    Ok(Arc::new(automaton))
}
