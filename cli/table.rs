//! Rows for people: columns as wide as what stands in them.

use crate::output::{Output, Paint};

/// A cell is cut here.
const MAX_CELL_CHARS: usize = 80;

/// Rows under their heads.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// No row yet.
    pub(crate) fn new(heads: &[&str]) -> Self {
        Self { rows: vec![heads.iter().map(|head| (*head).to_owned()).collect()] }
    }

    /// One more.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| plain(&cell)).collect());
    }

    /// Its lines.
    fn lines(&self) -> Vec<String> {
        let columns = self.rows.first().map_or(0, Vec::len);
        let chars = |cell: &String| cell.chars().count();
        let width = |column: usize| self.rows.iter().filter_map(|row| row.get(column)).map(chars).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            cells.collect::<Vec<String>>().join("  ").trim_end().to_owned()
        };
        self.rows.iter().map(line).collect()
    }

    /// Writes them as data.
    pub(crate) fn show(&self, output: Output) -> std::io::Result<()> {
        for (n, line) in self.lines().iter().enumerate() {
            let line = if n == 0 { output.paint(Paint::Bold, line) } else { line.clone() };
            output.data(line)?;
        }
        Ok(())
    }
}

/// One line without what a terminal would take for a command.
pub(crate) fn plain(text: &str) -> String {
    let mut line: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_CELL_CHARS + 1).collect();
    if line.chars().count() > MAX_CELL_CHARS {
        line.pop();
        line.pop();
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other_and_nothing_controls_the_terminal() {
        let mut table = Table::new(&["n", "name"]);
        table.row(["10".to_owned(), "Ána\u{1b}[31m\n".to_owned()]);
        table.row(["2".to_owned(), "x".repeat(100)]);
        let long = format!("2   {}…", "x".repeat(79));
        assert_eq!(table.lines(), ["n   name", "10  Ána [31m", long.as_str()]);
    }
}
