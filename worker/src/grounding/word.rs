//! Words, as texts are compared by.

use unicode_normalization::UnicodeNormalization;

/// The words of a text: letters and digits; an apostrophe inside belongs to its word, a hyphen parts two.
pub(super) fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || is_apostrophe(c)))
        .map(|word| word.trim_matches(is_apostrophe))
        .filter(|word| !word.is_empty())
}

pub(super) const fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '’' | 'ʼ')
}

/// A word without case, accents and possessive: `Peña's` is `pena`.
pub(super) fn fold(word: &str) -> String {
    let lower: String =
        word.to_lowercase().replace('ß', "ss").nfkd().filter(|c| c.is_alphanumeric() || is_apostrophe(*c)).collect();
    let bare = ["'s", "’s", "ʼs"].iter().find_map(|ending| lower.strip_suffix(ending)).unwrap_or(&lower);
    bare.trim_end_matches(is_apostrophe).to_owned()
}
