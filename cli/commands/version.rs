//! `hellosales version`

use std::process::ExitCode;

use serde_json::json;

use crate::output::{Format, Output};

pub(crate) fn run(output: Output) -> anyhow::Result<ExitCode> {
    let version = env!("CARGO_PKG_VERSION");
    match output.format {
        Format::Table | Format::Wide | Format::Csv => output.data(format!("hellosales {version}"))?,
        Format::Json | Format::Jsonl => output.json(&json!({"name": "hellosales", "version": version}))?,
    }
    Ok(ExitCode::SUCCESS)
}
