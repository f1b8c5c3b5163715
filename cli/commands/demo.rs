//! `hellosales demo`: a conversation over HTTP, a worker killed in mid-sentence, a turn stopped, emails for a list of
//! clients, and the checker.

mod control;
mod letter;
mod mailing;
mod stage_play;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use hellosales_core::invariant::{self, Report, Scope};
use hellosales_core::{Database, OrgId, Role as DatabaseRole};
use hellosales_simulator::{Role, TokenRequest};
use serde_json::json;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::Global;
use crate::client::Api;
use crate::commands::token;
use crate::data_dir::DataDir;
use crate::database::{self, unreachable};
use crate::output::{Output, Paint, this_program};
use crate::problem::{Exit, Problem};
use crate::stack::{Model, Options, Stack};
use crate::{seed, shutdown};

use mailing::Mailing;
use stage_play::Stage;

/// How long the check waits for what was under way before.
const LEFTOVERS_END_WITHIN: Duration = Duration::from_secs(60);

/// What it takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where everything lies [default: .hellosales, or a folder in it while a `dev` runs there]
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
}

pub(crate) async fn run(args: Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let stop = shutdown::token(false)?;
    let mut data_dir = DataDir::resolve(args.data_dir.as_deref())?;
    if args.data_dir.is_none() && data_dir.holder().is_some() {
        data_dir = DataDir::resolve(Some(&data_dir.join("demo")))?;
    }
    let options = Options {
        command: "demo",
        apis: 1,
        workers: 2,
        port: 8080,
        lease: Some(Duration::from_secs(2)),
        slots: None,
        // The play needs a model that holds its breath on request.
        model: Model::Simulator,
        database_url: global.database_url.clone(),
    };
    output.say(output.paint(Paint::Bold, "Bringing up the parts, each a process of its own"));
    let mut stack = Stack::start(data_dir, options.clone(), output, &stop).await?;
    let played = tokio::select! {
        played = play(&mut stack, &options, output) => played,
        () = stop.cancelled() => Err(Problem::new(Exit::Interrupted, "stopped").into()),
    };
    let folder = stack.data_dir.join("logs");
    stack.stop().await;
    played.with_context(|| format!("the demo did not go as it should; logs in {}", folder.display()))?;
    output.say(format!("\nEverything is stopped, nothing is left running.\n{}", what_next(output)));
    Ok(ExitCode::SUCCESS)
}

async fn play(stack: &mut Stack, options: &Options, output: Output) -> anyhow::Result<()> {
    let request = TokenRequest::new(seed::ORGANIZATION, seed::USER, Role::Admin);
    let api = Api::new(&stack.url, token::issue(&stack.data_dir, &request)?)?;
    let org = stack.seed(&api, output).await?;
    let operator = database::open(&stack.database_url, DatabaseRole::Operator, "hellosales demo")?;
    let session = open_session(&api, org).await?;
    let stage = Stage::new(api.clone(), operator.clone(), session, stack, output)?;
    stage.a_turn().await?;
    stage.a_killed_worker(stack).await?;
    stage.a_stopped_turn().await?;
    // In the place of the killed one.
    stack.add_worker(options, output).await?;
    let mailing = Mailing::new(api, operator.clone(), org, stack, output)?;
    let (order, estimate) = mailing.a_file().await?;
    let batch = mailing.a_sample(&order).await?;
    let lost = mailing.a_killed_worker(stack, batch).await?;
    mailing.the_end(batch, &estimate, &lost).await?;
    operator.close().await;
    check(stack, output).await
}

async fn open_session(api: &Api, org: OrgId) -> anyhow::Result<Uuid> {
    let (product, client) = (seed::product_id(org, 0), seed::client_id(org, 0));
    api.create_session(&json!({"title": "Lumen Retail, first call", "product_id": product, "client_id": client})).await
}

async fn check(stack: &Stack, output: Output) -> anyhow::Result<()> {
    output.say(output.paint(Paint::Bold, "\n7  The invariants, over everything that this database holds"));
    let url = &stack.database_url;
    let database: Database = database::open(url, DatabaseRole::Operator, "hellosales demo")?;
    let mut connection = database.connection().await.map_err(|error| unreachable(error, url))?;
    let mut report = invariant::check(&mut connection, Scope::Quiet).await?;
    // What a killed run left behind in this folder may still be on its way.
    let began = Instant::now();
    while is_on_its_way(&report) && began.elapsed() < LEFTOVERS_END_WITHIN {
        sleep(Duration::from_secs(1)).await;
        report = invariant::check(&mut connection, Scope::Quiet).await?;
    }
    drop(connection);
    database.close().await;
    for violation in &report.violations {
        output.say(format!("   {} {}: {}", output.paint(Paint::Red, "✗"), violation.rule, violation.row));
    }
    let (rules, runs) = (report.rules, report.runs);
    if report.violations.is_empty() {
        let mark = output.paint(Paint::Green, "✓");
        output.say(format!("   {mark} {rules} rules over {runs} runs: all hold"));
        return Ok(());
    }
    let broken = report.violations.len();
    Err(Problem::new(Exit::Failed, format!("{rules} rules over {runs} runs: {broken} violations")).into())
}

/// Whether only rules are broken that hold once everything has ended.
fn is_on_its_way(report: &Report) -> bool {
    let quiet_only = |name| invariant::rules().any(|rule| rule.quiet_only && rule.name == name);
    !report.violations.is_empty() && report.violations.iter().all(|found| quiet_only(found.rule))
}

/// Lines that work as they stand, from here.
fn what_next(output: Output) -> String {
    let program = this_program();
    let mut lines = vec![
        (format!("{program} dev"), "the same, and it stays: URL, token, curl"),
        (format!("{program} chat"), "in another terminal: a conversation"),
        (format!("{program} doctor --deep"), "there too: the checker, on live data"),
    ];
    if Path::new("scripts/local-model").exists() {
        lines.push(("scripts/local-model".to_owned(), "a real model; prints the line to use it"));
    }
    lines.push((format!("{program} --help"), "the rest"));
    let width = lines.iter().map(|(line, _)| line.chars().count()).max().unwrap_or(0);
    let lines = lines.iter().map(|(line, what)| format!("\n  {line:width$}   {}", output.paint(Paint::Dim, what)));
    format!("{}{}", output.paint(Paint::Bold, "Next:"), lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hellosales_core::invariant::Violation;

    #[test]
    fn the_check_waits_for_what_is_on_its_way_and_for_no_other_breach() {
        let name = |quiet_only| invariant::rules().find(|rule| rule.quiet_only == quiet_only).map(|rule| rule.name);
        let report = |rules: &[bool]| Report {
            rules: 1,
            runs: 1,
            violations: rules.iter().map(|quiet| Violation { rule: name(*quiet).unwrap(), row: json!({}) }).collect(),
        };
        assert!(is_on_its_way(&report(&[true])));
        assert!(!is_on_its_way(&report(&[])) && !is_on_its_way(&report(&[true, false])));
    }
}
