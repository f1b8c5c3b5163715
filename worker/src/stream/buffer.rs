//! What one attempt has said and what of it is not yet in a row: pure, so that it can be tried without a database.

use std::collections::VecDeque;

use hellosales_core::step::MAX_OUTPUT_BYTES;
use hellosales_core::stream::write::{Chunk, ResetReason};
use hellosales_core::stream::{Field, Opened, StreamText};

/// A stage waits while this many bytes of its text are not yet in a row.
pub(super) const ROOM_BYTES: usize = 64 * 1024;
/// A chunk has at most this many bytes, unless a single delta has more.
pub(super) const CHUNK_BYTES: usize = 8 * 1024;
/// A run's part of one flush has at most this many rows.
pub(super) const MAX_ROWS: usize = 64;

fn bytes(chunk: &Chunk) -> usize {
    match chunk {
        Chunk::Delta { text, .. } => text.len(),
        Chunk::Reset(_) => 0,
    }
}

/// One attempt's text.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    position: Option<Opened>,
    pending: VecDeque<Chunk>,
    pending_bytes: usize,
    /// How many rows, of those in `pending`, are on their way.
    sent: usize,
    text: StreamText,
    has_flushed: bool,
}

impl Buffer {
    pub(super) fn opened(&mut self, position: Opened) {
        self.position = Some(position);
    }

    pub(super) const fn position(&self) -> Option<Opened> {
        self.position
    }

    pub(super) const fn text(&self) -> &StreamText {
        &self.text
    }

    pub(super) const fn has_room(&self) -> bool {
        self.pending_bytes < ROOM_BYTES
    }

    pub(super) fn is_flushed(&self) -> bool {
        self.position.is_some() && self.pending.is_empty()
    }

    /// Whether rows could be sent now.
    pub(super) fn waits(&self) -> bool {
        self.position.is_some() && self.sent == 0 && !self.pending.is_empty()
    }

    /// Whether the first text of this attempt waits: it goes at once.
    pub(super) fn is_urgent(&self) -> bool {
        !self.has_flushed && !self.pending.is_empty()
    }

    pub(super) fn delta(&mut self, field: Field, text: &str) {
        // More than a checkpoint may have is neither kept nor shown: the stage's output will be refused.
        if text.is_empty() || self.text.bytes() + text.len() > MAX_OUTPUT_BYTES {
            return;
        }
        self.text.push(field, text);
        self.pending_bytes += text.len();
        let open = self.pending.len() > self.sent;
        match self.pending.back_mut() {
            Some(Chunk::Delta { field: last_field, text: last })
                if open && *last_field == field && last.len() + text.len() <= CHUNK_BYTES =>
            {
                last.push_str(text);
            }
            _ => self.pending.push_back(Chunk::Delta { field, text: text.to_owned() }),
        }
    }

    /// What was said and hasn't been sent is never sent.
    pub(super) fn replace(&mut self, reason: ResetReason, text: &StreamText) {
        self.pending.truncate(self.sent);
        self.pending_bytes = self.pending.iter().map(bytes).sum();
        self.text.clear();
        self.pending.push_back(Chunk::Reset(reason));
        text.parts().for_each(|(field, text)| self.delta(field, text));
    }

    /// The next rows, with the position of the first; none while others are on their way.
    pub(super) fn send(&mut self) -> Option<(Opened, Vec<Chunk>)> {
        let position = self.position?;
        if self.sent > 0 || self.pending.is_empty() {
            return None;
        }
        self.sent = self.pending.len().min(MAX_ROWS);
        Some((position, self.pending.iter().take(self.sent).cloned().collect()))
    }

    /// The rows that were on their way are there.
    pub(super) fn landed(&mut self) {
        if let Some(position) = &mut self.position {
            position.next_minor += i32::try_from(self.sent).unwrap_or(i32::MAX);
        }
        self.pending.drain(..self.sent);
        self.sent = 0;
        self.pending_bytes = self.pending.iter().map(bytes).sum();
        self.has_flushed = true;
    }

    /// They are not, or nobody knows: the attempt must be opened anew, and begins with all of its text.
    pub(super) fn in_doubt(&mut self) -> StreamText {
        self.position = None;
        self.pending.clear();
        self.sent = 0;
        self.pending_bytes = 0;
        self.text.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(major: i32, next_minor: i32) -> Opened {
        Opened { major, next_minor }
    }

    fn open() -> Buffer {
        let mut buffer = Buffer::default();
        buffer.opened(at(3, 1));
        buffer
    }

    fn delta(text: &str) -> Chunk {
        Chunk::Delta { field: None, text: text.to_owned() }
    }

    #[test]
    fn what_is_said_between_two_flushes_is_one_row() {
        let mut buffer = open();
        buffer.delta(None, "Hello");
        assert!(buffer.is_urgent());
        buffer.delta(None, " Ana");
        assert_eq!(buffer.send(), Some((at(3, 1), vec![delta("Hello Ana")])));
        buffer.delta(None, ", how");
        assert_eq!(buffer.send(), None, "one flush at a time");
        buffer.landed();
        assert!(!buffer.is_urgent());
        assert_eq!(buffer.send(), Some((at(3, 2), vec![delta(", how")])));
        buffer.landed();
        assert!(buffer.is_flushed());
        assert_eq!(buffer.text().joined(), "Hello Ana, how");
    }

    #[test]
    fn a_row_holds_one_field_and_rows_keep_the_order_of_what_was_said() {
        let mut buffer = open();
        for (field, text) in [("subject", "Hel"), ("subject", "lo"), ("body", "Hi "), ("body", "Ana")] {
            buffer.delta(Some(field), text);
        }
        let row = |field, text: &str| Chunk::Delta { field: Some(field), text: text.to_owned() };
        assert_eq!(buffer.send(), Some((at(3, 1), vec![row("subject", "Hello"), row("body", "Hi Ana")])));
        buffer.delta(Some("body"), "!");
        let said: Vec<_> = buffer.in_doubt().parts().map(|(field, text)| (field, text.to_owned())).collect();
        assert_eq!(said, [(Some("subject"), "Hello".to_owned()), (Some("body"), "Hi Ana!".to_owned())]);
    }

    #[test]
    fn what_is_replaced_before_it_was_sent_is_never_sent() {
        let mut buffer = open();
        buffer.delta(None, "shown");
        assert!(buffer.send().is_some());
        buffer.delta(None, "secret");
        buffer.replace(ResetReason::Filtered, &StreamText::from("safe".to_owned()));
        buffer.landed();
        assert_eq!(buffer.send(), Some((at(3, 2), vec![Chunk::Reset(ResetReason::Filtered), delta("safe")])));
        assert_eq!(buffer.text().joined(), "safe");
    }

    #[test]
    fn a_flush_in_doubt_begins_anew_with_all_of_the_text() {
        let mut buffer = open();
        buffer.delta(None, "one ");
        assert!(buffer.send().is_some());
        buffer.delta(None, "two ");
        assert_eq!(buffer.in_doubt().joined(), "one two ");
        buffer.delta(None, "three");
        assert_eq!(buffer.send(), None, "not before it is open again");
        buffer.opened(at(5, 3));
        assert_eq!(buffer.send(), Some((at(5, 3), vec![delta("three")])));
        assert_eq!(buffer.text().joined(), "one two three");
    }

    #[test]
    fn a_buffer_is_full_until_its_rows_have_landed() {
        let mut buffer = open();
        let kilobyte = "x".repeat(1024);
        for _ in 0..64 {
            assert!(buffer.has_room());
            buffer.delta(None, &kilobyte);
        }
        assert!(!buffer.has_room());
        let (_, rows) = buffer.send().unwrap();
        assert_eq!(rows.len(), 8);
        assert!(!buffer.has_room());
        buffer.landed();
        assert!(buffer.has_room());
    }

    #[test]
    fn text_beyond_what_a_checkpoint_may_have_is_not_kept() {
        let mut buffer = open();
        buffer.delta(None, &"x".repeat(MAX_OUTPUT_BYTES));
        buffer.delta(None, "y");
        assert_eq!(buffer.text().bytes(), MAX_OUTPUT_BYTES);
    }
}
