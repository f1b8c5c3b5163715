//! `dlq summary`: how many letters share what, the most first, and what to type next.

use std::process::ExitCode;

use hellosales_core::dead_letter::summary::{self, By, Group};
use hellosales_core::pulse::filter::Filter;

use super::columns::LETTERS;
use crate::Global;
use crate::filter::FilterArgs;
use crate::list::{Cell, Column, List};
use crate::operator::Operator;
use crate::output::{Output, this_program};

/// What it takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What they are grouped by, with commas: error, stage, provider, pipeline, org, fingerprint
    #[arg(long, value_name = "BY,…", value_delimiter = ',', default_value = "error,stage,provider", value_parser = by)]
    by: Vec<By>,
    #[command(flatten)]
    filter: FilterArgs,
}

fn by(text: &str) -> Result<By, String> {
    By::parse(text).map_err(|_| {
        let known: Vec<&str> = By::ALL.iter().map(|by| by.as_str()).collect();
        format!("'{text}' is none of: {}", known.join(", "))
    })
}

static COUNT: Column<Group> = Column::new("count", "letters", |group| Cell::Whole(group.count));
static BY: [(By, Column<Group>); 6] = [
    (By::Error, Column::new("error", "error", |group| group.error.as_ref().into())),
    (By::Stage, Column::new("stage", "stage", |group| group.stage.as_ref().into())),
    (By::Provider, Column::new("provider", "provider", |group| group.provider.as_ref().into())),
    (By::Pipeline, Column::new("pipeline", "pipeline", |group| group.pipeline.as_ref().into())),
    (By::Org, Column::new("org", "organisation", |group| group.org.as_ref().into())),
    (By::Fingerprint, Column::new("fingerprint", "fingerprint", |group| group.fingerprint.as_ref().into())),
];
static REST: [Column<Group>; 5] = [
    Column::new("organisations", "organisations", |group| Cell::Whole(group.organisations)),
    Column::new("oldest", "oldest", |group| group.oldest.into()),
    Column::new("newest", "newest", |group| group.newest.into()),
    Column::new("message", "message", |group| group.message.as_ref().into()),
    Column::wide("example", "example", |group| Cell::said(group.example)),
];

/// The columns of a summary by these.
fn columns(by: &[By]) -> Vec<Column<Group>> {
    let copy = |column: &Column<Group>| Column { ..*column };
    let chosen = BY.iter().filter(|(one, _)| by.contains(one)).map(|(_, column)| copy(column));
    std::iter::once(copy(&COUNT)).chain(chosen).chain(REST.iter().map(copy)).collect()
}

/// What the summary was narrowed to, as flags: what is typed next must mean no more than what was seen.
fn narrowed(filter: &Filter) -> String {
    let time = |at: &chrono::DateTime<chrono::Utc>| at.format("%FT%TZ").to_string();
    let flags = [
        ("--org", filter.org_id.map(|id| id.to_string())),
        ("--pipeline", filter.pipeline.clone()),
        ("--stage", filter.stage.clone()),
        ("--provider", filter.provider.clone()),
        ("--batch", filter.batch_id.map(|id| id.to_string())),
        ("--session", filter.session_id.map(|id| id.to_string())),
        ("--user", filter.user_id.map(|id| id.to_string())),
        ("--fingerprint", filter.fingerprint.clone()),
        ("--since", filter.since.as_ref().map(time)),
        ("--until", filter.until.as_ref().map(time)),
    ];
    flags.into_iter().filter_map(|(flag, value)| value.map(|value| format!(" {flag} {value}"))).collect()
}

pub(super) async fn run(args: &Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let columns = columns(&args.by);
    let list = List::new(&columns, global, output)?;
    let operator = Operator::open(global).await?;
    let mut filter = args.filter.read(&operator, &LETTERS, output).await?;
    if filter.status.is_empty() {
        filter.status = vec!["pending".to_owned(), "investigating".to_owned()];
        output.say("--status pending,investigating");
    }
    let groups = async {
        let mut tx = operator.db.begin().await?;
        summary::groups(&mut tx, &filter, &args.by).await
    };
    let groups = groups.await.map_err(|error| operator.fault(error))?;
    let shown = list.show(&groups)?;
    if let Some(error) = groups.first().and_then(|group| group.error.as_deref()) {
        let (program, those) = (this_program(), narrowed(&filter));
        output.say(format!(
            "next: {program} dlq list --error {error}{those}    {program} dlq redrive --error {error}{those} --canary 3 --reason …"
        ));
    }
    Ok(shown)
}
