//! Lists: a command declares its columns once, and has all five formats of them.

mod cell;

use std::io::Write;
use std::process::ExitCode;

use serde_json::{Map, Value};

use crate::Global;
use crate::output::{Format, Output, Paint};
use crate::problem::{Exit, Problem};
use crate::table::Table;

pub(crate) use cell::Cell;

/// A column.
#[derive(Debug)]
pub(crate) struct Column<T> {
    /// Its name, in `--columns`, in JSON and at the head of CSV: `oldest_ms`.
    pub(crate) name: &'static str,
    /// What stands over it in a table.
    pub(crate) head: &'static str,
    /// Not in a table, unless it is a wide one or the column is asked for.
    pub(crate) is_wide: bool,
    /// What a row has in it.
    pub(crate) cell: fn(&T) -> Cell,
}

// Not derived: that would ask the same of what a row is.
impl<T> Clone for Column<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Column<T> {}

impl<T> Column<T> {
    /// A column that is always shown.
    pub(crate) const fn new(name: &'static str, head: &'static str, cell: fn(&T) -> Cell) -> Self {
        Self { name, head, is_wide: false, cell }
    }

    /// A column that is in wide tables only, and in JSON and CSV.
    pub(crate) const fn wide(name: &'static str, head: &'static str, cell: fn(&T) -> Cell) -> Self {
        Self { name, head, is_wide: true, cell }
    }
}

/// The columns of a list that are shown, and how.
#[derive(Debug)]
pub(crate) struct List<'a, T> {
    columns: Vec<&'a Column<T>>,
    is_chosen: bool,
    output: Output,
}

impl<'a, T> List<'a, T> {
    /// The columns that were asked for. Made before the database is, so that a wrong name costs nothing.
    pub(crate) fn new(columns: &'a [Column<T>], global: &Global, output: Output) -> Result<Self, Problem> {
        Self::choose(columns, global, output, output.format != Format::Table)
    }

    /// The same for one thing, of which all columns are shown unless some were asked for.
    pub(crate) fn of_one(columns: &'a [Column<T>], global: &Global, output: Output) -> Result<Self, Problem> {
        Self::choose(columns, global, output, true)
    }

    /// A list within another thing, which `--columns` doesn't speak of.
    pub(crate) fn plain(columns: &'a [Column<T>], output: Output) -> Self {
        let is_wide = output.format != Format::Table;
        Self { columns: columns.iter().filter(|column| is_wide || !column.is_wide).collect(), is_chosen: false, output }
    }

    /// All columns, for programs.
    pub(crate) fn all(columns: &'a [Column<T>], output: Output) -> Self {
        Self { columns: columns.iter().collect(), is_chosen: false, output }
    }

    fn choose(columns: &'a [Column<T>], global: &Global, output: Output, is_wide: bool) -> Result<Self, Problem> {
        let names = &global.columns;
        let mut shown = Vec::with_capacity(columns.len());
        for name in names {
            shown.push(columns.iter().find(|column| column.name == name).ok_or_else(|| {
                let all: Vec<&str> = columns.iter().map(|column| column.name).collect();
                Problem::new(Exit::Usage, format!("there is no column '{name}'"))
                    .fix(format!("--columns takes some of: {}", all.join(",")))
            })?);
        }
        if names.is_empty() {
            shown.extend(columns.iter().filter(|column| is_wide || !column.is_wide));
        }
        Ok(Self { columns: shown, is_chosen: !names.is_empty(), output })
    }

    /// Shows rows. No row is exit 3, and an empty list to whoever reads JSON.
    pub(crate) fn show(&self, rows: &[T]) -> anyhow::Result<ExitCode> {
        match self.output.format {
            Format::Table | Format::Wide => self.table(rows)?,
            Format::Json => self.output.json(&self.objects(rows))?,
            Format::Jsonl => rows.iter().try_for_each(|row| self.output.json(&self.object(row)))?,
            Format::Csv => self.csv(rows)?,
        }
        Ok(if rows.is_empty() { Exit::NothingMatched.into() } else { ExitCode::SUCCESS })
    }

    /// Shows one thing: for people a line for each of its columns.
    pub(crate) fn show_one(&self, row: &T) -> anyhow::Result<()> {
        match self.output.format {
            Format::Table | Format::Wide => {
                let width = self.columns.iter().map(|column| column.name.chars().count()).max().unwrap_or(0);
                for column in &self.columns {
                    let text = (column.cell)(row).text();
                    if !text.is_empty() || self.is_chosen {
                        let name = self.output.paint(Paint::Bold, &format!("{:width$}", column.name));
                        self.output.data(format!("{name}  {text}"))?;
                    }
                }
                Ok(())
            }
            Format::Json | Format::Jsonl => self.output.json(&self.object(row)),
            Format::Csv => self.csv(std::slice::from_ref(row)),
        }
    }

    /// A row as JSON: each column by its name.
    pub(crate) fn object(&self, row: &T) -> Value {
        let pair = |column: &&Column<T>| (column.name.to_owned(), (column.cell)(row).into_json());
        Value::Object(self.columns.iter().map(pair).collect::<Map<String, Value>>())
    }

    /// Rows as JSON.
    pub(crate) fn objects(&self, rows: &[T]) -> Value {
        rows.iter().map(|row| self.object(row)).collect()
    }

    fn table(&self, rows: &[T]) -> anyhow::Result<()> {
        let mut table = Table::new(&self.columns.iter().map(|column| column.head).collect::<Vec<_>>());
        for row in rows {
            table.row(self.columns.iter().map(|column| (column.cell)(row).text()));
        }
        Ok(table.show(self.output)?)
    }

    fn csv(&self, rows: &[T]) -> anyhow::Result<()> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(self.columns.iter().map(|column| column.name))?;
        for row in rows {
            writer.write_record(self.columns.iter().map(|column| (column.cell)(row).into_csv()))?;
        }
        let text = writer.into_inner().map_err(csv::IntoInnerError::into_error)?;
        Ok(std::io::stdout().write_all(&text)?)
    }
}
