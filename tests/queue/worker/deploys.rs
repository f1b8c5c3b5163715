//! Deploys: an old and a new program side by side, each with the versions of pipelines that it knows.

use hellosales_core::content::Viewer;
use hellosales_core::pipeline::{Pipeline, enrich, transform, work};
use hellosales_core::pulse;
use hellosales_core::pulse::why::{WaitReason, Waiting};
use hellosales_core::queue::submit::NewRun;
use hellosales_core::queue::{drain, pause};
use hellosales_core::run::Lane;
use hellosales_core::{RunId, WorkerId};
use hellosales_worker::config::WorkerConfig;
use hellosales_worker::registry::Registry;
use hellosales_worker::worker::{Worker, WorkerHandle};

use super::super::bench::{Bench, Cut, DIAMOND};
use super::script::{Act, Script, diamond};
use super::{Plan, config, run_is, until};

/// The diamond with a changed shape: `c` waits for `b`.
static DIAMOND_2: Pipeline = Pipeline::new(
    "diamond",
    2,
    Lane::Standard,
    &[enrich("a"), transform("b").needs(&["a"]), transform("c").needs(&["a", "b"]), work("d").needs(&["b", "c"])],
);

/// A program that knows these versions.
async fn program(bench: &Bench<'_>, versions: &[&'static Pipeline], b: &std::sync::Arc<Script>) -> WorkerHandle {
    let registry =
        versions.iter().fold(Registry::new(), |registry, graph| registry.pipeline(graph, diamond(b, &Script::of(&[]))));
    let config = WorkerConfig { listen: Some(([127, 0, 0, 1], 0).into()), ..config() };
    Worker::start(config, registry, Plan::environment(&bench.db.url, 30_000)).await.expect("a worker")
}

async fn submit(bench: &Bench<'_>, pipeline: &'static Pipeline) -> RunId {
    let run = NewRun { pipeline, stream: true, ..NewRun::new(RunId::new(), &Cut {}, 1, 30_000).expect("an input") };
    bench.submit_run(&run).await;
    run.id
}

async fn waiting(bench: &Bench<'_>, run: RunId) -> Option<Waiting> {
    let mut tx = bench.api.begin().await.expect("a transaction");
    let viewer = Viewer { user_id: bench.user, sees_all: true };
    let mut org = tx.enter(bench.org).await.expect("entered");
    pulse::runs::get(&mut org, run, viewer).await.expect("an answer").expect("the run").waiting()
}

/// Who settled the stages of a run.
async fn workers_of(bench: &Bench<'_>, run: RunId) -> Vec<String> {
    bench
        .column(&format!(
            "SELECT DISTINCT event_data->>'worker_id' FROM pipeline_events WHERE pipeline_run_id = '{run}' AND event_type = 'stage.wide'"
        ))
        .await
}

async fn beating(bench: &Bench<'_>, worker: WorkerId) {
    until(bench, &format!("SELECT count(*) FROM workers WHERE id = '{worker}' AND kinds IS NOT NULL"), "1").await;
}

#[tokio::test]
async fn a_run_of_a_version_that_no_living_worker_knows_waits_visibly_until_one_does() {
    Bench::run(async |bench| {
        let old = program(bench, &[&DIAMOND], &Script::of(&[])).await;
        beating(bench, old.id()).await;
        let (before, after) = (submit(bench, &DIAMOND).await, submit(bench, &DIAMOND_2).await);
        run_is(bench, before, "completed").await;
        let why = waiting(bench, after).await.expect("it waits");
        assert_eq!(why.reason, WaitReason::NoWorker);
        assert_eq!(why.detail.as_deref(), Some("no living worker knows diamond@2/a"));
        assert_eq!(bench.steps(after).await, ["0 ready"]);

        let new = program(bench, &[&DIAMOND, &DIAMOND_2], &Script::of(&[])).await;
        run_is(bench, after, "completed").await;
        assert_eq!(workers_of(bench, after).await, [new.id().to_string()]);
        old.drain().await;
        let again = submit(bench, &DIAMOND).await;
        run_is(bench, again, "completed").await;
        assert_eq!(workers_of(bench, again).await, [new.id().to_string()], "a program carries several versions");
        new.drain().await;
        bench.check_quiet().await;
    })
    .await;
}

#[tokio::test]
async fn an_old_and_a_new_worker_side_by_side_each_do_what_they_know() {
    Bench::run(async |bench| {
        let b = Script::of(&[&[Act::Wait]]);
        let old = program(bench, &[&DIAMOND], &b).await;
        let begun = submit(bench, &DIAMOND).await;
        b.begun().await;
        let new = program(bench, &[&DIAMOND_2], &Script::of(&[])).await;
        let mut runs = Vec::new();
        for _ in 0..5 {
            runs.push((submit(bench, &DIAMOND).await, old.id()));
            runs.push((submit(bench, &DIAMOND_2).await, new.id()));
        }
        b.go_on();
        runs.push((begun, old.id()));
        for (run, worker) in runs {
            run_is(bench, run, "completed").await;
            assert_eq!(workers_of(bench, run).await, [worker.to_string()]);
        }
        old.kill().await;
        let left = submit(bench, &DIAMOND).await;
        until(bench, &format!("SELECT lease_until < now() FROM workers WHERE id = '{}'", old.id()), "true").await;
        assert_eq!(waiting(bench, left).await.map(|why| why.reason), Some(WaitReason::NoWorker));
        let back = program(bench, &[&DIAMOND], &Script::of(&[])).await;
        run_is(bench, left, "completed").await;
        back.drain().await;
        new.drain().await;
        bench.check_quiet().await;
    })
    .await;
}

#[tokio::test]
async fn a_worker_that_an_operator_drains_ends_what_runs_takes_nothing_more_and_says_when_it_is_empty() {
    Bench::run(async |bench| {
        let b = Script::of(&[&[Act::Wait]]);
        let worker = program(bench, &[&DIAMOND], &b).await;
        let run = submit(bench, &DIAMOND).await;
        b.begun().await;
        until(bench, "SELECT status FROM pipeline_steps WHERE stage = 2", "completed").await;
        bench.sql("UPDATE workers SET draining = true").await;
        let ready = format!("http://{}/ready", worker.address().expect("an address"));
        while reqwest::get(&ready).await.expect("an answer").status() != 503 {}
        let told = submit(bench, &DIAMOND).await;
        assert_eq!(waiting(bench, told).await.map(|why| why.reason), Some(WaitReason::NoWorker));
        assert!(!bench.value::<bool>("SELECT drained FROM workers").await, "something runs still");
        b.go_on();
        until(bench, "SELECT drained FROM workers", "true").await;
        assert_eq!(bench.steps(run).await, ["0 completed", "1 completed", "2 completed", "3 ready"]);
        let running = "SELECT format('%s %s', kind, run_id) FROM pipeline_steps WHERE status = 'running'";
        let running: Vec<String> = bench.column(running).await;
        assert!(running.is_empty(), "{running:?}, the first is {run}, the other {told}");

        let other = program(bench, &[&DIAMOND], &Script::of(&[])).await;
        run_is(bench, run, "completed").await;
        run_is(bench, told, "completed").await;
        let living = format!("SELECT lease_until > now() AND draining FROM workers WHERE id = '{}'", worker.id());
        until(bench, &living, "true").await;
        worker.drain().await;
        other.drain().await;
        assert_eq!(bench.value::<i64>("SELECT count(*) FROM workers").await, 0);
        bench.check_quiet().await;
    })
    .await;
}

#[tokio::test]
async fn a_pause_outlives_killed_workers_and_what_it_held_goes_on_within_a_second_of_its_end() {
    Bench::run(async |bench| {
        let operator = bench.db.pools(hellosales_core::Role::Operator);
        let lane = pause::Scope::Lane(Lane::Standard);
        let asked = pause::Asked { actor: "operator:dana", reason: "INC-7" };
        let b = Script::of(&[&[Act::Hang]]);
        let doomed = program(bench, &[&DIAMOND], &b).await;
        let running = submit(bench, &DIAMOND).await;
        b.begun().await;
        pause::pause(&operator, &lane, asked, None).await.expect("paused");
        let mut held = Vec::new();
        for _ in 0..20 {
            held.push(submit(bench, &DIAMOND).await);
        }
        doomed.kill().await;
        let other = program(bench, &[&DIAMOND], &Script::of(&[])).await;
        // What the killed one had is taken from it, and held as well.
        let all = format!("SELECT count(*) FROM pipeline_steps WHERE held_by = 'pause' AND run_id <> '{running}'");
        until(bench, &all, "20").await;
        let its = format!("SELECT count(*) FROM pipeline_steps WHERE run_id = '{running}' AND stage = 1 AND held_by = 'pause' AND crashes = 1");
        until(bench, &its, "1").await;
        let (done, wakes) = pause::resume(&operator, &lane, asked).await.expect("resumed");
        assert!(matches!(done, pause::Done::Now(_)));
        hellosales_core::notify::send_once(&operator, wakes).await.expect("woken");
        let ended = "SELECT max(completed_at) - (SELECT max(created_at) FROM audit_log) < interval '5 seconds' FROM pipeline_runs";
        for run in held.into_iter().chain([running]) {
            run_is(bench, run, "completed").await;
        }
        assert!(bench.value::<bool>(ended).await);

        pause::pause(&operator, &lane, asked, Some(1_000)).await.expect("paused for a second");
        let last = submit(bench, &DIAMOND).await;
        run_is(bench, last, "completed").await;
        let after = "SELECT (SELECT max(completed_at) FROM pipeline_runs) - max(created_at) BETWEEN interval '1 second' AND interval '6 seconds' FROM audit_log";
        assert!(bench.value::<bool>(after).await, "it waited for the end of the pause, and not for long");
        other.drain().await;
        bench.check_quiet().await;
    })
    .await;
}

#[tokio::test]
async fn workers_that_are_drained_from_the_terminal_are_told_once_and_followed_to_their_end() {
    Bench::run(async |bench| {
        let operator = bench.db.pools(hellosales_core::Role::Operator);
        let asked = pause::Asked { actor: "operator:dana", reason: "deploy" };
        let b = Script::of(&[&[Act::Wait]]);
        let worker = program(bench, &[&DIAMOND], &b).await;
        let run = submit(bench, &DIAMOND).await;
        b.begun().await;
        assert_eq!(drain::drain(&operator, None, asked).await.expect("told"), [worker.id()]);
        assert!(drain::drain(&operator, Some(&[worker.id()]), asked).await.expect("told").is_empty(), "it was told");
        let gone = WorkerId::new();
        let seen = drain::progress(&operator, &[worker.id(), gone]).await.expect("seen");
        assert_eq!(
            seen.iter().map(|one| (one.id, one.is_empty, one.is_gone)).collect::<Vec<_>>(),
            [(worker.id(), false, false), (gone, false, true)]
        );
        b.go_on();
        until(bench, "SELECT drained FROM workers", "true").await;
        let seen = drain::progress(&operator, &[worker.id()]).await.expect("seen");
        assert!(seen[0].is_empty && seen[0].running == 0);
        let told =
            "SELECT concat_ws(' ', actor, action, target_id = (SELECT id::text FROM workers), reason) FROM audit_log";
        assert_eq!(bench.column::<String>(told).await, ["operator:dana worker.drain t deploy"]);
        worker.drain().await;
        let other = program(bench, &[&DIAMOND], &Script::of(&[])).await;
        run_is(bench, run, "completed").await;
        other.drain().await;
        bench.check_quiet().await;
    })
    .await;
}
