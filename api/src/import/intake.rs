//! A file as it comes in: out of bytes come groups of rows without a fault, and the faults of the others.

use hellosales_core::content::client_import::{Row, RowFault};

use super::broken::Broken;
use super::columns::Columns;
use super::opening::Opening;
use super::people::People;
use super::reader::Reader;
use super::row;

/// A file may have this many rows.
pub(super) const MAX_ROWS: i32 = 50_000;
/// The first so many faults are told.
pub(super) const MAX_ERRORS: usize = 1_000;
/// A group is written when it has so many rows, or so many bytes.
const GROUP_ROWS: usize = 500;
const GROUP_BYTES: usize = 1024 * 1024;

/// What has come of a file.
#[derive(Default)]
pub(super) struct Intake {
    opening: Opening,
    reader: Option<Reader>,
    separator: char,
    columns: Option<Columns>,
    people: People,
    group: Vec<Row>,
    group_bytes: usize,
    rows: i32,
    /// Rows that have a fault.
    pub(super) rejected: i32,
    /// Why: the first of them.
    pub(super) errors: Vec<RowFault>,
}

impl Intake {
    /// Looks at more of the file: gives the bytes that are to be [read](Self::read), none while its first line isn't whole.
    ///
    /// # Errors
    /// If it is no text.
    pub(super) fn look(&mut self, chunk: &[u8]) -> Result<Option<Vec<u8>>, Broken> {
        let opened = self.opening.push(chunk)?;
        Ok(opened.map(|opened| self.begin(opened.separator, opened.bytes)))
    }

    /// Whether its first line was whole already: bytes can be [read](Self::read) as they are.
    pub(super) const fn is_open(&self) -> bool {
        self.reader.is_some()
    }

    /// What a file that has come to its end still holds to be [read](Self::read).
    ///
    /// # Errors
    /// If it is no text.
    pub(super) fn last(&mut self) -> Result<Vec<u8>, Broken> {
        if self.is_open() {
            return Ok(Vec::new());
        }
        let opened = self.opening.open()?;
        Ok(self.begin(opened.separator, opened.bytes))
    }

    fn begin(&mut self, separator: u8, bytes: Vec<u8>) -> Vec<u8> {
        self.separator = char::from(separator);
        self.reader = Some(Reader::new(separator));
        bytes
    }

    /// Reads until the bytes are used up, or a group is full; whether there is a full group to be
    /// [taken](Self::take_group) before it goes on.
    ///
    /// # Errors
    /// If the file can't be read.
    pub(super) fn read(&mut self, bytes: &mut &[u8]) -> Result<bool, Broken> {
        let Some(mut reader) = self.reader.take() else { return Ok(false) };
        let mut read = Ok(());
        while read.is_ok() && !bytes.is_empty() && !self.is_full() {
            read = match reader.read(bytes) {
                Ok(true) => self.record(&reader),
                Ok(false) => Ok(()),
                Err(broken) => Err(broken),
            };
        }
        self.reader = Some(reader);
        read.map(|()| self.is_full())
    }

    /// The end of the file.
    ///
    /// # Errors
    /// If it can't be read, or holds nothing.
    pub(super) fn finish(&mut self) -> Result<(), Broken> {
        if let Some(mut reader) = self.reader.take()
            && reader.finish()?
        {
            self.record(&reader)?;
        }
        match self.columns {
            Some(_) => Ok(()),
            None => Err(Broken::new(1, "empty", "the file is empty")),
        }
    }

    /// The rows that wait to be written.
    pub(super) fn take_group(&mut self) -> Vec<Row> {
        self.group_bytes = 0;
        std::mem::take(&mut self.group)
    }

    /// Columns that mean nothing to us.
    pub(super) fn ignored_columns(&self) -> Vec<String> {
        self.columns.as_ref().map(Columns::ignored).unwrap_or_default()
    }

    const fn is_full(&self) -> bool {
        self.group.len() >= GROUP_ROWS || self.group_bytes >= GROUP_BYTES
    }

    fn record(&mut self, reader: &Reader) -> Result<(), Broken> {
        let (cells, line) = (reader.cells()?, reader.began());
        let Some(columns) = &self.columns else {
            self.columns = Some(Columns::read(&cells, line, self.separator)?);
            return Ok(());
        };
        if cells.len() != columns.len() {
            let message = format!("there are {} cells, and {} columns", cells.len(), columns.len());
            return Err(Broken::new(line, "ragged_row", message));
        }
        // Tables end in rows of nothing when something was deleted from them.
        if cells.iter().all(|cell| cell.trim().is_empty()) {
            return Ok(());
        }
        if self.rows == MAX_ROWS {
            return Err(Broken::new(
                line,
                "too_many_rows",
                format!("there are more than {MAX_ROWS} rows; part the file"),
            ));
        }
        let n = self.rows;
        self.rows += 1;
        match row::read(columns, &cells, line) {
            Ok(read) => {
                self.group_bytes += cells.iter().map(|cell| cell.len()).sum::<usize>();
                self.group.push(Row { n, person: self.people.place(n, &read), cells: read });
            }
            Err(faults) => {
                self.rejected += 1;
                self.errors.extend(faults.into_iter().take(MAX_ERRORS - self.errors.len()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(file: &[u8], piece: usize) -> Result<(Vec<Row>, Intake), Broken> {
        let (mut intake, mut rows) = (Intake::default(), Vec::new());
        let mut drive = |intake: &mut Intake, mut bytes: &[u8]| {
            while !bytes.is_empty() {
                if intake.read(&mut bytes)? {
                    rows.extend(intake.take_group());
                }
            }
            Ok::<(), Broken>(())
        };
        for piece in file.chunks(piece) {
            if intake.is_open() {
                drive(&mut intake, piece)?;
            } else if let Some(opened) = intake.look(piece)? {
                drive(&mut intake, &opened)?;
            }
        }
        let last = intake.last()?;
        drive(&mut intake, &last)?;
        intake.finish()?;
        rows.extend(intake.take_group());
        Ok((rows, intake))
    }

    #[test]
    fn rows_keep_their_place_and_faults_their_line() {
        let file =
            b"\xef\xbb\xbfName;E-Mail;Notes\r\nAna;ana@x.io;n\r\n\r\n;;\r\n\"Bo\r\nB\";bad;\r\nana;;\r\nAna;ANA@x.io;";
        for piece in [1, 10, 4096] {
            let (rows, intake) = take(file, piece).unwrap();
            let places: Vec<(i32, i32)> = rows.iter().map(|row| (row.n, row.person)).collect();
            assert_eq!(places, [(0, 0), (2, 0), (3, 0)]);
            assert_eq!((intake.rejected, intake.ignored_columns()), (1, vec!["Notes".to_owned()]));
            assert_eq!((intake.errors[0].line, intake.errors[0].column.as_str()), (5, "E-Mail"));
        }
    }

    #[test]
    fn a_file_of_one_row_too_many_and_a_ragged_or_empty_one_are_refused() {
        let mut file = "name\n".to_owned();
        for n in 0..50_000 {
            file.push_str(&format!("n{n}\n"));
        }
        assert_eq!(take(file.as_bytes(), 65_536).unwrap().0.len(), 50_000);
        file.push_str("x\n");
        let fault = |file: &[u8]| take(file, 4096).err().map(|broken| (broken.line, broken.code));
        assert_eq!(fault(file.as_bytes()), Some((50_002, "too_many_rows")));
        assert_eq!(fault(b"name,email\nAna\n"), Some((2, "ragged_row")));
        assert_eq!(fault(b"name,email\nAna,,\n"), Some((2, "ragged_row")));
        for empty in [&b""[..], b"\n\r\n", b"\xef\xbb\xbf"] {
            assert_eq!(fault(empty), Some((1, "empty")));
        }
        assert_eq!(take(b"name", 1).unwrap().0.len(), 0);
    }

    #[test]
    fn only_the_first_faults_are_kept() {
        let file = "name,email\n".to_owned() + &"Ana,x\n".repeat(1_500);
        let (rows, intake) = take(file.as_bytes(), 999).unwrap();
        assert_eq!((rows.len(), intake.rejected, intake.errors.len()), (0, 1_500, 1_000));
    }
}
