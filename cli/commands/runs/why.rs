//! `runs why`: what keeps a run from moving, in sentences, and what to type next.

use std::process::ExitCode;

use hellosales_core::id::RunId;
use hellosales_core::pulse::explain::{self, Explanation, MOST_AHEAD, Place};
use hellosales_core::pulse::prefix::Noun;
use hellosales_core::pulse::why::{PauseSeen, WaitReason, Waiting};
use serde_json::{Value, json};

use crate::Global;
use crate::bulk::thousands;
use crate::duration;
use crate::operator::Operator;
use crate::output::{Format, Output, Paint};
use crate::problem::{Exit, Problem};

/// What it takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Its id, or the first 8 characters of it
    #[arg(value_name = "ID")]
    id: String,
}

pub(super) async fn run(args: &Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let operator = Operator::open(global).await?;
    let run: RunId = operator.id(Noun::Run, &args.id).await?.into();
    let chain = explain::explain(&operator.db, run).await.map_err(|error| operator.fault(error))?;
    let Some(last) = chain.last() else {
        return Err(Problem::new(Exit::NothingMatched, format!("there is no run {run}")).into());
    };
    let next = next(last);
    match output.format {
        Format::Json | Format::Jsonl => output.json(&object(&chain, next.as_deref())?)?,
        Format::Table | Format::Wide | Format::Csv => {
            for (n, one) in chain.iter().enumerate() {
                let indent = "  ".repeat(n);
                for sentence in sentences(one) {
                    output.data(format!("{indent}{sentence}"))?;
                }
            }
            if let Some(next) = next {
                output.data(output.paint(Paint::Bold, &format!("→ {next}")))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The run, and in `chain` it and those that it waits for.
fn object(chain: &[Explanation], next: Option<&str>) -> anyhow::Result<Value> {
    let mut all = Vec::with_capacity(chain.len());
    for one in chain {
        let mut object = serde_json::to_value(one)?;
        if let Some(object) = object.as_object_mut() {
            object.insert("says".to_owned(), json!(sentences(one)));
        }
        all.push(object);
    }
    let mut first = all.first().cloned().unwrap_or_default();
    if let Some(first) = first.as_object_mut() {
        first.insert("chain".to_owned(), Value::Array(all));
        first.insert("next".to_owned(), json!(next));
    }
    Ok(first)
}

fn sentences(one: &Explanation) -> Vec<String> {
    let mut said = vec![standing(one)];
    match (&one.waiting, &one.place, &one.holder) {
        _ if one.completed_at.is_some() => said.extend(ending(one)),
        (Some(waiting), ..) => said.push(waits(one, waiting)),
        (None, Some(place), _) => said.extend(queued(one, place)),
        (None, None, Some(holder)) => {
            let process = holder.pid.map(|pid| format!(" (process {pid})")).unwrap_or_default();
            let since = holder.claimed_at.map(|at| format!(" for {}", ago(one, at))).unwrap_or_default();
            said.push(format!("worker {}{process} works on it{since}", holder.worker_id));
            if !holder.is_alive {
                said.push("that worker is silent: another takes it over within seconds".to_owned());
            }
        }
        (None, None, None) => said.push("nothing holds it: it moves on in a moment".to_owned()),
    }
    if let Some(deadline) = one.deadline_at.filter(|_| one.completed_at.is_none() && one.ahead.is_none()) {
        said.push(format!("if it has not ended by {}, it fails", time(deadline)));
    }
    said
}

fn standing(one: &Explanation) -> String {
    let at = match (&one.stage, one.attempt, one.max_attempts) {
        (Some(stage), Some(attempt), Some(most)) => format!(" at {stage}, attempt {attempt} of {most}"),
        (Some(stage), ..) => format!(" at {stage}"),
        _ => String::new(),
    };
    format!("run {} ({}@{}, {}) is {}{at}", one.run_id, one.pipeline, one.pipeline_version, one.lane, one.status)
}

fn ending(one: &Explanation) -> Vec<String> {
    let mut said = Vec::new();
    let ended = one.completed_at.map(|at| format!("{} ago", ago(one, at))).unwrap_or_default();
    match one.status.as_str() {
        "failed" => {
            if let Some(error) = &one.error {
                let stage = error.stage.as_deref().map(|stage| format!(" at {stage}")).unwrap_or_default();
                said.push(format!("it failed{stage} {ended}: {}: {}", error.code, error.message));
            }
            match &one.dead_letter {
                Some(letter) => said.push(format!("its dead letter is {} ({})", letter.id, letter.status)),
                None => said.push("it has no dead letter".to_owned()),
            }
        }
        status => {
            let why = one.status_reason.as_deref().map(|why| format!(" ({why})")).unwrap_or_default();
            said.push(format!("it was {status} {ended}{why}: there is nothing left to move"));
        }
    }
    said
}

fn waits(one: &Explanation, waiting: &Waiting) -> String {
    let what = match waiting.reason {
        WaitReason::Backoff => "an attempt failed, and the next one has its time",
        WaitReason::RateLimited => "a limit is reached",
        WaitReason::ProviderDown => "the provider is down",
        WaitReason::Budget => "a budget does not reach",
        WaitReason::SessionBusy => "an earlier turn of its session goes first",
        WaitReason::BatchPaused => "its batch is paused",
        WaitReason::QueuePaused => "an operator paused it",
        WaitReason::NoWorker => "no worker can take it",
        WaitReason::AwaitingApproval => "it waits for a yes",
    };
    let detail = waiting.detail.as_deref().map(|detail| format!(": {detail}")).unwrap_or_default();
    let until = waiting.until.map(|at| format!("; until {} ({})", time(at), left(one, at))).unwrap_or_default();
    format!("it waits ({}): {what}{detail}{until}", waiting.reason)
}

fn queued(one: &Explanation, place: &Place) -> Vec<String> {
    let many = |count: i64| if count >= MOST_AHEAD { "10,000+".to_owned() } else { thousands(count) };
    let (ahead, of_org) = (many(place.ahead), many(place.ahead_of_org));
    let first = match place.ahead {
        0 => format!("it is the next of lane {}", one.lane),
        _ => format!("it is queued behind {ahead} ready steps of lane {}, {of_org} of them its organisation's", one.lane),
    };
    vec![
        format!("{first}; accepted {} ago", ago(one, one.created_at)),
        format!(
            "its rank is {}, the lane is at {}; its organisation has {} runs ahead in the lane; {} workers know it",
            place.fair_rank,
            place.lane_rank,
            thousands(place.org_backlog),
            place.workers
        ),
    ]
}

/// What to type next.
fn next(one: &Explanation) -> Option<String> {
    let run = one.run_id;
    if one.completed_at.is_some() {
        return match (&one.dead_letter, one.status.as_str()) {
            (Some(letter), "failed") if letter.status != "resolved" => Some(format!("hellosales dlq show {}", letter.id)),
            _ => Some(format!("hellosales runs show {run} --timeline")),
        };
    }
    let Some(waiting) = &one.waiting else {
        return Some(match &one.place {
            Some(_) => "hellosales queue stats --by lane,org".to_owned(),
            None => format!("hellosales runs watch {run}"),
        });
    };
    Some(match waiting.reason {
        WaitReason::RateLimited | WaitReason::ProviderDown => "hellosales providers list".to_owned(),
        WaitReason::Budget => format!("hellosales budgets show {}", one.org_id),
        WaitReason::QueuePaused => match &one.pause {
            Some(pause) => resume(pause),
            None => format!("hellosales runs watch {run}"),
        },
        WaitReason::BatchPaused | WaitReason::AwaitingApproval => match one.batch_id {
            Some(batch) => format!("hellosales batch show {batch}"),
            None => format!("hellosales runs show {run}"),
        },
        WaitReason::NoWorker => "hellosales workers list".to_owned(),
        WaitReason::Backoff => format!("hellosales runs show {run} --calls"),
        WaitReason::SessionBusy => format!("hellosales runs watch {run}"),
    })
}

fn resume(pause: &PauseSeen) -> String {
    let PauseSeen { scope, key, .. } = pause;
    format!("hellosales queue resume --{scope} {key} --reason TEXT")
}

fn time(at: chrono::DateTime<chrono::Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

fn ago(one: &Explanation, at: chrono::DateTime<chrono::Utc>) -> String {
    duration::tell((one.now - at).num_milliseconds().max(0))
}

fn left(one: &Explanation, at: chrono::DateTime<chrono::Utc>) -> String {
    let ms = (at - one.now).num_milliseconds();
    if ms > 0 { format!("in {}", duration::tell(ms)) } else { "now".to_owned() }
}
