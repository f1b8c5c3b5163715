//! What this provider calls a token: a word or a punctuation mark, with the space before it.

/// Longer words count as several tokens, as they do with real vocabularies.
const LONGEST_WORD: usize = 12;

/// The text in pieces; put together again they are the text, byte for byte.
pub(crate) fn pieces(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut word = 0;
    let mut close = |start: &mut usize, end: usize| {
        if let Some(piece) = text.get(*start..end).filter(|piece| !piece.is_empty()) {
            found.push(piece);
        }
        *start = end;
    };
    for (at, c) in text.char_indices() {
        if c.is_alphanumeric() {
            if word == LONGEST_WORD {
                close(&mut start, at);
                word = 0;
            }
            word += 1;
        } else {
            if word > 0 {
                close(&mut start, at);
                word = 0;
            }
            // A space waits for what it leads in.
            if !c.is_whitespace() {
                close(&mut start, at + c.len_utf8());
            }
        }
    }
    close(&mut start, text.len());
    found
}

/// How many tokens a text counts.
pub(crate) fn count(text: &str) -> usize {
    pieces(text).len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_marks_are_pieces() {
        assert_eq!(pieces("Hello Ana, go!"), ["Hello", " Ana", ",", " go", "!"]);
        assert_eq!(pieces("internationalisation"), ["internationa", "lisation"]);
        assert_eq!(pieces(""), Vec::<&str>::new());
    }

    #[test]
    fn pieces_put_together_are_the_text() {
        for text in ["  a\n\nb ", "Zoë — 東京 🚀🚀 {{first_name}}", "\"k\": [1, 2]", "\u{301}x\u{0}"] {
            assert_eq!(pieces(text).concat(), text);
        }
    }
}
