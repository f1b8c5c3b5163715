//! A day with the name of its month: `12 March`, `March 12`, `12. März`, `12 de marzo`.

/// The months, each in English, German, French and Spanish; a name that begins so, of three letters or more, is short for it.
const MONTHS: [&[&str]; 12] = [
    &["january", "januar", "jänner", "janvier", "enero", "jan"],
    &["february", "februar", "février", "febrero", "feb"],
    &["march", "märz", "mars", "marzo", "mar"],
    &["april", "avril", "abril", "apr"],
    &["may", "mai", "mayo"],
    &["june", "juni", "juin", "junio", "jun"],
    &["july", "juli", "juillet", "julio", "jul"],
    &["august", "août", "agosto", "aug"],
    &["september", "septembre", "septiembre", "sept", "sep"],
    &["october", "oktober", "octobre", "octubre", "oct", "okt"],
    &["november", "novembre", "noviembre", "nov"],
    &["december", "dezember", "décembre", "diciembre", "dec", "dez"],
];
/// Between a day and its month.
const LINKS: [&str; 9] = ["st", "nd", "rd", "th", "of", "de", "er", "ème", "."];

/// The month that is named after a day, and how far that goes.
pub(super) fn month_after(text: &str) -> Option<(u32, usize)> {
    let mut rest = text;
    let mut has_point = false;
    loop {
        rest = rest.trim_start_matches([' ', '\u{a0}']);
        let word = word_at(rest);
        match LINKS.iter().find(|link| **link == word || (**link == "." && rest.starts_with('.'))) {
            Some(link) => {
                has_point |= *link == ".";
                rest = rest.get(link.len()..)?;
            }
            None => break,
        }
    }
    let word = word_at(rest);
    // "12 may come", "5 mar": a month has a capital in English and German; in French and Spanish it has not.
    let is_bare = word.starts_with(char::is_lowercase) && (word == "may" || word.chars().count() <= 3);
    // "We have 12. May I call?": in English no point parts a day from its month.
    let is_sentence = has_point && matches!(word.to_lowercase().as_str(), "may" | "march");
    let month = month(&word).filter(|_| !is_bare && !is_sentence && text.len() - rest.len() > 0)?;
    Some((month, text.len() - rest.len() + word.len()))
}

/// The month that is named before a day, and where that begins. "In March 12 teams" names no day.
pub(super) fn month_before(text: &str) -> Option<(u32, usize)> {
    let bare = text.strip_suffix(' ')?;
    let word: String = bare.rsplit(|c: char| !c.is_alphabetic()).next().unwrap_or_default().to_owned();
    let start = bare.len().checked_sub(word.len())?;
    let before = bare.get(..start).unwrap_or_default().trim_end();
    let is_span = before.rsplit(char::is_whitespace).next().is_some_and(|last| last.eq_ignore_ascii_case("in"));
    let month = month(&word).filter(|_| word.starts_with(char::is_uppercase) && !is_span)?;
    Some((month, start))
}

fn month(word: &str) -> Option<u32> {
    let lower = word.to_lowercase();
    (1_u32..).zip(MONTHS).find(|(_, names)| names.contains(&lower.as_str())).map(|(month, _)| month)
}

fn word_at(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphabetic()).take(24).collect()
}
