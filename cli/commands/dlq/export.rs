//! `dlq export`: letters as lines of JSON, all of a filter, page by page.

use std::fs::File;
use std::io::{BufWriter, Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use hellosales_core::dead_letter::read;
use hellosales_core::id::DeadLetterId;
use hellosales_core::pulse::window::Window;
use serde_json::{Value, json};

use super::columns::{COLUMNS, LETTERS};
use super::show::{look, shown};
use crate::Global;
use crate::bulk::thousands;
use crate::filter::FilterArgs;
use crate::list::List;
use crate::operator::Operator;
use crate::output::Output;
use crate::problem::Exit;

const PAGE: i64 = 500;

/// What it takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    filter: FilterArgs,
    /// Also what was asked for and made: each letter's is written to the audit log
    #[arg(long)]
    payload: bool,
    /// Where to; else to stdout
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
}

pub(super) async fn run(args: &Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let list = List::of_one(COLUMNS, global, output)?;
    let operator = Operator::open(global).await?;
    let filter = args.filter.read(&operator, &LETTERS, output).await?;
    let mut to: Box<dyn Write> = match &args.file {
        Some(path) => Box::new(BufWriter::new(
            File::create(path).with_context(|| format!("{} can't be written", path.display()))?,
        )),
        None => Box::new(BufWriter::new(stdout())),
    };
    let (mut written, mut after) = (0_i64, None);
    loop {
        let window = Window { ascending: true, after, limit: PAGE };
        let page = async {
            let mut tx = operator.db.begin().await?;
            read::list(&mut tx, &filter, window).await
        };
        let page = page.await.map_err(|error| operator.fault(error))?;
        for letter in &page {
            let mut object = list.object(letter);
            if let Value::Object(members) = &mut object {
                members.insert("errors".to_owned(), letter.errors.clone());
                members.insert("attempts".to_owned(), letter.attempts.clone());
                if args.payload {
                    let found = look(&operator.db, letter.id, Some(&operator.actor)).await;
                    let payload = found.map_err(|error| operator.fault(error))?.and_then(|(_, payload)| payload);
                    members.insert("payload".to_owned(), payload.map_or(Value::Null, shown));
                }
            }
            writeln!(to, "{object}")?;
            written += 1;
        }
        after = page.last().map(|letter| DeadLetterId::uuid(letter.id));
        if i64::try_from(page.len()).is_ok_and(|len| len < PAGE) {
            break;
        }
    }
    to.flush()?;
    if let Some(path) = &args.file {
        output.say(format!("{} dead letters in {}", thousands(written), path.display()));
        output.json(&json!({"written": written, "file": path}))?;
    }
    Ok(if written == 0 { Exit::NothingMatched.into() } else { ExitCode::SUCCESS })
}
