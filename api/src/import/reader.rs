//! Records out of a file that comes in pieces. Never more than one record is held.

use csv_core::ReadRecordResult;

use super::broken::Broken;

/// A record may have this many bytes.
pub(super) const MAX_RECORD_BYTES: usize = 64 * 1024;
/// And this many cells.
const MAX_CELLS: usize = 1_000;

/// A reader of records.
pub(super) struct Reader {
    parser: csv_core::Reader,
    text: Vec<u8>,
    written: usize,
    ends: Vec<usize>,
    cells: usize,
    /// Of the next byte.
    line: u64,
    /// Where the record begins.
    began: u64,
    /// No byte of the next record has come.
    is_between: bool,
}

impl Reader {
    /// Of a file whose columns are parted by this.
    pub(super) fn new(separator: u8) -> Self {
        Self {
            parser: csv_core::ReaderBuilder::new().delimiter(separator).build(),
            text: vec![0; MAX_RECORD_BYTES],
            written: 0,
            ends: vec![0; MAX_CELLS],
            cells: 0,
            line: 1,
            began: 1,
            is_between: true,
        }
    }

    /// Reads on; whether a record is whole, which is then there until the next call. Lines that are blank are passed.
    ///
    /// # Errors
    /// If the file can't be read.
    pub(super) fn read(&mut self, input: &mut &[u8]) -> Result<bool, Broken> {
        if self.is_between {
            self.pass_blank(input);
            if input.is_empty() {
                return Ok(false);
            }
            (self.is_between, self.began, self.written, self.cells) = (false, self.line, 0, 0);
        }
        let text = self.text.get_mut(self.written..).unwrap_or_default();
        let ends = self.ends.get_mut(self.cells..).unwrap_or_default();
        let (result, read, written, cells) = self.parser.read_record(input, text, ends);
        let (done, rest) = input.split_at_checked(read).unwrap_or((*input, &[]));
        *input = rest;
        self.check_null(done)?;
        self.line += newlines(done);
        self.written += written;
        self.cells += cells;
        match result {
            ReadRecordResult::Record => {
                self.is_between = true;
                Ok(true)
            }
            ReadRecordResult::InputEmpty | ReadRecordResult::End => Ok(false),
            ReadRecordResult::OutputFull => Err(self.broken(
                "too_long",
                format!("the record that begins here has more than {MAX_RECORD_BYTES} bytes; perhaps a quote is never closed"),
            )),
            ReadRecordResult::OutputEndsFull => Err(self.broken("too_many_cells", format!("there are more than {MAX_CELLS} cells"))),
        }
    }

    /// The last record of a file that has come to its end, if its line was not ended; whether there is one.
    ///
    /// # Errors
    /// If a quote is still open.
    pub(super) fn finish(&mut self) -> Result<bool, Broken> {
        if self.is_between {
            return Ok(false);
        }
        // The end of a line ends any record but a quoted one.
        if self.read(&mut &b"\n"[..])? {
            return Ok(true);
        }
        Err(self.broken("unclosed_quote", "a quote that is opened in the record that begins here is never closed"))
    }

    /// Where the record begins, from 1.
    pub(super) const fn began(&self) -> u64 {
        self.began
    }

    /// The cells of the record that was read.
    ///
    /// # Errors
    /// If they are no UTF-8.
    pub(super) fn cells(&self) -> Result<Vec<&str>, Broken> {
        let ends = self.ends.get(..self.cells).unwrap_or_default();
        let begins = std::iter::once(&0).chain(ends);
        let cells = begins.zip(ends).map(|(begin, end)| std::str::from_utf8(self.text.get(*begin..*end)?).ok());
        cells.collect::<Option<Vec<&str>>>().ok_or_else(|| {
            self.broken("not_utf8", "the record that begins here is no UTF-8; save the file as CSV (UTF-8)")
        })
    }

    fn broken(&self, code: &'static str, message: impl Into<String>) -> Broken {
        Broken::new(self.began, code, message)
    }

    fn pass_blank(&mut self, input: &mut &[u8]) {
        while let Some((byte @ (b'\n' | b'\r'), rest)) = input.split_first() {
            self.line += u64::from(*byte == b'\n');
            *input = rest;
        }
    }

    fn check_null(&self, bytes: &[u8]) -> Result<(), Broken> {
        match bytes.iter().position(|byte| *byte == 0) {
            None => Ok(()),
            Some(at) => {
                let line = self.line + newlines(bytes.get(..at).unwrap_or_default());
                Err(Broken::new(line, "null_character", "there is a NUL: this is no text, or it is damaged"))
            }
        }
    }
}

fn newlines(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Read = Result<Vec<(u64, Vec<String>)>, (u64, &'static str)>;

    /// What is read, if the file comes in pieces of so many bytes.
    fn read(file: &[u8], piece: usize) -> Read {
        let mut reader = Reader::new(b',');
        let mut records = Vec::new();
        let fault = |broken: Broken| (broken.line, broken.code);
        let mut take = |reader: &Reader| {
            let cells = reader.cells().map_err(fault)?.into_iter().map(str::to_owned).collect();
            records.push((reader.began(), cells));
            Ok(())
        };
        for mut piece in file.chunks(piece) {
            while !piece.is_empty() {
                if reader.read(&mut piece).map_err(fault)? {
                    take(&reader)?;
                }
            }
        }
        if reader.finish().map_err(fault)? {
            take(&reader)?;
        }
        Ok(records)
    }

    fn is_read(file: &[u8], expected: &[(u64, &[&str])]) {
        let expected: Vec<(u64, Vec<String>)> =
            expected.iter().map(|(line, cells)| (*line, cells.iter().map(|&cell| cell.to_owned()).collect())).collect();
        for piece in [1, 2, 3, 7, 4096] {
            assert_eq!(read(file, piece).as_ref(), Ok(&expected), "{piece}");
        }
    }

    #[test]
    fn records_are_the_same_in_pieces_of_any_size_and_know_their_line() {
        is_read(b"a,b\r\nc,d\r\n", &[(1, &["a", "b"]), (2, &["c", "d"])]);
        is_read(
            b"a,b\n\n\r\n\"c\nc\",\"d \"\"d\"\"\"\ne,",
            &[(1, &["a", "b"]), (4, &["c\nc", "d \"d\""]), (6, &["e", ""])],
        );
        is_read("ä,\u{202e}x,🦀".as_bytes(), &[(1, &["ä", "\u{202e}x", "🦀"])]);
        is_read(b"", &[]);
        is_read(b"\n\n", &[]);
        is_read(b"a\n\"\"", &[(1, &["a"]), (2, &[""])]);
        is_read(b"a\r\"b\"", &[(1, &["a"]), (1, &["b"])]);
    }

    #[test]
    fn what_can_not_be_read_is_told_with_its_line() {
        for (file, line, code) in [
            (&b"a,b\n\"c,d\ne,f\n"[..], 2, "unclosed_quote"),
            (b"a,b\nc,\"d", 2, "unclosed_quote"),
            (b"a\nb\nM\xfcller\n", 3, "not_utf8"),
            (b"\xc3,\xa9\n", 1, "not_utf8"),
            (b"a\n\"b\nc\0\"\n", 3, "null_character"),
        ] {
            for piece in [1, 5, 4096] {
                assert_eq!(read(file, piece), Err((line, code)), "{}", String::from_utf8_lossy(file));
            }
        }
        assert_eq!(read(&[b'x'; 70_000], 4096), Err((1, "too_long")));
        assert_eq!(read(&[b','; 2_000], 4096), Err((1, "too_many_cells")));
    }
}
