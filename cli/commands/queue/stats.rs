//! `queue stats`

use std::process::ExitCode;

use hellosales_core::pulse::queue_stats::{self, By, QueueLine};
use hellosales_core::run::Lane;

use crate::Global;
use crate::list::{Cell, Column, List};
use crate::operator::Operator;
use crate::output::Output;

static COLUMNS: &[Column<QueueLine>] = &[
    Column::new("lane", "lane", |line| line.lane.as_ref().into()),
    Column::new("pipeline", "pipeline", |line| line.pipeline.as_ref().into()),
    Column::new("org", "organisation", |line| line.org.as_ref().into()),
    Column::new("ready", "ready", |line| line.ready.into()),
    Column::new("running", "running", |line| line.running.into()),
    Column::new("delayed", "delayed", |line| line.delayed.into()),
    Column::new("held", "held", |line| (line.held_turn + line.held_pause).into()),
    Column::new("oldest_ms", "oldest", |line| Cell::ms_if(line.oldest_ms)),
    Column::new("in_per_s", "in/s", |line| Cell::Number(line.in_per_s)),
    Column::new("out_per_s", "out/s", |line| Cell::Number(line.out_per_s)),
    Column::new("empty_in_ms", "empty in", |line| Cell::ms_if(line.empty_in_ms())),
    Column::wide("runs", "runs", |line| line.runs.into()),
    Column::wide("items", "items to come", |line| line.items.into()),
    Column::wide("held_turn", "held (turn)", |line| line.held_turn.into()),
    Column::wide("held_pause", "held (pause)", |line| line.held_pause.into()),
    Column::wide("org_id", "organisation's id", |line| Cell::said_if(line.org_id)),
];

/// What it takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// By lane, pipeline, org; several with commas
    #[arg(long, value_name = "WHAT,…", value_delimiter = ',', default_value = "lane", value_parser = ["lane", "pipeline", "org"])]
    by: Vec<String>,
}

pub(super) async fn run(args: &Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let by = |what: &str| args.by.iter().any(|by| by == what);
    let by = By { lane: by("lane"), pipeline: by("pipeline"), org: by("org") };
    // A column of what isn't told apart would be empty.
    let all = COLUMNS.iter().filter(|column| match column.name {
        "lane" => by.lane,
        "pipeline" => by.pipeline,
        "org" | "org_id" => by.org,
        _ => true,
    });
    let columns: Vec<Column<QueueLine>> = all.copied().collect();
    let list = List::new(&columns, global, output)?;
    let operator = Operator::open(global).await?;
    let mut lines = queue_stats::read(&operator.db, by, operator.org).await.map_err(|error| operator.fault(error))?;
    if by == (By { lane: true, ..By::default() }) {
        lines = Lane::ALL.iter().map(|lane| of_lane(*lane, &lines)).collect();
    }
    list.show(&lines)
}

/// An empty lane is a line, too.
fn of_lane(lane: Lane, lines: &[QueueLine]) -> QueueLine {
    let found = lines.iter().find(|line| line.lane.as_deref() == Some(lane.as_str()));
    found.cloned().unwrap_or_else(|| QueueLine { lane: Some(lane.as_str().to_owned()), ..QueueLine::default() })
}
