//! `hellosales doctor [--deep]`: reads only; exit 1 if anything is wrong.

mod judge;
mod settings;

use std::process::ExitCode;

use hellosales_core::Role;
use hellosales_core::database::health;
use hellosales_core::invariant::{self, Report, Scope};

use crate::Global;
use crate::database::{self, unreachable};
use crate::output::{Format, Output, Paint};
use crate::problem::Exit;
use judge::Finding;

/// What it takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Run the checker instead: every rule over everything that the database holds
    #[arg(long)]
    deep: bool,
}

pub(crate) async fn run(args: Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let url = database::url(global)?;
    if args.deep {
        return deep(&url, output).await;
    }
    let look = health::look(&url).await.map_err(|error| unreachable(error, &url))?;
    let mut findings = judge::database(&look);
    if look.migrations_applied > 0 {
        let operator = database::open(&url, Role::Operator, "hellosales doctor")?;
        let listens = health::listen_works(&operator).await.map_err(|error| unreachable(error, &url))?;
        let wrong = if listens { Vec::new() } else { vec!["no notification arrives".to_owned()] };
        let fix =
            "a transaction pooler is in between: everything works, slower, by polling; docs/operations/listen-lost.md";
        findings.push(Finding::new("LISTEN", &wrong, "notifications arrive", fix));
    }
    findings.extend(settings::look().await);
    let ok = findings.iter().all(|finding| finding.ok);
    match output.format {
        Format::Json | Format::Jsonl => output.json(&findings)?,
        Format::Table | Format::Wide | Format::Csv => show(&findings, output)?,
    }
    Ok(if ok { ExitCode::SUCCESS } else { Exit::Failed.into() })
}

/// Every rule that holds at any instant, in one read-only snapshot.
async fn deep(url: &str, output: Output) -> anyhow::Result<ExitCode> {
    let operator = database::open(url, Role::Operator, "hellosales doctor")?;
    let mut connection = operator.connection().await.map_err(|error| unreachable(error, url))?;
    let report = invariant::check(&mut connection, Scope::Live).await.map_err(|error| unreachable(error, url))?;
    match output.format {
        Format::Json | Format::Jsonl => output.json(&report)?,
        Format::Table | Format::Wide | Format::Csv => show_report(&report, output)?,
    }
    Ok(if report.violations.is_empty() { ExitCode::SUCCESS } else { Exit::Failed.into() })
}

fn show_report(report: &Report, output: Output) -> anyhow::Result<()> {
    for rule in invariant::rules().filter(|rule| !rule.quiet_only) {
        let broken: Vec<_> = report.violations.iter().filter(|found| found.rule == rule.name).collect();
        let mark = if broken.is_empty() { output.paint(Paint::Green, "✓") } else { output.paint(Paint::Red, "✗") };
        output.data(format!("{mark} {:<36} {}", rule.name, rule.says))?;
        for found in broken {
            output.data(format!("    {}", found.row))?;
        }
    }
    let (rules, runs, violations) = (report.rules, report.runs, report.violations.len());
    let verdict = match violations {
        0 => "all hold".to_owned(),
        1 => "1 violation".to_owned(),
        _ => format!("{violations} violations"),
    };
    Ok(output.data(format!("{rules} rules over {runs} runs: {verdict}"))?)
}

fn show(findings: &[Finding], output: Output) -> anyhow::Result<()> {
    for finding in findings {
        let mark = if finding.ok { output.paint(Paint::Green, "✓") } else { output.paint(Paint::Red, "✗") };
        output.data(format!("{mark} {:<20} {}", finding.check, finding.found))?;
        if let Some(fix) = &finding.fix {
            output.data(format!("    fix: {fix}"))?;
        }
    }
    Ok(())
}
