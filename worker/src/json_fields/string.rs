//! A JSON string, character by character: escapes may be cut anywhere; and its text as it will be stored.

use super::Unfit;

/// What a character of the document means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Part of an escape.
    More,
    /// This character.
    Char(char),
    /// The string's end.
    End,
}

/// Reads strings, one after another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unescape {
    state: State,
    /// The first half of a surrogate pair.
    high: Option<u32>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Plain,
    Escape,
    Hex { digits: u8, unit: u32 },
}

impl Unescape {
    pub(super) const fn new() -> Self {
        Self { state: State::Plain, high: None }
    }

    /// Takes a character after the opening quote.
    pub(super) fn push(&mut self, c: char) -> Result<Step, Unfit> {
        match self.state {
            State::Plain => self.plain(c),
            State::Escape => self.escape(c),
            State::Hex { digits, unit } => {
                let unit = unit * 16 + c.to_digit(16).ok_or(Unfit)?;
                if digits < 3 {
                    self.state = State::Hex { digits: digits + 1, unit };
                    return Ok(Step::More);
                }
                self.state = State::Plain;
                self.unit(unit)
            }
        }
    }

    fn plain(&mut self, c: char) -> Result<Step, Unfit> {
        match c {
            '\\' => {
                self.state = State::Escape;
                Ok(Step::More)
            }
            _ if self.high.is_some() || c < ' ' => Err(Unfit),
            '"' => Ok(Step::End),
            c => Ok(Step::Char(c)),
        }
    }

    fn escape(&mut self, c: char) -> Result<Step, Unfit> {
        self.state = State::Plain;
        let c = match c {
            'u' => {
                self.state = State::Hex { digits: 0, unit: 0 };
                return Ok(Step::More);
            }
            _ if self.high.is_some() => return Err(Unfit),
            '"' | '\\' | '/' => c,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            _ => return Err(Unfit),
        };
        Ok(Step::Char(c))
    }

    /// A unit of UTF-16: a character, or half of one.
    fn unit(&mut self, unit: u32) -> Result<Step, Unfit> {
        let code = match (self.high.take(), unit) {
            (None, 0xD800..=0xDBFF) => {
                self.high = Some(unit);
                return Ok(Step::More);
            }
            (Some(high), 0xDC00..=0xDFFF) => 0x1_0000 + ((high - 0xD800) << 10) + (unit - 0xDC00),
            (Some(_), _) => return Err(Unfit),
            (None, unit) => unit,
        };
        // The database has no NUL.
        let c = char::from_u32(code).ok_or(Unfit)?;
        Ok(Step::Char(if c == '\0' { char::REPLACEMENT_CHARACTER } else { c }))
    }
}

/// A text is not told beyond this many blanks in a row.
const MAX_BLANKS: usize = 1_024;

/// Reads a text as it is stored: CR LF and CR are LF, and blanks at its ends are none of it.
#[derive(Debug, Clone)]
pub(super) struct Trim {
    has_begun: bool,
    after_cr: bool,
    /// Blanks that are the text's end, unless something follows.
    held: String,
}

impl Trim {
    pub(super) const fn new() -> Self {
        Self { has_begun: false, after_cr: false, held: String::new() }
    }

    /// Takes a character; returns what is certain now.
    pub(super) fn push(&mut self, c: char) -> Result<Option<String>, Unfit> {
        let is_second_half = self.after_cr && c == '\n';
        self.after_cr = c == '\r';
        if is_second_half {
            return Ok(None);
        }
        let c = if c == '\r' { '\n' } else { c };
        if c.is_whitespace() || c == '\u{feff}' {
            if self.has_begun {
                self.held.push(c);
            }
            return if self.held.len() > MAX_BLANKS { Err(Unfit) } else { Ok(None) };
        }
        self.has_begun = true;
        self.held.push(c);
        Ok(Some(std::mem::take(&mut self.held)))
    }
}
