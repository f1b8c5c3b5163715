//! Fingerprints: letters with the same cause have the same one, whoever's they are. It is made of pipeline, stage, code, provider
//! and the message without what differs from case to case: ids, numbers, and what is quoted.

use sha2::{Digest, Sha256};

use crate::error::ErrorCode;

/// What a death is known by again.
#[derive(Debug, Clone, Copy)]
pub struct Cause<'a> {
    /// The pipeline, whatever its version.
    pub pipeline: &'a str,
    /// The stage that died.
    pub stage: &'a str,
    /// Its error.
    pub code: ErrorCode,
    /// The provider that was asked, if one was.
    pub provider: Option<&'a str>,
    /// What it said.
    pub message: &'a str,
}

const BYTES: usize = 8;
/// What differs stands at the beginning of a message, if anywhere.
const MAX_CHARS: usize = 500;

impl Cause<'_> {
    /// Sixteen hexadecimal digits.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let message = normal(self.message);
        let mut digest = Sha256::new();
        for part in [self.pipeline, self.stage, self.code.as_str(), self.provider.unwrap_or(""), &message] {
            digest.update(part.len().to_be_bytes());
            digest.update(part);
        }
        digest.finalize().iter().take(BYTES).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The message in small letters, without ids, numbers and what is quoted.
#[must_use]
pub fn normal(message: &str) -> String {
    let lower: Vec<char> = message.chars().take(MAX_CHARS).flat_map(char::to_lowercase).collect();
    unquoted(&lower).split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

/// What stands between quotes is somebody's text. A quote that isn't closed, and an apostrophe within a word, is none.
fn unquoted(text: &[char]) -> String {
    let mut plain = String::new();
    let mut at = 0;
    while let Some(&c) = text.get(at) {
        let before = at.checked_sub(1).and_then(|n| text.get(n));
        let opens = before.is_none_or(|c| !c.is_alphanumeric());
        let end = closing(c).filter(|_| opens).and_then(|close| closes(text, at + 1, close));
        match end {
            Some(end) => {
                plain.push_str("\"\"");
                at = end + 1;
            }
            None => {
                plain.push(c);
                at += 1;
            }
        }
    }
    plain
}

const fn closing(open: char) -> Option<char> {
    match open {
        '"' | '\'' | '`' => Some(open),
        '\u{201c}' | '\u{201e}' => Some('\u{201d}'),
        '\u{2018}' => Some('\u{2019}'),
        '\u{ab}' => Some('\u{bb}'),
        _ => None,
    }
}

fn closes(text: &[char], from: usize, close: char) -> Option<usize> {
    let ends = |n: usize| text.get(n + 1).is_none_or(|c| !c.is_alphanumeric());
    (from..text.len()).find(|&n| text.get(n) == Some(&close) && ends(n))
}

/// A word with a digit in it is a number, an id, a time, an address or a version: what it says differs. What surrounds it stays.
fn word(word: &str) -> String {
    let is_inner = |c: char| c.is_alphanumeric();
    let inner = word.trim_matches(|c: char| !is_inner(c));
    if !inner.chars().any(|c| c.is_ascii_digit()) {
        return word.to_owned();
    }
    word.replacen(inner, "#", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(message: &str) -> Cause<'_> {
        Cause { pipeline: "email", stage: "llm", code: ErrorCode::ProviderTimeout, provider: Some("groq"), message }
    }

    #[test]
    fn what_differs_from_case_to_case_is_left_out() {
        for (message, is) in [
            ("no answer within 60000 ms", "no answer within # ms"),
            ("Model 'llama-3.1' does not exist", "model \"\" does not exist"),
            ("run 0199f2a1-7c3e-7000-8000-000000000001 is gone", "run # is gone"),
            ("the provider doesn't know it", "the provider doesn't know it"),
            ("an \u{201c}open\u{201d} one, and \"another", "an \"\" one, and \"another"),
            ("  two\n lines (3) ", "two lines (#)"),
            ("status=429; retry", "#; retry"),
            ("'' is empty", "\"\" is empty"),
        ] {
            assert_eq!(normal(message), is, "{message}");
        }
    }

    #[test]
    fn the_same_cause_has_the_same_fingerprint_and_another_one_another() {
        let one = cause("no answer within 60000 ms").fingerprint();
        assert_eq!(one.len(), 16);
        assert_eq!(one, cause("No answer within 1 ms").fingerprint());
        let others = [
            cause("no answer"),
            Cause { pipeline: "script", ..cause("no answer within 60000 ms") },
            Cause { stage: "persist", ..cause("no answer within 60000 ms") },
            Cause { code: ErrorCode::StageTimeout, ..cause("no answer within 60000 ms") },
            Cause { provider: None, ..cause("no answer within 60000 ms") },
        ];
        for other in others {
            assert_ne!(one, other.fingerprint(), "{other:?}");
        }
    }
}
