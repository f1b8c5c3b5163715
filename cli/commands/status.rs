//! `hellosales status`: one screen: what is wrong now, and the next command to type. Exit 1 if anything is.

mod findings;

use std::process::ExitCode;
use std::time::Duration;

use hellosales_core::database::health::{self, Load};
use hellosales_core::pulse::status::{self, Status};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use crate::Global;
use crate::operator::Operator;
use crate::output::{Format, Output, Paint};
use crate::problem::{Exit, Problem};
use crate::{client, config, data_dir, duration};
use findings::Finding;

/// What it takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Look again and again [default: 2s]
    #[arg(long, value_name = "EVERY", num_args = 0..=1, default_missing_value = "2s", value_parser = duration::parse)]
    watch: Option<Duration>,
}

/// Whether the api answers; where none is named, nothing is known.
type ApiReady = Option<bool>;

pub(crate) async fn run(args: Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    if matches!(output.format, Format::Csv) {
        return Err(Problem::new(Exit::Usage, "a status is no list").fix("-o table or -o json").into());
    }
    let operator = Operator::open(global).await?;
    let Some(every) = args.watch else { return look(&operator, global, output).await };
    let mut interrupt = signal(SignalKind::interrupt())?;
    loop {
        tokio::select! {
            looked = look_again(&operator, global, output) => looked?,
            _ = interrupt.recv() => return Ok(Exit::Interrupted.into()),
        }
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            _ = interrupt.recv() => return Ok(Exit::Interrupted.into()),
        }
    }
}

/// A database that is gone for a while is what a watch is for: it is said, and looked for again.
async fn look_again(operator: &Operator, global: &Global, output: Output) -> anyhow::Result<()> {
    output.clear_screen()?;
    if let Err(error) = look(operator, global, output).await {
        if error.downcast_ref::<std::io::Error>().is_some() {
            return Err(error);
        }
        output.error(&crate::problem::explain(&error).0);
    }
    Ok(())
}

async fn look(operator: &Operator, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let load = health::load(operator.url()).await.map_err(|error| operator.fault(error))?;
    let status = status::read(&operator.db).await.map_err(|error| operator.fault(error))?;
    let api = ask_api(global).await;
    let findings = findings::of(&status, &load, api);
    match output.format {
        Format::Json | Format::Jsonl => output.json(&object(&status, &load, api, &findings))?,
        Format::Table | Format::Wide | Format::Csv => {
            findings.iter().try_for_each(|finding| output.data(line(finding, output)))?;
            output.data(format!("  {}", summary(&status, &load, api)))?;
        }
    }
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { Exit::Failed.into() })
}

/// Asks the api that is named, or that a `dev` runs here, whether it is ready.
async fn ask_api(global: &Global) -> ApiReady {
    let named = global.api_url.clone().or_else(|| config::optional("API_URL"));
    let here = || data_dir::DataDir::resolve(None).ok()?.holder()?.url;
    let url = named.or_else(here)?;
    let http = client::http(&url).timeout(Duration::from_secs(2)).build().ok()?;
    let answer = http.get(format!("{}/ready", url.trim_end_matches('/'))).send().await;
    Some(answer.is_ok_and(|answer| answer.status().is_success()))
}

fn line(finding: &Finding, output: Output) -> String {
    let mark = output.paint(Paint::Red, "!");
    let next = output.paint(Paint::Dim, &format!("→ {}", finding.next));
    format!("{mark} {:<12} {:<70} {next}", finding.what, finding.found)
}

fn summary(status: &Status, load: &Load, api: ApiReady) -> String {
    let workers = status.workers;
    let pickup = status.pickup_p95_ms.map_or_else(|| "-".to_owned(), duration::tell);
    let api = match api {
        Some(true) => "   api ready",
        Some(false) => "   api not ready",
        None => "",
    };
    format!(
        "workers {}/{} beating, {}/{} slots busy   interactive p95 pickup {pickup}   db {}/{} connections, oldest snapshot {}{api}",
        workers.beating,
        workers.beating + workers.stale,
        workers.running,
        workers.slots,
        load.connections,
        load.max_connections,
        duration::tell(load.oldest_snapshot_s.saturating_mul(1_000)),
    )
}

fn object(status: &Status, load: &Load, api: ApiReady, findings: &[Finding]) -> Value {
    let workers = status.workers;
    let lanes: Vec<Value> = status
        .lanes
        .iter()
        .map(|lane| {
            json!({"lane": lane.lane, "ready": lane.ready, "running": lane.running, "delayed": lane.delayed,
                   "held": lane.held_turn + lane.held_pause, "oldest_ms": lane.oldest_ms, "in_per_s": lane.in_per_s,
                   "out_per_s": lane.out_per_s})
        })
        .collect();
    json!({
        "ok": findings.is_empty(),
        "findings": findings,
        "workers": {"beating": workers.beating, "draining": workers.draining, "stale": workers.stale, "slots": workers.slots,
                    "running": workers.running},
        "lanes": lanes,
        "pickup_p95_ms": status.pickup_p95_ms,
        "crashes_10m": status.crashes,
        "database": {"connections": load.connections, "max_connections": load.max_connections,
                     "oldest_snapshot_s": load.oldest_snapshot_s, "migrations_missing": load.migrations_missing},
        "api_ready": api,
    })
}
