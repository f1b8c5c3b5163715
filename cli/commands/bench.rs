//! `hellosales bench`: measures this build on this machine.

use std::process::ExitCode;
use std::time::Duration;

use crate::bench::batch::{self, Plan};
use crate::output::{Format, Output};
use crate::shutdown;

/// What it takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// One email for each of a list of clients
    Batch(BatchArgs),
}

#[derive(Debug, clap::Args)]
struct BatchArgs {
    /// How many clients the list has
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(10..=10_000))]
    items: u32,
    /// How many emails are written at once; several numbers are measured one after another
    #[arg(long, value_name = "N,…", default_value = "256,1024", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..=3_000))]
    slots: Vec<u16>,
    /// How long the model takes for one
    #[arg(long, value_name = "MS", default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=20_000))]
    call_ms: u64,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<ExitCode> {
    let What::Batch(args) = args.what;
    let stop = shutdown::token(false)?;
    let plan = Plan { items: args.items, slots: args.slots, call: Duration::from_millis(args.call_ms) };
    let output = if args.json { output.in_format(Format::Json) } else { output };
    batch::run(&plan, output, &stop).await?;
    Ok(ExitCode::SUCCESS)
}
