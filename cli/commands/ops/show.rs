//! `ops show`

use std::process::ExitCode;

use hellosales_core::id::OperationId;
use hellosales_core::operation::read::{self, OperationItem};
use hellosales_core::pulse::prefix::Noun;
use serde_json::{Value, json};

use super::follow::{ends_json, line};
use super::list::COLUMNS;
use crate::Global;
use crate::list::List;
use crate::operator::Operator;
use crate::output::{Format, Output};
use crate::problem::{Exit, Problem};
use crate::table::Table;

/// So many items in trouble are shown.
const MAX_TROUBLED: i64 = 100;

/// What it takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Which, or the first characters of its id
    id: String,
}

pub(super) async fn run(args: &Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let list = List::of_one(COLUMNS, global, output)?;
    let operator = Operator::open(global).await?;
    let id = OperationId::from(operator.id(Noun::Operation, &args.id).await?);
    let found = async {
        let mut tx = operator.db.begin().await?;
        let Some(op) = read::get(&mut tx, operator.org, id).await? else { return Ok(None) };
        let ends = read::ends(&mut tx, &op).await?;
        Ok(Some((op, ends, read::troubled(&mut tx, id, MAX_TROUBLED).await?)))
    };
    let found = found.await.map_err(|error| operator.fault(error))?;
    let (op, ends, troubled) =
        found.ok_or_else(|| Problem::new(Exit::NothingMatched, format!("there is no operation {id}")))?;
    if !matches!(output.format, Format::Table | Format::Wide) {
        let mut object = list.object(&op);
        if let Value::Object(members) = &mut object {
            members.insert("runs".to_owned(), ends_json(&ends));
            members.insert("items".to_owned(), troubled.iter().map(item).collect());
        }
        output.json(&object)?;
        return Ok(ExitCode::SUCCESS);
    }
    list.show_one(&op)?;
    output.data(line(&op, &ends))?;
    if !troubled.is_empty() {
        let mut table = Table::new(&["n", "target", "run", "refused", "run is", "error"]);
        for one in troubled {
            let run_is = one.run_status.unwrap_or_default();
            table.row([
                one.n.to_string(),
                one.target_id.to_string(),
                one.run_id.to_string(),
                one.error.unwrap_or_default(),
                run_is,
                one.run_error.unwrap_or_default(),
            ]);
        }
        table.show(output)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn item(one: &OperationItem) -> Value {
    json!({"n": one.n, "target_id": one.target_id, "run_id": one.run_id, "status": one.status, "generation": one.generation,
           "error": one.error, "run_status": one.run_status, "run_error": one.run_error})
}
