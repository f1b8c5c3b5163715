//! What a template left open, and merge fields.

use hellosales_core::content::generated::Warning;

use super::mask::Masked;
use super::{Code, vocabulary, warning};

/// Longer than this, what stands in brackets is a sentence.
const MAX_CHARS: usize = 80;

/// Finds what is left open, and hides it and the merge fields from the rules that follow.
pub(super) fn find(masked: &mut Masked, found: &mut Vec<Warning>) {
    merge_fields(masked, found);
    for (open, close) in [("<<", ">>"), ("[[", "]]"), ("[", "]"), ("<", ">"), ("{", "}"), ("%", "%")] {
        between(masked, found, open, close);
    }
    let text = masked.text().to_owned();
    for word in text.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty()) {
        let is_blank = word.len() >= 3 && word.bytes().all(|b| b == b'_');
        let is_crossed = word.len() >= 3 && (word.bytes().all(|b| b == b'X') || word.bytes().all(|b| b == b'x'));
        if is_crossed || is_note(word) || is_blank {
            found.push(warning(Code::TemplateLeftover, word));
        }
    }
    if text.to_lowercase().contains("lorem ipsum") {
        found.push(warning(Code::TemplateLeftover, "Lorem ipsum"));
    }
    for line in text.lines() {
        found.extend(nobody(line).map(|greeting| warning(Code::TemplateLeftover, greeting)));
    }
}

fn is_note(word: &str) -> bool {
    let is_shouted = !word.contains(char::is_lowercase);
    word == "undefined" || (is_shouted && vocabulary::LEFTOVERS.contains(&word.to_ascii_lowercase().as_str()))
}

/// Merge fields of a text: where they stand, and their names.
fn fields(text: &str) -> Vec<(std::ops::Range<usize>, String)> {
    let mut fields = Vec::new();
    let mut at = 0;
    while let Some(open) = text.get(at..).and_then(|rest| rest.find("{{")).map(|n| at + n) {
        let inside = open + 2;
        let Some(length) = text.get(inside..).and_then(|rest| rest.find("}}")) else { break };
        let name = text.get(inside..inside + length).unwrap_or_default();
        at = inside + length + 2;
        if name.chars().count() <= MAX_CHARS && !name.contains('\n') {
            fields.push((open..at, name.trim().to_owned()));
        }
    }
    fields
}

fn merge_fields(masked: &mut Masked, found: &mut Vec<Warning>) {
    for (span, name) in fields(masked.text()) {
        if name.is_empty() {
            let text = masked.text().get(span.clone()).unwrap_or_default();
            found.push(warning(Code::EmptyMergeField, text));
        }
        masked.hide(span);
    }
    for mark in ["{{", "}}"] {
        if masked.text().contains(mark) {
            found.push(warning(Code::TemplateLeftover, mark));
        }
    }
}

/// `[Your Name]`, `<insert link>`, `{name}`, `%NAME%`.
fn between(masked: &mut Masked, found: &mut Vec<Warning>, open: &str, close: &str) {
    let mut at = 0;
    while let Some(start) = masked.text().get(at..).and_then(|rest| rest.find(open)).map(|n| at + n) {
        let inside = start + open.len();
        at = inside;
        let Some(length) = masked.text().get(inside..).and_then(|rest| rest.find(close)) else { continue };
        let (text, span) =
            (masked.text().get(inside..inside + length).unwrap_or_default(), start..inside + length + close.len());
        if !is_placeholder(text, open) {
            continue;
        }
        found.push(warning(Code::TemplateLeftover, masked.text().get(span.clone()).unwrap_or_default()));
        at = span.end;
        masked.hide(span);
    }
}

fn is_placeholder(text: &str, open: &str) -> bool {
    let is_word =
        |c: char| c.is_alphanumeric() || matches!(c, ' ' | '_' | '-' | '/' | '\'' | '’' | ':' | '…' | '.' | ',');
    let begins = text.starts_with(char::is_alphabetic) && !text.ends_with(' ');
    let is_short = text.chars().count() <= MAX_CHARS;
    match open {
        // "5 % of a and 3 %": between two signs of percent stands a sentence.
        "%" => is_short && text.len() > 2 && text.chars().all(|c| c.is_ascii_uppercase() || c == '_'),
        "<" => is_short && begins && text.chars().all(is_word) && !text.contains('@'),
        _ => is_short && text.contains(char::is_alphabetic) && !text.contains('\n'),
    }
}

/// `Dear ,` is to nobody.
fn nobody(line: &str) -> Option<&str> {
    let line = line.trim();
    let (greeting, rest) = line.split_once(',')?;
    let words: Vec<&str> = greeting.split_whitespace().collect();
    let is_open = greeting.ends_with(char::is_whitespace) || rest.starts_with(',');
    let is_void = matches!(words.last(), Some(&("null" | "undefined" | "None" | "NULL"))) && words.len() == 2;
    let first = words.first()?.to_lowercase();
    let is_greeting = vocabulary::GREETINGS.contains(&first.as_str());
    (is_greeting && ((words.len() == 1 && is_open) || is_void)).then(|| line.get(..=greeting.len()).unwrap_or(line))
}

/// Merge fields that are in the texts alone, or in the list alone.
pub(super) fn compare(texts: &[&str], listed: &[String], found: &mut Vec<Warning>) {
    let used: Vec<String> = texts.iter().flat_map(|text| fields(text)).map(|(_, name)| name).collect();
    let has = |names: &[String], name: &str| names.iter().any(|known| plain(known) == plain(name));
    let unlisted = used.iter().filter(|name| !name.is_empty() && !has(listed, name));
    let unused = listed.iter().filter(|name| !has(&used, name));
    found.extend(unlisted.chain(unused).map(|name| warning(Code::UnlistedMergeField, &format!("{{{{{name}}}}}"))));
}

/// `First Name` is `first_name`.
fn plain(name: &str) -> String {
    name.trim().to_lowercase().replace([' ', '-'], "_")
}
