//! Full-text search: what a person types, as a query of PostgreSQL. Bind it as text, and match it with
//! `words @@ to_tsquery('simple', nullif($n, ''))`: a query without a word is NULL then, and finds nothing.

use serde::Serialize;

/// A query takes this many words; what comes after them is not looked at.
const MAX_WORDS: usize = 20;

/// What to look for: every word must begin a word of the text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Search {
    query: String,
}

impl Search {
    /// Reads what a person typed. Words end where those of the stored texts do (`words_of`): at blanks, control
    /// characters and ASCII punctuation. Anything else is quoted, and left to PostgreSQL's parser, which cut the
    /// text: so letters of every script, and the signs on them, are treated alike on both sides.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let words = text
            .split(|c: char| c.is_whitespace() || c.is_control() || (c.is_ascii() && !c.is_ascii_alphanumeric()))
            .filter(|word| word.chars().any(char::is_alphanumeric))
            .take(MAX_WORDS);
        let terms: Vec<String> = words.map(|word| format!("'{word}':*")).collect();
        Self { query: terms.join(" & ") }
    }

    /// The query; empty if there was no word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.query
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> String {
        Search::new(text).as_str().to_owned()
    }

    #[test]
    fn every_word_is_the_beginning_of_one() {
        assert_eq!(query("acme  Ren"), "'acme':* & 'Ren':*");
        assert_eq!(query("ana@lumen-retail.example"), "'ana':* & 'lumen':* & 'retail':* & 'example':*");
    }

    #[test]
    fn operators_and_quotes_are_no_part_of_a_query() {
        for text in ["a & !b | (c <-> d):*", "'a' \"b\" \\c `d`", "a:b;c--d", "a\u{0}b\tc\nd"] {
            assert_eq!(query(text), "'a':* & 'b':* & 'c':* & 'd':*", "{text:?}");
        }
    }

    #[test]
    fn every_script_has_words_and_signs_alone_are_none() {
        assert_eq!(query("Привет, שלום"), "'Привет':* & 'שלום':*");
        assert_eq!(query("हिन्दी 東京"), "'हिन्दी':* & '東京':*");
        for text in ["", "   ", "!!! --", "😀 🎉", "\u{202e}", "'"] {
            assert_eq!(query(text), "", "{text:?}");
        }
    }

    #[test]
    fn words_past_the_bound_are_not_looked_at() {
        assert_eq!(query(&"word ".repeat(1_000)).matches(":*").count(), MAX_WORDS);
    }
}
