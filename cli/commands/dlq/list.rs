//! `dlq list`

use std::process::ExitCode;

use hellosales_core::dead_letter::read;
use hellosales_core::id::DeadLetterId;

use super::columns::{COLUMNS, LETTERS};
use crate::Global;
use crate::filter::FilterArgs;
use crate::list::List;
use crate::operator::Operator;
use crate::output::Output;
use crate::paging::PageArgs;

/// What it takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    page: PageArgs,
}

pub(super) async fn run(args: &Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let list = List::new(COLUMNS, global, output)?;
    let page = args.page.read()?;
    let operator = Operator::open(global).await?;
    let filter = args.filter.read(&operator, &LETTERS, output).await?;
    let rows = async {
        let mut tx = operator.db.begin().await?;
        read::list(&mut tx, &filter, page.window()).await
    };
    let rows = rows.await.map_err(|error| operator.fault(error))?;
    let shown = list.show(page.cut(&rows))?;
    page.say_next(&rows, |letter| DeadLetterId::uuid(letter.id), output);
    Ok(shown)
}
