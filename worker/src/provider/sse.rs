//! Server-sent events, as far as providers use them: the data of each event, from bytes cut anywhere. Bounded: a line
//! or an event longer than the bound is an error, never memory.

/// The most bytes of one event.
pub(super) const MAX_EVENT_BYTES: usize = 1024 * 1024;

/// An event is longer than we take, or isn't UTF-8.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SseError {
    /// Longer than [`MAX_EVENT_BYTES`].
    TooLong,
    /// Not text.
    NotText,
}

/// Reads a body piece by piece.
#[derive(Debug, Default)]
pub(super) struct SseParser {
    line: Vec<u8>,
    data: Option<String>,
    after_cr: bool,
}

impl SseParser {
    /// Takes the next bytes and returns the data of the events that they complete.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Vec<String>, SseError> {
        let mut events = Vec::new();
        for &byte in bytes {
            let after_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
            match byte {
                b'\n' if after_cr => {}
                b'\n' | b'\r' => events.extend(self.end_line()?),
                _ => self.line.push(byte),
            }
            if self.line.len() > MAX_EVENT_BYTES {
                return Err(SseError::TooLong);
            }
        }
        Ok(events)
    }

    /// The body is over: providers forget the last empty line now and then.
    pub(super) fn finish(&mut self) -> Result<Option<String>, SseError> {
        let last = self.end_line()?;
        Ok(last.or_else(|| self.data.take()))
    }

    fn end_line(&mut self) -> Result<Option<String>, SseError> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return Ok(self.data.take());
        }
        let line = std::str::from_utf8(&line).map_err(|_| SseError::NotText)?;
        let line = line.strip_prefix('\u{feff}').unwrap_or(line);
        let Some(value) = line.strip_prefix("data").filter(|rest| rest.is_empty() || rest.starts_with(':')) else {
            return Ok(None);
        };
        let value = value.strip_prefix(':').unwrap_or(value);
        let value = value.strip_prefix(' ').unwrap_or(value);
        let data = match self.data.take() {
            Some(before) => format!("{before}\n{value}"),
            None => value.to_owned(),
        };
        if data.len() > MAX_EVENT_BYTES {
            return Err(SseError::TooLong);
        }
        self.data = Some(data);
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str =
        ": hello\r\ndata: {\"a\":\"ü\"}\r\n\r\nevent: x\ndata:two\ndata: lines\n\nid: 1\rdata: cr\r\rdata: [DONE]\n\n";

    #[test]
    fn events_are_the_same_wherever_the_body_is_cut() {
        let whole = SseParser::default().push(BODY.as_bytes()).unwrap();
        assert_eq!(whole, ["{\"a\":\"ü\"}", "two\nlines", "cr", "[DONE]"]);
        for at in 0..BODY.len() {
            let (left, right) = BODY.as_bytes().split_at(at);
            let mut parser = SseParser::default();
            let mut events = parser.push(left).unwrap();
            events.extend(parser.push(right).unwrap());
            assert_eq!(events, whole, "cut at {at}");
        }
    }

    #[test]
    fn the_last_event_counts_without_its_empty_line() {
        let mut parser = SseParser::default();
        assert!(parser.push(b"data: end").unwrap().is_empty());
        assert_eq!(parser.finish().unwrap().as_deref(), Some("end"));
        assert_eq!(parser.finish().unwrap(), None);
    }

    #[test]
    fn what_is_too_long_or_not_text_is_refused() {
        let line = vec![b'x'; MAX_EVENT_BYTES + 1];
        assert_eq!(SseParser::default().push(&line), Err(SseError::TooLong));
        let many = b"data: 0123456789012345678901234567890123456789012345678901234567890123456789\n".repeat(20_000);
        assert_eq!(SseParser::default().push(&many), Err(SseError::TooLong));
        assert_eq!(SseParser::default().push(b"data: \xff\n"), Err(SseError::NotText));
    }
}
