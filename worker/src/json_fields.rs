//! The text of a structured answer while it comes: pieces of a JSON document, cut anywhere, become pieces of the decoded
//! text of its members.
//!
//! A string is told as it comes. A list is told item by item, a line each; an item that is an object is its values with
//! `: ` between them; an object is a line a member, `name: value`. A number, `true` and `false` are told when they are
//! complete, `null` is nothing. That is [`hellosales_core::stream::told`] of the member, whatever the cuts.
//!
//! What stands before the first `{` (blanks, the fence of a code block) is skipped, and so is what follows the last `}`.
//! At the first fault, or at a shape that has no such text, nothing more is told: the answer is judged when it is whole.

mod string;
#[cfg(test)]
mod tests;

use string::{Step, Unescape};

/// A member's name or a number has no more characters that matter.
const MAX_WORD: usize = 64;
/// Members that nobody is told may be this deep.
const MAX_DEPTH: usize = 32;

/// The document is not what is told; nothing more of it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Unfit;

/// A piece of decoded text, and the member that it belongs to.
pub type Piece = (&'static str, String);

/// Reads one answer. Its memory is bounded whatever comes.
#[derive(Debug, Clone)]
pub struct JsonFields {
    known: &'static [&'static str],
    /// The members of `known` that have begun.
    begun: Vec<&'static str>,
    at: At,
    /// The objects and lists that are open, the document first.
    open: Vec<Container>,
    /// The top-level member that is being read, if readers are told.
    field: Option<&'static str>,
    string: Unescape,
    /// A name of a member, or a number or word, as far as it has come.
    word: String,
    told: Vec<Piece>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Object,
    List,
}

#[derive(Debug, Clone, Copy)]
struct Container {
    kind: Kind,
    /// How many values in it have begun.
    values: usize,
}

/// What may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Before,
    NameOrEnd,
    Name,
    InName,
    Colon,
    Value,
    ValueOrEnd,
    InString,
    InWord,
    AfterValue,
    Over,
}

impl JsonFields {
    /// Tells these members of the document, each by its name.
    #[must_use]
    pub const fn new(known: &'static [&'static str]) -> Self {
        Self {
            known,
            begun: Vec::new(),
            at: At::Before,
            open: Vec::new(),
            field: None,
            string: Unescape::new(),
            word: String::new(),
            told: Vec::new(),
        }
    }

    /// Takes the next piece of the document; returns what it says, in order, neighbours of one member in one.
    pub fn push(&mut self, piece: &str) -> Vec<Piece> {
        for c in piece.chars() {
            if self.at == At::Over {
                break;
            }
            if self.read(c).is_err() {
                self.at = At::Over;
            }
        }
        std::mem::take(&mut self.told)
    }

    fn read(&mut self, c: char) -> Result<(), Unfit> {
        match (self.at, c) {
            (At::Before, '{') => self.begin(Kind::Object),
            (At::Before | At::Over, _) => Ok(()),
            (At::InName, _) => self.name(c),
            (At::InString, _) => self.string(c),
            (At::InWord, '0'..='9' | 'a'..='z' | 'A'..='Z' | '+' | '-' | '.') => self.word(c),
            (At::InWord, _) => {
                self.end_word()?;
                self.read(c)
            }
            (_, ' ' | '\t' | '\n' | '\r') => Ok(()),
            (At::NameOrEnd | At::Name, '"') => {
                self.begin_name();
                Ok(())
            }
            (At::Colon, ':') => {
                self.end_name()?;
                self.at = At::Value;
                Ok(())
            }
            (At::Value | At::ValueOrEnd, '{' | '[' | '"' | '-' | '0'..='9' | 't' | 'f' | 'n') => self.begin_value(c),
            (At::AfterValue, ',') => {
                self.at = if self.is_in(Kind::Object) { At::Name } else { At::Value };
                Ok(())
            }
            (At::NameOrEnd | At::AfterValue, '}') if self.is_in(Kind::Object) => self.end(),
            (At::ValueOrEnd | At::AfterValue, ']') if self.is_in(Kind::List) => self.end(),
            _ => Err(Unfit),
        }
    }

    fn is_in(&self, kind: Kind) -> bool {
        self.open.last().is_some_and(|container| container.kind == kind)
    }

    /// The document, or a value that holds others. What is told is flat: lists, objects, and objects in a list.
    fn begin(&mut self, kind: Kind) -> Result<(), Unfit> {
        let is_flat = match self.open.len() {
            0 | 1 => true,
            2 => self.is_in(Kind::List) && kind == Kind::Object,
            _ => false,
        };
        if self.open.len() >= MAX_DEPTH || (self.field.is_some() && !is_flat) {
            return Err(Unfit);
        }
        self.open.push(Container { kind, values: 0 });
        self.at = if kind == Kind::Object { At::NameOrEnd } else { At::ValueOrEnd };
        Ok(())
    }

    fn end(&mut self) -> Result<(), Unfit> {
        self.open.pop();
        self.at = if self.open.is_empty() { At::Over } else { At::AfterValue };
        Ok(())
    }

    fn begin_name(&mut self) {
        self.at = At::InName;
        self.word.clear();
        let is_first = self.open.last().is_none_or(|container| container.values == 0);
        if self.open.len() == 2 && !is_first {
            self.tell('\n');
        }
    }

    fn name(&mut self, c: char) -> Result<(), Unfit> {
        match self.string.push(c)? {
            Step::More => {}
            // Names in an object of a list stand for themselves: its values are told.
            Step::Char(c) if self.open.len() == 2 => self.tell(c),
            // A name that is longer than any that is known is none of them, however it ends.
            Step::Char(c) if self.word.len() < MAX_WORD => self.word.push(c),
            Step::Char(_) => {}
            Step::End => self.at = At::Colon,
        }
        Ok(())
    }

    fn end_name(&mut self) -> Result<(), Unfit> {
        match self.open.len() {
            1 => {
                self.field = self.known.iter().copied().find(|known| *known == self.word);
                // Which of two values would be stored is not known before the end.
                if self.field.is_some_and(|field| self.begun.contains(&field)) {
                    return Err(Unfit);
                }
                self.begun.extend(self.field);
            }
            2 => ": ".chars().for_each(|c| self.tell(c)),
            _ => {}
        }
        Ok(())
    }

    fn begin_value(&mut self, c: char) -> Result<(), Unfit> {
        let depth = self.open.len();
        if let Some(container) = self.open.last_mut() {
            container.values = container.values.saturating_add(1);
            let between = match (depth, container.kind) {
                _ if container.values == 1 => "",
                (2, Kind::List) => "\n",
                (3, Kind::Object) => ": ",
                _ => "",
            };
            between.chars().for_each(|c| self.tell(c));
        }
        match c {
            '{' => self.begin(Kind::Object),
            '[' => self.begin(Kind::List),
            '"' => {
                self.at = At::InString;
                Ok(())
            }
            _ => {
                self.at = At::InWord;
                self.word.clear();
                self.word(c)
            }
        }
    }

    fn string(&mut self, c: char) -> Result<(), Unfit> {
        match self.string.push(c)? {
            Step::More => {}
            Step::Char(c) => self.tell(c),
            Step::End => self.at = At::AfterValue,
        }
        Ok(())
    }

    fn word(&mut self, c: char) -> Result<(), Unfit> {
        if self.word.len() >= MAX_WORD {
            return Err(Unfit);
        }
        self.word.push(c);
        Ok(())
    }

    fn end_word(&mut self) -> Result<(), Unfit> {
        let value: serde_json::Value = serde_json::from_str(&self.word).map_err(|_| Unfit)?;
        hellosales_core::stream::told(&value).chars().for_each(|c| self.tell(c));
        self.at = At::AfterValue;
        Ok(())
    }

    fn tell(&mut self, c: char) {
        let Some(field) = self.field else { return };
        match self.told.last_mut() {
            Some((last, text)) if *last == field => text.push(c),
            _ => self.told.push((field, String::from(c))),
        }
    }
}
