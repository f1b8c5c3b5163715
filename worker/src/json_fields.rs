//! The text of a structured answer while it comes: pieces of a JSON document, cut anywhere, become pieces of the decoded
//! text of its members.
//!
//! A text is told as it comes, as it will be stored: line breaks are `\n`, and blanks at its ends are none of it. A list is
//! told item by item, a line each; an item that is an object is its values with `: ` between them. A number, `true` and
//! `false` are told when they are complete, `null` is nothing. So readers have what [`hellosales_core::stream::told`] makes
//! of the member, whatever the cuts.
//!
//! What stands before the first `{` (blanks, the fence of a code block) is skipped, and so is what follows the last `}`.
//! At the first fault, or at a shape that has no such text, nothing more is told: the answer is judged when it is whole.

mod string;
#[cfg(test)]
mod tests;

use string::{Step, Trim, Unescape};

/// A member's name or a number has no more characters that matter.
const MAX_WORD: usize = 64;
/// Members that nobody is told may be this deep.
const MAX_DEPTH: usize = 32;

/// The document is not what is told; nothing more of it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Unfit;

/// A piece of decoded text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The member that it belongs to.
    pub field: &'static str,
    /// What stands between the member's text before it and this one, which begins here. `None`: that text goes on.
    pub after: Option<&'static str>,
    /// The text; it may be empty where one begins.
    pub text: String,
}

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
    trim: Trim,
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
            trim: Trim::new(),
            word: String::new(),
            told: Vec::new(),
        }
    }

    /// Takes the next piece of the document; returns what it says, in order.
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
                self.at = At::InName;
                self.word.clear();
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

    /// The document, or a value that holds others. What is told is flat: lists, and objects in them.
    fn begin(&mut self, kind: Kind) -> Result<(), Unfit> {
        let is_flat = matches!((self.open.len(), kind), (0, _) | (1, Kind::List) | (2, Kind::Object));
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

    fn name(&mut self, c: char) -> Result<(), Unfit> {
        match self.string.push(c)? {
            Step::More => {}
            // A name that is longer than any that is known is none of them, however it ends.
            Step::Char(c) if self.word.len() < MAX_WORD => self.word.push(c),
            Step::Char(_) => {}
            Step::End => self.at = At::Colon,
        }
        Ok(())
    }

    fn end_name(&mut self) -> Result<(), Unfit> {
        if self.open.len() == 1 {
            self.field = self.known.iter().copied().find(|known| *known == self.word);
            // Which of two values will be stored is not known before the end.
            if self.field.is_some_and(|field| self.begun.contains(&field)) {
                return Err(Unfit);
            }
            self.begun.extend(self.field);
        }
        Ok(())
    }

    fn begin_value(&mut self, c: char) -> Result<(), Unfit> {
        let depth = self.open.len();
        let Some(container) = self.open.last_mut() else { return Err(Unfit) };
        container.values = container.values.saturating_add(1);
        let is_first = container.values == 1;
        let after = match (depth, container.kind) {
            (2, Kind::List) if !is_first => "\n",
            (3, Kind::Object) if !is_first => ": ",
            _ => "",
        };
        if let Some(field) = self.field {
            self.told.push(Piece { field, after: Some(after), text: String::new() });
        }
        self.trim = Trim::new();
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
            Step::Char(c) => {
                if let Some(text) = self.trim.push(c)? {
                    self.tell(&text);
                }
            }
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
        let text = hellosales_core::stream::told(&value);
        self.tell(&text);
        self.at = At::AfterValue;
        Ok(())
    }

    fn tell(&mut self, text: &str) {
        let Some(field) = self.field else { return };
        match self.told.last_mut() {
            Some(last) if last.field == field => last.text.push_str(text),
            _ => self.told.push(Piece { field, after: None, text: text.to_owned() }),
        }
    }
}
