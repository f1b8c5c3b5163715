//! A batch as large as a client list, through the HTTP API, on a stack of its own: a PostgreSQL that forgets nothing, the
//! simulator, an api and a worker, each a process.

use std::path::PathBuf;
use std::time::Duration;

use hellosales_core::bench::{self, Work};
use hellosales_core::{BatchId, Database, Role as DatabaseRole};
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::chat;
use super::list::List;
use super::memory::resident_bytes;
use super::processor::Used;
use super::report::{Accept, Chat, Fairness, Memory, PerEmail, Report, Round};
use super::times::{Times, milliseconds, ratio};
use crate::client::Api;
use crate::data_dir::DataDir;
use crate::database;
use crate::output::Output;
use crate::problem::{Exit, Problem};
use crate::stack::{Model, Options, Stack};

/// The list is accepted so often.
const ACCEPTS: usize = 20;
/// Single rows are committed so often, to compare.
const COMMITS: usize = 200;
/// Turns before the batch.
const IDLE_TURNS: usize = 11;
/// Turns beside it, at most.
const BUSY_TURNS: usize = 1_000;
/// The other organisation's list.
const OTHER_ITEMS: u32 = 10;
/// How far a batch is, is asked this often.
const LOOK: Duration = Duration::from_millis(500);
/// A process of the database tells what it did within a second of being idle.
const STATISTICS: Duration = Duration::from_millis(1_500);
/// A batch that takes longer than so many times its ideal, and this, is stuck.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is measured.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// How many clients the list has.
    pub(crate) items: u32,
    /// How many emails are written at once.
    pub(crate) slots: Vec<u16>,
    /// How long the model takes.
    pub(crate) call: Duration,
}

#[derive(Debug, Deserialize)]
struct Batch {
    id: Uuid,
    status: String,
    counts: Counts,
}

#[derive(Debug, Deserialize)]
struct Counts {
    completed: u32,
    failed: u32,
}

/// Measures, and tells.
pub(crate) async fn run(plan: &Plan, output: Output, stop: &CancellationToken) -> anyhow::Result<()> {
    let mut rounds = Vec::new();
    for &slots in &plan.slots {
        output.say(format!("{} emails with {slots} slots, on a stack of their own …", plan.items));
        rounds.push(in_a_folder(plan, slots, output, stop).await?);
    }
    let report =
        Report { items: plan.items, call_ms: u64::try_from(plan.call.as_millis()).unwrap_or(u64::MAX), rounds };
    match output.format {
        crate::output::Format::Json | crate::output::Format::Jsonl => output.json(&report),
        crate::output::Format::Table | crate::output::Format::Wide | crate::output::Format::Csv => report.show(output),
    }
}

/// A stack in a folder that goes with it.
async fn in_a_folder(plan: &Plan, slots: u16, output: Output, stop: &CancellationToken) -> anyhow::Result<Round> {
    let asked: PathBuf = std::env::temp_dir().join(format!("hellosales-bench-{}-{slots}", std::process::id()));
    let data_dir = DataDir::resolve(Some(&asked))?;
    let folder = data_dir.path().to_owned();
    let options = Options {
        command: "bench",
        apis: 1,
        workers: 0,
        port: 0,
        lease: None,
        slots: Some(worker_slots(slots)),
        model: Model::Simulator,
        database_url: None,
    };
    let mut stack = Stack::start(data_dir, options.clone(), output, stop).await?;
    let measured = tokio::select! {
        measured = measure(&mut stack, &options, plan, slots, output) => measured,
        () = stop.cancelled() => Err(Problem::new(Exit::Interrupted, "stopped").into()),
    };
    stack.stop().await;
    if measured.is_ok() {
        std::fs::remove_dir_all(&folder)?;
    } else {
        output.say(format!("what is left to look at: {}", folder.display()));
    }
    measured
}

/// A worker keeps two eighths of its slots for those who wait for an answer: so many it has in all.
fn worker_slots(bulk: u16) -> u16 {
    (bulk..=u16::MAX).find(|slots| slots.saturating_sub(2 * (slots / 8).max(1)) >= bulk).unwrap_or(bulk)
}

async fn measure(
    stack: &mut Stack,
    options: &Options,
    plan: &Plan,
    slots: u16,
    output: Output,
) -> anyhow::Result<Round> {
    let owner = database::open(&stack.database_url, DatabaseRole::Login, "hellosales bench")?;
    let api_role = database::open(&stack.database_url, DatabaseRole::Api, "hellosales bench")?;
    let list = List::make(stack, &api_role, "Bench", plan.items).await?;
    let other = List::make(stack, &api_role, "Other", OTHER_ITEMS.min(plan.items)).await?;
    pace(&stack.simulator_url, plan.call).await?;
    let accept = accepts(&list, &owner).await?;
    output.say("the list was accepted, and cancelled, often enough to tell how long that takes");
    stack.add_worker(options, output).await?;
    until(&list.api, |batches| batches.iter().all(|batch| batch.status == "cancelled")).await?;
    let idle = chat::take_turns(&list.api, plan.call, IDLE_TURNS, &CancellationToken::new()).await?;

    sleep(STATISTICS).await;
    let before = Spent::so_far(&owner, stack).await?;
    let course = Course::run(stack, plan, slots, &list, &other).await?;
    sleep(STATISTICS).await;
    let after = Spent::so_far(&owner, stack).await?;
    let round = course.round((plan, slots), &owner, (before, after), (accept, idle)).await;
    owner.close().await;
    api_role.close().await;
    round
}

/// Tells the simulator how long it takes.
async fn pace(simulator_url: &str, call: Duration) -> anyhow::Result<()> {
    let rule = json!({"first_token_ms": u64::try_from(call.as_millis())?, "token_delay_ms": 0});
    let http = crate::client::http(simulator_url).build()?;
    http.post(format!("{simulator_url}/_control")).json(&rule).send().await?.error_for_status()?;
    Ok(())
}

/// Accepts the list again and again, and cancels it each time; and commits single rows.
async fn accepts(list: &List, owner: &Database) -> anyhow::Result<Accept> {
    let (mut accepts, mut commits) = (Times::default(), Times::default());
    for _ in 0..COMMITS {
        let began = Instant::now();
        bench::commit_one_row(owner).await?;
        commits.add(began.elapsed());
    }
    for _ in 0..ACCEPTS {
        let began = Instant::now();
        let batch = create(list).await?;
        accepts.add(began.elapsed());
        list.api.post::<Batch>(&format!("/email-batches/{}/cancel", batch.id), &json!({})).await?;
    }
    Ok(Accept {
        accepts: accepts.count(),
        accept_p50_ms: milliseconds(accepts.percentile(50)),
        accept_p99_ms: milliseconds(accepts.percentile(99)),
        commit_p50_ms: milliseconds(commits.percentile(50)),
        commit_p99_ms: milliseconds(commits.percentile(99)),
        accept_p99_commits: ratio(accepts.percentile(99), commits.percentile(50)),
    })
}

async fn create(list: &List) -> anyhow::Result<Batch> {
    let body = json!({
        "product_id": list.product_id, "client_ids": list.client_ids, "email_type": "cold_outreach",
        "instructions": "Offer a pilot of thirty days. Keep it short.",
    });
    list.api.post("/email-batches", &body).await
}

async fn until(api: &Api, done: impl Fn(&[Batch]) -> bool) -> anyhow::Result<()> {
    let began = Instant::now();
    while !done(&api.list::<Batch>("/email-batches?limit=100").await?) {
        if began.elapsed() > PATIENCE {
            return Err(Problem::new(Exit::Failed, "the batches that were cancelled do not end").into());
        }
        sleep(LOOK).await;
    }
    Ok(())
}

/// What everything has cost so far.
#[derive(Clone, Copy)]
struct Spent {
    work: Work,
    used: Used,
}

impl Spent {
    async fn so_far(owner: &Database, stack: &Stack) -> anyhow::Result<Self> {
        Ok(Self { work: bench::work(owner).await?, used: Used::by(&stack.processes()) })
    }
}

/// What was seen while the batch ran.
struct Course {
    batch: Uuid,
    other: Uuid,
    memory: Memory,
    busy: Times,
}

impl Course {
    async fn run(stack: &Stack, plan: &Plan, slots: u16, list: &List, other: &List) -> anyhow::Result<Self> {
        let ended = CancellationToken::new();
        let watched = async {
            let _ended = ended.clone().drop_guard();
            Self::watch(stack, plan, slots, list, other).await
        };
        let (watched, busy) = tokio::join!(watched, chat::take_turns(&list.api, plan.call, BUSY_TURNS, &ended));
        let (batch, other, memory) = watched?;
        Ok(Self { batch, other, memory, busy: busy? })
    }

    /// Starts the batch, and looks at it until it and the other one have ended.
    async fn watch(
        stack: &Stack,
        plan: &Plan,
        slots: u16,
        list: &List,
        other: &List,
    ) -> anyhow::Result<(Uuid, Uuid, Memory)> {
        let patience = ideal(plan, slots).saturating_mul(20) + PATIENCE;
        let memory = || stack.workers.first().and_then(|worker| resident_bytes(worker.process()?.pid));
        let mut seen = Memory { worker_at_10_percent_bytes: None, worker_at_90_percent_bytes: None };
        let began = Instant::now();
        let batch = create(list).await?.id;
        let mut second = None;
        loop {
            sleep(LOOK).await;
            let now: Batch = list.api.get(&format!("/email-batches/{batch}")).await?;
            let done = now.counts.completed + now.counts.failed;
            if done >= plan.items / 10 {
                seen.worker_at_10_percent_bytes = seen.worker_at_10_percent_bytes.or_else(memory);
            }
            if done >= plan.items / 10 * 9 {
                seen.worker_at_90_percent_bytes = seen.worker_at_90_percent_bytes.or_else(memory);
            }
            let second = match second {
                Some(second) => second,
                None if done >= plan.items / 2 => *second.insert(create(other).await?.id),
                None => continue,
            };
            if now.status == "completed" {
                let other_now: Batch = other.api.get(&format!("/email-batches/{second}")).await?;
                if other_now.status == "completed" {
                    return Ok((batch, second, seen));
                }
            }
            if began.elapsed() > patience {
                return Err(Problem::new(Exit::Failed, format!("the batch is stuck: {done} of {}", plan.items)).into());
            }
        }
    }

    async fn round(
        self,
        (plan, slots): (&Plan, u16),
        owner: &Database,
        (before, after): (Spent, Spent),
        (accept, idle): (Accept, Times),
    ) -> anyhow::Result<Round> {
        let (batch, other) = (BatchId::from(self.batch), BatchId::from(self.other));
        let course = bench::course(owner, batch).await?;
        let took = |ms: Option<i64>| Duration::from_millis(ms.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0));
        let (seconds, ideal) = (took(course.took_ms), ideal(plan, slots));
        let emails = u64::try_from(course.emails).unwrap_or(0);
        // All that happened meanwhile, the other batch and the turns included.
        let cpu_ms_per_email = after.used.since(before.used, emails);
        let (before, after) = (before.work, after.work);
        let each = |after: i64, before: i64| {
            let count = u64::try_from(after.saturating_sub(before)).unwrap_or(0);
            ratio(Duration::from_micros(count), Duration::from_micros(emails))
        };
        let (idle_added, busy_added) = (idle.percentile(50), self.busy.percentile(50));
        Ok(Round {
            slots,
            worker_slots: worker_slots(slots),
            emails: course.emails,
            ideal_seconds: ratio(ideal, Duration::from_secs(1)),
            seconds: ratio(seconds, Duration::from_secs(1)),
            ratio: ratio(seconds, ideal),
            emails_per_second: ratio(Duration::from_secs(emails), seconds),
            accept,
            per_email: PerEmail {
                transactions: each(after.transactions, before.transactions),
                rows_inserted: each(after.rows_inserted, before.rows_inserted),
                rows_updated: each(after.rows_updated, before.rows_updated),
                rows_deleted: each(after.rows_deleted, before.rows_deleted),
                wal_bytes: each(after.wal_bytes, before.wal_bytes),
            },
            cpu_ms_per_email,
            memory: self.memory,
            chat: Chat {
                idle_turns: idle.count(),
                idle_added_p50_ms: milliseconds(idle_added),
                busy_turns: self.busy.count(),
                busy_added_p50_ms: milliseconds(busy_added),
                ratio: ratio(busy_added, idle_added),
            },
            fairness: Fairness {
                other_items: OTHER_ITEMS.min(plan.items),
                other_seconds: ratio(took(bench::course(owner, other).await?.took_ms), Duration::from_secs(1)),
                emails_meanwhile: bench::ended_during(owner, batch, other).await?,
            },
        })
    }
}

/// The time that the model alone takes.
fn ideal(plan: &Plan, slots: u16) -> Duration {
    plan.call.saturating_mul(plan.items) / u32::from(slots.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_has_so_many_slots_that_the_batch_gets_its_own() {
        for bulk in [1, 2, 8, 256, 1024] {
            let slots = worker_slots(bulk);
            assert!(slots - 2 * (slots / 8).max(1) >= bulk);
        }
        assert_eq!((worker_slots(256), worker_slots(1024)), (340, 1364));
    }

    #[test]
    fn the_ideal_is_the_models_time_alone() {
        let plan = Plan { items: 10_000, slots: vec![], call: Duration::from_millis(500) };
        assert_eq!(ideal(&plan, 256), Duration::from_micros(19_531_250));
    }
}
