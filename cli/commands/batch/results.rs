//! `batch results`: the emails, in the order of the list.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use futures::StreamExt;
use serde::Deserialize;
use serde_json::Value;

use crate::Global;
use crate::caller::Caller;
use crate::client::{Api, Item};
use crate::output::{Format, Output};
use crate::problem::{Exit, Problem};
use crate::table::Table;

/// What it takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The batch's id, or the first 8 characters of it
    #[arg(value_name = "ID")]
    id: String,
    /// Only those that stand like this
    #[arg(long, value_name = "STATUS", value_parser = ["queued", "running", "completed", "failed", "cancelled"])]
    status: Option<String>,
    /// Only those with something to look at
    #[arg(long)]
    warnings: bool,
    /// Write to this file
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    caller: Caller,
}

pub(super) async fn run(args: Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let api = args.caller.connect(global)?;
    let id = api.batch_id(&args.id).await?;
    let mut filter = args.status.map(|status| format!("&status={status}")).unwrap_or_default();
    if args.warnings {
        filter.push_str("&has_warnings=true");
    }
    let mut target = Target::open(args.file)?;
    let any = match output.format {
        Format::Csv => {
            csv(&api, &format!("/email-batches/{id}/results.csv?{}", filter.trim_start_matches('&')), &mut target)
                .await?
        }
        format => {
            let path = format!("/email-batches/{id}/results?limit=100{filter}");
            match (format, target.is_file()) {
                (Format::Table | Format::Wide, false) => table(&api, &path, output).await?,
                (Format::Json, _) => json(&api, &path, &mut target).await?,
                _ => lines(&api, &path, &mut target).await?,
            }
        }
    };
    if let Some(path) = target.close()? {
        output.say(format!("written: {}", path.display()));
    }
    Ok(if any { ExitCode::SUCCESS } else { Exit::NothingMatched.into() })
}

/// As the api writes it; whether there was a row.
async fn csv(api: &Api, path: &str, target: &mut Target) -> anyhow::Result<bool> {
    let mut chunks = api.download(path.trim_end_matches('?')).await?.bytes_stream();
    let mut lines = 0;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| {
            anyhow::Error::from(error.without_url()).context(Problem::new(Exit::Unreachable, "the results broke off"))
        })?;
        lines += chunk.iter().filter(|byte| **byte == b'\n').count();
        target.write(&chunk)?;
    }
    Ok(lines > 1)
}

async fn lines(api: &Api, path: &str, target: &mut Target) -> anyhow::Result<bool> {
    let mut pages = Pages::new(api, path);
    let mut any = false;
    while let Some(items) = pages.next().await? {
        any |= !items.is_empty();
        for item in items {
            target.write(format!("{item}\n").as_bytes())?;
        }
    }
    Ok(any)
}

/// One document, written as it is read.
async fn json(api: &Api, path: &str, target: &mut Target) -> anyhow::Result<bool> {
    let mut pages = Pages::new(api, path);
    let mut before = "[";
    while let Some(items) = pages.next().await? {
        for item in items {
            target.write(format!("{before}{item}").as_bytes())?;
            before = ",\n";
        }
    }
    let any = before != "[";
    target.write(if any { b"]\n" } else { b"[]\n" })?;
    Ok(any)
}

async fn table(api: &Api, path: &str, output: Output) -> anyhow::Result<bool> {
    let mut pages = Pages::new(api, path);
    let mut table = Table::new(&["n", "status", "client", "company", "warnings", "subject or error"]);
    let mut any = false;
    while let Some(items) = pages.next().await? {
        for item in items {
            any = true;
            let item = Item::deserialize(&item)?;
            let text = match (item.email, item.error) {
                (Some(email), _) => email.subject,
                (None, Some(error)) => format!("{}: {}", error.code, error.message),
                (None, None) => String::new(),
            };
            let (name, company) = (item.client.name.unwrap_or_default(), item.client.company.unwrap_or_default());
            table.row([item.n.to_string(), item.status, name, company, item.warnings.len().to_string(), text]);
        }
    }
    table.show(output)?;
    Ok(any)
}

/// Pages of items, one after another.
struct Pages<'a> {
    api: &'a Api,
    path: &'a str,
    cursor: Option<String>,
    is_over: bool,
}

impl<'a> Pages<'a> {
    const fn new(api: &'a Api, path: &'a str) -> Self {
        Self { api, path, cursor: None, is_over: false }
    }

    async fn next(&mut self) -> anyhow::Result<Option<Vec<Value>>> {
        if self.is_over {
            return Ok(None);
        }
        let (items, cursor) = self.api.rows(self.path, self.cursor.as_deref()).await?;
        self.is_over = cursor.is_none();
        self.cursor = cursor;
        Ok(Some(items))
    }
}

/// Where results go. A file appears when it is whole.
enum Target {
    Stdout,
    File { file: std::io::BufWriter<std::fs::File>, part: PathBuf, path: PathBuf },
}

impl Target {
    fn open(path: Option<PathBuf>) -> anyhow::Result<Self> {
        let Some(path) = path else { return Ok(Self::Stdout) };
        let part = beside(&path);
        let file = std::fs::File::create(&part)
            .map_err(|error| Problem::new(Exit::Usage, format!("{} can't be written: {error}", path.display())))?;
        Ok(Self::File { file: std::io::BufWriter::new(file), part, path })
    }

    const fn is_file(&self) -> bool {
        matches!(self, Self::File { .. })
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Self::Stdout => std::io::stdout().write_all(bytes),
            Self::File { file, .. } => file.write_all(bytes),
        }
    }

    fn close(self) -> std::io::Result<Option<PathBuf>> {
        match self {
            Self::Stdout => std::io::stdout().flush().map(|()| None),
            Self::File { mut file, part, path } => {
                file.flush()?;
                std::fs::rename(part, &path)?;
                Ok(Some(path))
            }
        }
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    path.with_file_name(name)
}
