//! A text in which what has been judged is hidden from the next rule.

use std::ops::Range;

/// The text; hidden parts are spaces, so that places stay where they are.
pub(super) struct Masked {
    text: String,
}

impl Masked {
    pub(super) fn new(text: &str) -> Self {
        Self { text: text.to_owned() }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Hides a part. What stood there is no end of a sentence: a mark stays in its place.
    pub(super) fn hide(&mut self, span: Range<usize>) {
        let bytes = span.len();
        if self.text.get(span.clone()).is_some() && bytes > 0 {
            let hidden = format!("_{}", " ".repeat(bytes - 1));
            self.text.replace_range(span, &hidden);
        }
    }
}
