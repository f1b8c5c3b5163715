//! Folding: text as a reader would see it, one ASCII byte a letter.
//!
//! Rules are written once, in plain lower-case ASCII, and hold for full-width letters, accents,
//! look-alikes from other scripts, soft hyphens and zero-width characters. Each character folds
//! by itself (no composition, no reordering), so the result can't depend on how a stream was cut.

use unicode_normalization::char::{decompose_compatible, is_combining_mark};

/// A letter of a script the rules don't read.
pub(super) const OTHER_LETTER: u8 = 0x01;
/// A symbol outside ASCII, such as an emoji.
pub(super) const OTHER_SYMBOL: u8 = 0x02;
/// A Unicode tag character: invisible to people, read by models.
pub(super) const TAG: u8 = 0x03;

/// The end of the text; nothing else folds to it.
pub(super) const END: u8 = b'\n';

/// Where a folded byte stands; a rule says where its matches may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// After a letter or digit.
    Inside,
    /// At the start of a word.
    Word,
    /// First on its line.
    Line,
}

/// The folding of one text, character by character.
#[derive(Clone, Debug)]
pub(super) struct Fold {
    place: Place,
    after_space: bool,
    bytes: Vec<(u8, Place)>,
}

impl Fold {
    pub(super) fn new() -> Self {
        Self { place: Place::Line, after_space: false, bytes: Vec::new() }
    }

    /// Folds one character; an empty answer means that it shows nothing new (it is invisible,
    /// a combining mark, or one more space).
    pub(super) fn push(&mut self, c: char) -> &[(u8, Place)] {
        self.bytes.clear();
        if c.is_ascii() {
            self.ascii(c);
        } else {
            self.wide(c);
        }
        &self.bytes
    }

    fn ascii(&mut self, c: char) {
        if c.is_whitespace() {
            self.space(c != ' ' && c != '\t');
        } else if let Ok(byte) = u8::try_from(c)
            && !byte.is_ascii_control()
        {
            self.visible(byte.to_ascii_lowercase());
        }
    }

    fn wide(&mut self, c: char) {
        if ('\u{E0000}'..='\u{E007F}').contains(&c) {
            self.visible(TAG);
        } else if c.is_whitespace() || c == '\u{2800}' {
            self.space(matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}'));
        } else if is_invisible(c) || is_combining_mark(c) {
            // Shows nothing by itself.
        } else if let Some(text) = lookalike(c) {
            text.bytes().for_each(|byte| self.visible(byte));
        } else if let Some(byte) = enclosed(c) {
            self.visible(byte);
        } else {
            decompose_compatible(c, |part| self.part(part));
        }
    }

    /// One part of a decomposed character.
    fn part(&mut self, c: char) {
        if c.is_ascii() {
            return self.ascii(c);
        }
        if is_combining_mark(c) || is_invisible(c) {
            return;
        }
        for low in c.to_lowercase() {
            if low.is_ascii() {
                self.ascii(low);
            } else if let Some(text) = lookalike(low) {
                text.bytes().for_each(|byte| self.visible(byte));
            } else if !is_combining_mark(low) {
                self.visible(if low.is_alphanumeric() { OTHER_LETTER } else { OTHER_SYMBOL });
            }
        }
    }

    fn space(&mut self, ends_line: bool) {
        if !self.after_space {
            self.bytes.push((b' ', self.place));
            self.after_space = true;
        }
        if ends_line {
            self.place = Place::Line;
        } else if self.place == Place::Inside {
            self.place = Place::Word;
        }
    }

    fn visible(&mut self, byte: u8) {
        self.bytes.push((byte, self.place));
        self.after_space = false;
        self.place = if byte.is_ascii_alphanumeric() { Place::Inside } else { Place::Word };
    }
}

/// Characters that print nothing: joiners, direction marks, variation selectors, fillers.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
        | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}'
        | '\u{FFA0}' | '\u{FFF9}'..='\u{FFFB}' | '\u{1BCA0}'..='\u{1BCA3}'
        | '\u{1D173}'..='\u{1D17A}' | '\u{E0080}'..='\u{E0FFF}')
        || c.is_control()
}

/// Letters in black circles and squares, and regional indicators, have no decomposition.
fn enclosed(c: char) -> Option<u8> {
    let first = match c {
        '\u{1F150}'..='\u{1F169}' => '\u{1F150}',
        '\u{1F170}'..='\u{1F189}' => '\u{1F170}',
        '\u{1F1E6}'..='\u{1F1FF}' => '\u{1F1E6}',
        _ => return None,
    };
    let place = u32::from(c).checked_sub(u32::from(first))?;
    u8::try_from(place).ok()?.checked_add(b'a')
}

/// What a character that isn't ASCII is commonly mistaken for.
fn lookalike(c: char) -> Option<&'static str> {
    Some(match c {
        'а' | 'А' | 'α' | 'Α' | 'ɑ' | 'ᴀ' | 'ɐ' => "a",
        'в' | 'В' | 'β' | 'Β' | 'ʙ' | 'ь' | 'Ь' => "b",
        'с' | 'С' | 'ᴄ' | 'ϲ' | 'Ϲ' | 'ƈ' => "c",
        'ԁ' | 'ᴅ' | 'đ' | 'Đ' | 'ð' | 'ɗ' => "d",
        'е' | 'Е' | 'ε' | 'Ε' | 'ᴇ' | 'є' | 'Є' | 'ə' | 'ɛ' => "e",
        'ғ' | 'ꜰ' | 'ƒ' => "f",
        'ɡ' | 'ɢ' | 'ց' => "g",
        'н' | 'Н' | 'Η' | 'һ' | 'Һ' | 'ʜ' | 'հ' | 'ħ' => "h",
        'і' | 'І' | 'ι' | 'Ι' | 'ı' | 'ɪ' | 'ɩ' | 'Ӏ' | 'ӏ' | 'ǀ' => "i",
        'ј' | 'Ј' | 'ϳ' | 'ᴊ' | 'յ' => "j",
        'к' | 'К' | 'κ' | 'Κ' | 'ᴋ' => "k",
        'ʟ' | 'ł' | 'Ł' | 'ɫ' => "l",
        'м' | 'М' | 'Μ' | 'ᴍ' => "m",
        'п' | 'η' | 'ɴ' | 'ո' | 'Ν' | 'ŋ' => "n",
        'о' | 'О' | 'ο' | 'Ο' | 'σ' | 'ᴏ' | 'օ' | 'ø' | 'Ø' | 'ө' => "o",
        'р' | 'Р' | 'ρ' | 'Ρ' | 'ᴘ' => "p",
        'ԛ' | 'Ԛ' => "q",
        'г' | 'ʀ' | 'ɾ' => "r",
        'ѕ' | 'Ѕ' | 'ꜱ' | 'ʂ' => "s",
        'т' | 'Т' | 'τ' | 'Τ' | 'ᴛ' | 'ŧ' => "t",
        'ս' | 'υ' | 'ᴜ' | 'ʋ' => "u",
        'ѵ' | 'ν' | 'ᴠ' => "v",
        'ԝ' | 'ω' | 'ᴡ' | 'ա' => "w",
        'х' | 'Х' | 'χ' | 'Χ' => "x",
        'у' | 'У' | 'γ' | 'ʏ' | 'Υ' | 'ү' => "y",
        'ᴢ' | 'Ζ' | 'ʐ' => "z",
        'æ' | 'Æ' => "ae",
        'œ' | 'Œ' => "oe",
        'ß' | 'ẞ' => "ss",
        'þ' | 'Þ' => "th",
        '‘' | '’' | '‚' | '‛' | '′' | '´' | 'ʼ' => "'",
        '“' | '”' | '„' | '‟' | '″' | '«' | '»' => "\"",
        '‐' | '‑' | '‒' | '–' | '—' | '―' | '−' => "-",
        '⁄' | '∕' => "/",
        '∶' | 'ː' | '꞉' => ":",
        '‹' | '〈' | '⟨' => "<",
        '›' | '〉' | '⟩' => ">",
        '¦' | '∣' => "|",
        'ǃ' => "!",
        _ => return None,
    })
}
