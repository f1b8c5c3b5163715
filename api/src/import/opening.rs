//! The first bytes of a file: whether it is text at all, and what parts its columns.

use super::broken::Broken;
use super::reader::MAX_RECORD_BYTES;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// How files begin that are no CSV, and what they are.
const OTHERS: &[(&[u8], &str)] = &[
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"RIFF", "an image, a sound or a film"),
    (b"BM", "a BMP image"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook: save it as CSV (UTF-8)"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook: save it as CSV (UTF-8)"),
    (b"\x1f\x8b", "compressed"),
    (b"\xff\xfe", "UTF-16 text: save it as UTF-8"),
    (b"\xfe\xff", "UTF-16 text: save it as UTF-8"),
];

/// Collects a file's head until its first line is whole.
#[derive(Debug, Default)]
pub(super) struct Opening {
    bytes: Vec<u8>,
}

/// A file's head.
#[derive(Debug)]
pub(super) struct Opened {
    /// What came so far, without a mark of byte order.
    pub(super) bytes: Vec<u8>,
    /// What parts the columns.
    pub(super) separator: u8,
}

impl Opening {
    /// Takes more of the file; gives the head when its first line is whole, or longer than any may be.
    ///
    /// # Errors
    /// If it is no text.
    pub(super) fn push(&mut self, chunk: &[u8]) -> Result<Option<Opened>, Broken> {
        self.bytes.extend_from_slice(chunk);
        let is_known = self.bytes.len() > MAX_RECORD_BYTES || end_of_first_line(&self.bytes).is_some();
        if is_known || self.bytes.contains(&0) { self.open().map(Some) } else { Ok(None) }
    }

    /// Gives the head of a file that has come to its end.
    ///
    /// # Errors
    /// If it is no text.
    pub(super) fn open(&mut self) -> Result<Opened, Broken> {
        let bytes = std::mem::take(&mut self.bytes);
        let text = bytes.strip_prefix(BOM).unwrap_or(&bytes);
        let other = OTHERS.iter().find(|(magic, _)| bytes.starts_with(magic));
        // A table may well begin with these letters: only what goes on as no text does is one of the others.
        let head = text.get(..end_of_first_line(text).unwrap_or(text.len())).unwrap_or(text);
        if let Some((_, what)) = other.filter(|_| std::str::from_utf8(head).is_err() || head.iter().any(is_control)) {
            return Err(Broken::new(1, "not_text", format!("this is no CSV: it is {what}")));
        }
        Ok(Opened { separator: separator(head), bytes: text.to_vec() })
    }
}

fn is_control(byte: &u8) -> bool {
    byte.is_ascii_control() && !matches!(byte, b'\t' | b'\r' | b'\n')
}

/// Where the first line that isn't blank ends. A line's end inside quotes is none.
fn end_of_first_line(bytes: &[u8]) -> Option<usize> {
    let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
    let begin = bytes.iter().position(|byte| !is_end(byte))?;
    let mut quoted = false;
    let end = bytes.iter().skip(begin).position(|byte| {
        quoted ^= *byte == b'"';
        is_end(byte) && !quoted
    });
    end.map(|end| begin + end)
}

/// What stands most often between the names, outside of quotes; a comma where nothing does.
fn separator(head: &[u8]) -> u8 {
    let count = |separator: u8| {
        let mut quoted = false;
        let hits = head.iter().filter(|byte| {
            quoted ^= **byte == b'"';
            **byte == separator && !quoted
        });
        hits.count()
    };
    // Of equals `max_by_key` takes the last.
    [b'\t', b';', b','].into_iter().max_by_key(|separator| count(*separator)).unwrap_or(b',')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(bytes: &[u8]) -> Opened {
        let mut opening = Opening::default();
        for byte in bytes {
            if let Some(opened) = opening.push(std::slice::from_ref(byte)).unwrap() {
                return opened;
            }
        }
        opening.open().unwrap()
    }

    #[test]
    fn the_separator_is_what_stands_between_the_names() {
        for (head, separator) in [
            ("name,email\n", b','),
            ("name;email;\"a,b,c,d\"\r\n", b';'),
            ("name\temail, or so\ttitle\n", b'\t'),
            ("name\n", b','),
            ("\n\r\nname;email\nx,y,z,\n", b';'),
            ("\u{feff}\"na\nme\";email\n", b';'),
        ] {
            assert_eq!(opened(head.as_bytes()).separator, separator, "{head:?}");
        }
        assert_eq!(opened(b"\xef\xbb\xbfname").bytes, b"name");
    }

    #[test]
    fn what_is_no_text_is_called_by_its_name_and_a_table_that_looks_like_it_is_read() {
        for (bytes, what) in [
            (&b"\x89PNG\r\n\x1a\n\0\0"[..], "PNG"),
            (b"\xff\xd8\xff\xe0\0\x10JFIF\0", "JPEG"),
            (b"PK\x03\x04\x14\0\x06\0", "Excel"),
            (b"\xff\xfen\0a\0m\0e\0\n\0", "UTF-16"),
        ] {
            let broken = Opening { bytes: bytes.to_vec() }.open().unwrap_err();
            assert!(broken.message.contains(what) && broken.line == 1, "{broken:?}");
        }
        assert_eq!(opened(b"BMW,name\n").separator, b',');
    }
}
