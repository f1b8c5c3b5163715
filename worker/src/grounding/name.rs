//! Names of people, companies and things: words with a capital in the midst of a sentence that no source has. What begins a
//! sentence is judged only before a word for what people and companies do (`Carla mentioned`); what stands in a line where every word has a
//! capital is not.

use std::collections::HashSet;

use super::vocabulary::{ACTS, GERMAN, NO_NAMES, SOMEBODY, TITLES};
use super::word;

/// What the texts themselves say of their words.
pub(super) struct Common {
    /// Words that stand there without a capital, too: no names.
    lower: HashSet<String>,
    is_german: bool,
}

impl Common {
    pub(super) fn of(texts: &[&str]) -> Self {
        let words = || texts.iter().flat_map(|text| word::split(text));
        let lower = words().filter(|word| word.starts_with(char::is_lowercase)).map(word::fold).collect();
        let known = words().filter(|word| GERMAN.contains(&word.to_lowercase().as_str())).count();
        Self { lower, is_german: known * 8 > words().count() }
    }
}

/// A word, and what stands before it.
struct Token<'a> {
    text: &'a str,
    begins: bool,
    /// What follows is what somebody does.
    acts: bool,
    follows_closely: bool,
}

/// The names that no source has; those that follow each other are one.
pub(super) fn find(text: &str, known: &HashSet<String>, common: &Common) -> Vec<String> {
    let mut names = Vec::new();
    for line in text.lines() {
        let tokens = tokens(line);
        if is_title(&tokens) {
            continue;
        }
        let mut name: Option<String> = None;
        let mut last = "";
        for token in &tokens {
            let is_name = is_name(token, last, common) && !known.contains(&word::fold(token.text));
            last = token.text;
            match (&mut name, is_name) {
                (Some(so_far), true) if token.follows_closely => {
                    so_far.push(' ');
                    so_far.push_str(token.text);
                }
                (_, true) => names.extend(name.replace(token.text.to_owned())),
                (_, false) => names.extend(name.take()),
            }
        }
        names.extend(name);
    }
    names
}

fn tokens(line: &str) -> Vec<Token<'_>> {
    let mut tokens: Vec<Token<'_>> = Vec::new();
    let mut end = 0;
    for text in word::split(line) {
        // Both are parts of the line: their distance is the place.
        let start = text.as_ptr().addr() - line.as_ptr().addr();
        let between = line.get(end..start).unwrap_or_default();
        let is_first = tokens.is_empty();
        let ends_sentence = |c: char| {
            matches!(
                c,
                '.' | '!'
                    | '?'
                    | ':'
                    | ';'
                    | '…'
                    | '—'
                    | '–'
                    | '•'
                    | '|'
                    | '/'
                    | '>'
                    | '"'
                    | '“'
                    | '”'
                    | '„'
                    | '«'
                    | '»'
                    | '('
                    | ')'
                    | '¿'
                    | '¡'
                    | '‘'
                    | '*'
                    | '#'
            )
        };
        // After a title or an initial a point ends nothing: "Dr. Weber".
        let is_short = between == ". " && tokens.last().is_some_and(|last| is_abbreviation(last.text));
        let begins = is_first || (between.contains(ends_sentence) && !is_short);
        let follows_closely = between == " " || is_short;
        if let Some(last) = tokens.last_mut().filter(|last| last.begins && between == " ") {
            last.acts = ACTS.contains(&text) && !SOMEBODY.contains(&last.text.to_lowercase().as_str());
        }
        tokens.push(Token { text, begins, acts: false, follows_closely });
        end = start + text.len();
    }
    tokens
}

fn is_abbreviation(word: &str) -> bool {
    TITLES.contains(&word.to_lowercase().as_str())
}

fn is_capital(word: &str) -> bool {
    word.starts_with(char::is_uppercase)
}

/// `Less Manual Work with Beacon`: a headline.
fn is_title(tokens: &[Token<'_>]) -> bool {
    let long = || tokens.iter().filter(|token| token.text.chars().count() > 3);
    let capitals = long().filter(|token| is_capital(token.text)).count();
    tokens.len() >= 3 && capitals >= 3 && capitals * 10 >= long().count() * 7
}

fn is_name(token: &Token<'_>, last: &str, common: &Common) -> bool {
    let word = token.text;
    let mut letters = word.chars();
    let has_capital = letters.next().is_some_and(char::is_uppercase);
    // All capitals are an acronym; one letter is an initial.
    if !has_capital || !letters.any(char::is_lowercase) || word.chars().count() < 3 {
        return false;
    }
    let after_title = is_abbreviation(last) && last.starts_with(char::is_uppercase);
    if common.is_german && !after_title {
        return false;
    }
    if token.begins && !after_title && !token.acts {
        return false;
    }
    let lower = word.to_lowercase().replace(word::is_apostrophe, "'");
    let is_listed = NO_NAMES.contains(&format!(" {lower} ")) || NO_NAMES.contains(&format!(" {} ", word::fold(word)));
    !is_listed && (after_title || !common.lower.contains(&word::fold(word)))
}
