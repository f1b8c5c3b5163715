//! A rule's pattern: its fragments filled in, parsed over folded bytes, and, for prose, widened to
//! the spellings people use to slip past a filter.

use std::collections::BTreeMap;

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, ClassBytes, ClassBytesRange, Hir, HirKind, Repetition};
use serde::Deserialize;

use super::error::RulesError;

/// A fragment may hold fragments, but not endlessly.
const FRAGMENT_DEPTH_MAX: usize = 8;
/// A class of more members than this stands for "any such character", not for one letter.
const LETTER_CLASS_MAX: usize = 8;
/// What may stand between two words of prose.
const BETWEEN_WORDS: &str = " _*\"'`-~:";
/// How many of those, at most.
const BETWEEN_WORDS_MAX: u32 = 3;

/// How literally a pattern's letters are meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Spelling {
    /// Letter by letter.
    #[default]
    Exact,
    /// A letter is also its digit look-alike; a space is any light separator.
    Prose,
}

/// Parses the pattern of `rule`.
pub(super) fn parse(
    rule: &str,
    pattern: &str,
    fragments: &BTreeMap<String, String>,
    spelling: Spelling,
) -> Result<Hir, RulesError> {
    let pattern = fill(pattern, fragments).ok_or_else(|| RulesError::Fragment(rule.to_owned()))?;
    if !pattern.is_ascii() {
        return Err(RulesError::NotAscii(rule.to_owned()));
    }
    let hir = ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .case_insensitive(true)
        .build()
        .parse(&pattern)
        .map_err(|error| RulesError::Pattern { rule: rule.to_owned(), source: Box::new(error) })?;
    if !hir.properties().look_set().is_empty() {
        return Err(RulesError::LooksAround(rule.to_owned()));
    }
    if hir.properties().minimum_len().is_none_or(|len| len == 0) {
        return Err(RulesError::MatchesEmpty(rule.to_owned()));
    }
    Ok(match spelling {
        Spelling::Exact => hir,
        Spelling::Prose => widen(&hir),
    })
}

/// Puts fragments where `%name%` stands.
fn fill(pattern: &str, fragments: &BTreeMap<String, String>) -> Option<String> {
    let mut filled = pattern.to_owned();
    for _ in 0..FRAGMENT_DEPTH_MAX {
        if !filled.contains('%') {
            return Some(filled);
        }
        let mut next = String::with_capacity(filled.len());
        for (place, part) in filled.split('%').enumerate() {
            next.push_str(if place % 2 == 0 { part } else { fragments.get(part)? });
        }
        filled = next;
    }
    None
}

fn widen(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Literal(literal) => Hir::concat(literal.0.iter().map(|byte| letter(*byte)).collect()),
        HirKind::Class(Class::Bytes(class)) => letters(class),
        HirKind::Repetition(repetition) => Hir::repetition(Repetition {
            min: repetition.min,
            max: repetition.max,
            greedy: repetition.greedy,
            sub: Box::new(widen(&repetition.sub)),
        }),
        HirKind::Capture(capture) => widen(&capture.sub),
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(widen).collect()),
        HirKind::Alternation(parts) => Hir::alternation(parts.iter().map(widen).collect()),
        HirKind::Empty | HirKind::Look(_) | HirKind::Class(Class::Unicode(_)) => hir.clone(),
    }
}

fn letter(byte: u8) -> Hir {
    letters(&ClassBytes::new([ClassBytesRange::new(byte, byte)]))
}

fn letters(class: &ClassBytes) -> Hir {
    let members: Vec<u8> = class.iter().flat_map(|range| range.start()..=range.end()).collect();
    if members == b" " {
        let between = BETWEEN_WORDS.bytes().map(|byte| ClassBytesRange::new(byte, byte));
        return Hir::repetition(Repetition {
            min: 1,
            max: Some(BETWEEN_WORDS_MAX),
            greedy: true,
            sub: Box::new(Hir::class(Class::Bytes(ClassBytes::new(between)))),
        });
    }
    let mut class = class.clone();
    if members.len() <= LETTER_CLASS_MAX {
        for lookalike in members.iter().flat_map(|byte| lookalikes(*byte).bytes()) {
            class.push(ClassBytesRange::new(lookalike, lookalike));
        }
    }
    Hir::class(Class::Bytes(class))
}

/// Digits and signs that are read as this letter.
fn lookalikes(letter: u8) -> &'static str {
    match letter {
        b'a' => "4@",
        b'b' => "8",
        b'e' => "3",
        b'g' => "9",
        b'i' => "1!|l",
        b'l' => "1|",
        b'o' => "0",
        b's' => "5$",
        b't' => "7",
        _ => "",
    }
}
