//! The cells of a row, checked: what doesn't fit is told by line and column, without what stood there.

use hellosales_core::content::client::is_email_address;
use hellosales_core::content::client_import::{Cells, RowFault};

use super::columns::{Columns, Field};
use crate::extract::fields::content::{MAX_ITEM_CHARS, MAX_ITEMS, MAX_TEXT_CHARS as MAX_PROSE_CHARS};

const MAX_TEXT_CHARS: usize = 255;
const MAX_INDUSTRY_CHARS: usize = 100;

/// Reads a row that has as many cells as there are columns.
///
/// # Errors
/// All its faults.
pub(super) fn read(columns: &Columns, cells: &[&str], line: u64) -> Result<Cells, Vec<RowFault>> {
    let mut row = Row { line, separator: columns.separator, faults: Vec::new() };
    let mut read = Cells::default();
    let (mut first, mut last) = (None, None);
    let mut name_column = "name";
    for ((field, column), cell) in columns.iter().zip(cells) {
        let Some(field) = field else { continue };
        match field {
            Field::ExternalId => read.external_id = row.text(column, cell, MAX_TEXT_CHARS),
            Field::Name => {
                read.name = row.text(column, cell, MAX_TEXT_CHARS).unwrap_or_default();
                name_column = column;
            }
            Field::FirstName => (first, name_column) = (row.text(column, cell, MAX_TEXT_CHARS), column),
            Field::LastName => (last, name_column) = (row.text(column, cell, MAX_TEXT_CHARS), column),
            Field::Company => read.company = row.text(column, cell, MAX_TEXT_CHARS),
            Field::Title => read.title = row.text(column, cell, MAX_TEXT_CHARS),
            Field::Industry => read.industry = row.text(column, cell, MAX_INDUSTRY_CHARS),
            Field::Email => read.email = row.email(column, cell),
            Field::PainPoints => read.pain_points = row.list(column, cell),
            Field::Goals => read.goals = row.list(column, cell),
            Field::ObjectionPatterns => read.objection_patterns = row.list(column, cell),
            Field::CommunicationStyle => read.communication_style = row.text(column, cell, MAX_PROSE_CHARS),
            Field::DecisionCriteria => read.decision_criteria = row.list(column, cell),
        }
    }
    if first.is_some() || last.is_some() {
        read.name = [first, last].into_iter().flatten().collect::<Vec<String>>().join(" ");
        if read.name.chars().count() > MAX_TEXT_CHARS {
            row.too_long(name_column, MAX_TEXT_CHARS);
        }
    }
    if read.name.is_empty() && !row.faults.iter().any(|fault| fault.column == name_column) {
        row.fault(name_column, "blank", "must not be blank");
    }
    if row.faults.is_empty() { Ok(read) } else { Err(row.faults) }
}

struct Row {
    line: u64,
    separator: char,
    faults: Vec<RowFault>,
}

impl Row {
    fn fault(&mut self, column: &str, code: &str, message: impl Into<String>) {
        self.faults.push(RowFault {
            line: self.line,
            column: column.to_owned(),
            code: code.to_owned(),
            message: message.into(),
        });
    }

    fn too_long(&mut self, column: &str, max: usize) {
        self.fault(column, "too_long", format!("must have at most {max} characters"));
    }

    /// A text without the space around it; `None` if nothing is left.
    fn text(&mut self, column: &str, cell: &str, max: usize) -> Option<String> {
        let text = cell.trim();
        if text.chars().count() > max {
            self.too_long(column, max);
            return None;
        }
        Some(text.to_owned()).filter(|text| !text.is_empty())
    }

    fn email(&mut self, column: &str, cell: &str) -> Option<String> {
        let email = self.text(column, cell, MAX_TEXT_CHARS)?;
        if !is_email_address(&email) {
            self.fault(column, "invalid_email", "must be an email address");
        }
        Some(email)
    }

    /// The parts between `;` or `|`, whichever doesn't part the columns.
    fn list(&mut self, column: &str, cell: &str) -> Option<Vec<String>> {
        let parts = cell.split(|c| (c == ';' || c == '|') && c != self.separator);
        let parts: Vec<String> = parts.map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect();
        if parts.len() > MAX_ITEMS {
            self.fault(column, "too_many", format!("must have at most {MAX_ITEMS} parts"));
        }
        if parts.iter().any(|part| part.chars().count() > MAX_ITEM_CHARS) {
            self.fault(column, "too_long", format!("a part must have at most {MAX_ITEM_CHARS} characters"));
        }
        Some(parts).filter(|parts| !parts.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(head: &[&str], cells: &[&str]) -> Result<Cells, Vec<(String, String)>> {
        let columns = Columns::read(head, 1, ',').unwrap();
        read(&columns, cells, 7).map_err(|faults| {
            assert!(faults.iter().all(|fault| fault.line == 7));
            faults.into_iter().map(|fault| (fault.column, fault.code)).collect()
        })
    }

    #[test]
    fn cells_are_trimmed_lists_parted_and_empty_ones_not_there() {
        let cells = row(
            &["name", "company", "Goals", "notes", "pain points"],
            &[" Ana ", "  ", "grow; save |sleep;", "x", "=HYPERLINK(\"x\")"],
        );
        let expected = Cells {
            name: "Ana".into(),
            goals: Some(vec!["grow".into(), "save".into(), "sleep".into()]),
            pain_points: Some(vec!["=HYPERLINK(\"x\")".into()]),
            ..Cells::default()
        };
        assert_eq!(cells.unwrap(), expected);
        assert_eq!(row(&["First name", "Last name"], &["Ana", " Ruiz "]).unwrap().name, "Ana Ruiz");
    }

    #[test]
    fn all_faults_of_a_row_are_told() {
        let long = "ä".repeat(256);
        let faults = row(&["Full name", "email", "company"], &[" ", "ana(at)x", &long]).unwrap_err();
        let expected = [("email", "invalid_email"), ("company", "too_long"), ("Full name", "blank")];
        assert_eq!(faults, expected.map(|(column, code)| (column.to_owned(), code.to_owned())));
        assert_eq!(row(&["name"], &[&long]).unwrap_err(), [("name".to_owned(), "too_long".to_owned())]);
        assert_eq!(row(&["name"], &["🦀".repeat(255).as_str()]).unwrap().name.chars().count(), 255);
    }
}
