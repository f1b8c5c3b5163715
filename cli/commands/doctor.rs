//! `hellosales doctor [--deep]`: reads only; exit 1 if anything is wrong.

use std::process::ExitCode;

use hellosales_core::Role;
use hellosales_core::database::health::{self, Health, OLDEST_VERSION};
use hellosales_core::invariant::{self, Report, Scope};
use serde::Serialize;

use crate::Global;
use crate::database::{self, unreachable};
use crate::output::{Format, Output, Paint};
use crate::problem::Exit;

/// What it takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Run the checker instead: every rule over everything that the database holds
    #[arg(long)]
    deep: bool,
}

#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    ok: bool,
    found: String,
    fix: Option<String>,
}

pub(crate) async fn run(args: Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let url = database::url(global)?;
    if args.deep {
        return deep(&url, output).await;
    }
    let look = health::look(&url).await.map_err(|error| unreachable(error, &url))?;
    let mut findings = judge(&look);
    if look.migrations_applied > 0 {
        let operator = database::open(&url, Role::Operator, "hellosales doctor")?;
        let listens = health::listen_works(&operator).await.map_err(|error| unreachable(error, &url))?;
        findings.push(Finding {
            check: "LISTEN",
            ok: listens,
            found: if listens { "notifications arrive" } else { "no notification arrives" }.to_owned(),
            fix: (!listens)
                .then(|| "a transaction pooler is in between: everything works, slower, by polling".to_owned()),
        });
    }
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

fn judge(look: &Health) -> Vec<Finding> {
    let finding = |check, wrong: Vec<String>, fine: String, fix: &str| Finding {
        check,
        ok: wrong.is_empty(),
        fix: (!wrong.is_empty()).then(|| fix.to_owned()),
        found: if wrong.is_empty() { fine } else { wrong.join(", ") },
    };
    let old = (look.version < OLDEST_VERSION).then(|| format!("PostgreSQL {}", look.version));
    let missing = look.migrations_known.saturating_sub(look.migrations_applied);
    let behind = (missing > 0).then(|| format!("{missing} of {} missing", look.migrations_known));
    let full = (look.connections * 10 > look.max_connections * 9)
        .then(|| format!("{} of {} in use", look.connections, look.max_connections));
    let off = look.unsafe_settings.iter().map(|name| format!("{name} off")).collect();
    vec![
        finding(
            "server",
            old.into_iter().collect(),
            format!("PostgreSQL {}", look.version),
            "upgrade it to 15 or newer",
        ),
        finding(
            "durability",
            off,
            "fsync, full_page_writes, synchronous_commit on".to_owned(),
            "turn them on in postgresql.conf",
        ),
        finding(
            "migrations",
            behind.into_iter().collect(),
            format!("{} applied", look.migrations_applied),
            "hellosales migrate",
        ),
        finding(
            "roles",
            look.missing_roles.clone(),
            "all there, none above the rules".to_owned(),
            "hellosales migrate, as a login that may create roles",
        ),
        finding(
            "row-level security",
            look.open_tables.clone(),
            "forced on every organisation's table".to_owned(),
            "ALTER TABLE … FORCE ROW LEVEL SECURITY",
        ),
        finding(
            "connections",
            full.into_iter().collect(),
            format!("{} of {} in use", look.connections, look.max_connections),
            "raise max_connections, or run fewer processes",
        ),
    ]
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

#[cfg(test)]
mod tests {
    use super::*;

    fn healthy() -> Health {
        Health {
            version: 15,
            unsafe_settings: Vec::new(),
            migrations_applied: 6,
            migrations_known: 6,
            missing_roles: Vec::new(),
            open_tables: Vec::new(),
            connections: 20,
            max_connections: 100,
        }
    }

    #[test]
    fn a_healthy_database_passes_and_each_fault_is_found_with_its_fix() {
        assert!(judge(&healthy()).iter().all(|finding| finding.ok && finding.fix.is_none()));
        let faults: [fn(&mut Health); 6] = [
            |health| health.version = 14,
            |health| health.unsafe_settings.push("fsync".to_owned()),
            |health| health.migrations_applied = 5,
            |health| health.missing_roles.push("hellosales_api".to_owned()),
            |health| health.open_tables.push("clients".to_owned()),
            |health| health.connections = 99,
        ];
        for fault in faults {
            let mut health = healthy();
            fault(&mut health);
            let wrong: Vec<_> = judge(&health).into_iter().filter(|finding| !finding.ok).collect();
            assert!(matches!(&*wrong, [Finding { fix: Some(_), .. }]), "{health:?}");
        }
    }
}
