//! `hellosales clients import FILE`: the file is streamed, whatever its size; what was wrong with it is told by line.

use std::process::ExitCode;

use serde::Deserialize;
use serde_json::Value;

use crate::Global;
use crate::caller::Caller;
use crate::output::{Format, Output, Paint, this_program};
use crate::problem::Exit;
use crate::table::Table;
use crate::upload;

/// What it takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A CSV file in UTF-8 with a column `name`; - reads stdin
    #[arg(value_name = "FILE")]
    file: String,
    /// Only say what would be
    #[arg(long)]
    dry_run: bool,
    /// What becomes of the good rows if others are rejected
    #[arg(long, value_enum, default_value = "keep_good")]
    mode: Mode,
    #[command(flatten)]
    caller: Caller,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Mode {
    #[value(name = "keep_good")]
    KeepGood,
    #[value(name = "all_or_nothing")]
    AllOrNothing,
}

/// What the command shows of the api's answer.
#[derive(Debug, Deserialize)]
pub(in crate::commands) struct Import {
    pub(in crate::commands) import_id: Option<String>,
    created: i64,
    updated: i64,
    unchanged: i64,
    pub(in crate::commands) rejected: i64,
    errors: Vec<RowError>,
    errors_truncated: bool,
    ignored_columns: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct RowError {
    line: u64,
    column: String,
    code: String,
    message: String,
}

impl Import {
    /// The rows that were taken.
    pub(in crate::commands) const fn taken(&self) -> i64 {
        self.created + self.updated + self.unchanged
    }

    /// What became of the rows, on a line.
    pub(in crate::commands) fn line(&self) -> String {
        let Self { created, updated, unchanged, rejected, .. } = self;
        format!("{created} created, {updated} updated, {unchanged} unchanged, {rejected} rejected")
    }
}

pub(crate) async fn run(args: Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let api = args.caller.connect(global)?;
    let mode = match args.mode {
        Mode::KeepGood => "keep_good",
        Mode::AllOrNothing => "all_or_nothing",
    };
    let file = upload::open(&args.file, output).await?;
    let path = format!("/clients/import?mode={mode}&dry_run={}", args.dry_run);
    let answer: Value = api.upload(&path, "text/csv", file).await?;
    let import = Import::deserialize(&answer)?;
    match output.format {
        Format::Table | Format::Wide | Format::Csv => show(&import, args.dry_run, output)?,
        Format::Json | Format::Jsonl => output.json(&answer)?,
    }
    if !import.ignored_columns.is_empty() {
        output.say(format!("not imported: the columns {}", import.ignored_columns.join(", ")));
    }
    if import.import_id.is_none() && !args.dry_run {
        output.say("nothing was imported");
    }
    if let Some(id) = import.import_id.as_deref().filter(|_| import.taken() > 0) {
        let next =
            format!("write to them: {} batch create --import {id} --type cold_outreach --sample 5", this_program());
        output.say(output.paint(Paint::Dim, &next));
    }
    Ok(if import.rejected > 0 { Exit::SomeFailed.into() } else { ExitCode::SUCCESS })
}

fn show(import: &Import, dry_run: bool, output: Output) -> anyhow::Result<()> {
    let would = if dry_run { "would be: " } else { "" };
    output.data(format!("{would}{}", import.line()))?;
    if import.errors.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&["line", "column", "code", "message"]);
    for error in &import.errors {
        table.row([error.line.to_string(), error.column.clone(), error.code.clone(), error.message.clone()]);
    }
    table.show(output)?;
    if import.errors_truncated {
        output.data("… and more")?;
    }
    Ok(())
}
