//! How stages, runs and workers end.

use std::time::Duration;

use hellosales_core::ErrorCode;
use hellosales_core::notify::Notifier;
use hellosales_core::queue::cancel;
use hellosales_core::run::StatusReason;
use hellosales_worker::config::WorkerConfig;
use hellosales_worker::worker::{Worker, WorkerError};

use super::super::bench::{Bench, DIAMOND};
use super::script::{Act, Attempt, Script};
use super::{Plan, config, run_is, until};
use crate::harness::proxy::Proxy;

const fn attempt(number: i16, last_error: Option<ErrorCode>) -> Attempt {
    Attempt { number, last_error }
}

#[tokio::test]
async fn a_worker_carries_runs_to_their_ends_and_drains_to_nothing() {
    Bench::run(async |bench| {
        let worker = Plan::new().worker(bench, config()).await;
        let mut runs = Vec::new();
        for _ in 0..20 {
            runs.push(bench.submit().await);
        }
        for &run in &runs {
            run_is(bench, run, "completed").await;
        }
        assert_eq!(bench.effects().await, 20);
        worker.drain().await;
        assert_eq!(bench.value::<i64>("SELECT count(*) FROM workers").await, 0);
        bench.check_quiet().await;
    })
    .await;
}

#[tokio::test]
async fn a_panic_is_a_counted_failure_and_takes_no_neighbour() {
    Bench::run(async |bench| {
        let b = Script::of(&[&[Act::Panic]]);
        let worker = Plan::b(&b).worker(bench, config()).await;
        let run = bench.submit().await;
        run_is(bench, run, "completed").await;
        assert_eq!(b.seen(), [attempt(1, None), attempt(2, Some(ErrorCode::StagePanicked))]);
        worker.drain().await;
        bench.check_quiet().await;
    })
    .await;
}

#[tokio::test]
async fn a_stage_that_takes_too_long_is_stopped_and_counted() {
    Bench::run(async |bench| {
        let b = Script::of(&[&[Act::Hang]]);
        let worker = Plan::b(&b).worker_through(&bench.db.url, config(), 300).await;
        let run = bench.submit().await;
        b.stopped().await;
        run_is(bench, run, "completed").await;
        assert_eq!(b.seen(), [attempt(1, None), attempt(2, Some(ErrorCode::StageTimeout))]);
        worker.drain().await;
        bench.check_quiet().await;
    })
    .await;
}

#[tokio::test]
async fn a_stage_out_of_attempts_fails_its_run_with_a_dead_letter() {
    Bench::run(async |bench| {
        let b = Script::of(&[&[Act::Retry], &[Act::Retry], &[Act::Panic]]);
        let worker = Plan::b(&b).worker(bench, config()).await;
        let run = bench.submit().await;
        run_is(bench, run, "failed").await;
        assert_eq!(b.seen().len(), 3);
        let code = bench.value::<String>("SELECT failure->>'code' FROM pipeline_runs").await;
        assert_eq!(code, ErrorCode::StagePanicked.as_str());
        let failed = bench
            .value::<String>("SELECT concat_ws(' ', failure->>'stage', failure->>'attempt') FROM pipeline_runs")
            .await;
        assert_eq!(failed, "b 3");
        assert_eq!(bench.value::<i64>("SELECT count(*) FROM dead_letter_queue").await, 1);
        worker.drain().await;
    })
    .await;
}

#[tokio::test]
async fn a_skip_that_a_dependant_can_not_do_without_fails_the_run_and_another_does_not() {
    Bench::run(async |bench| {
        let (b, c) = (Script::of(&[&[Act::Done], &[Act::Skip]]), Script::of(&[&[Act::Skip], &[Act::Done]]));
        let plan = Plan { b, c, ..Plan::new() };
        let worker = plan.worker(bench, config()).await;
        let run = bench.submit().await;
        run_is(bench, run, "completed").await;
        let run = bench.submit().await;
        run_is(bench, run, "failed").await;
        assert_eq!(bench.effects().await, 1);
        worker.drain().await;
    })
    .await;
}

#[tokio::test]
async fn an_output_larger_than_a_checkpoint_fails_the_run() {
    Bench::run(async |bench| {
        let worker = Plan::b(&Script::of(&[&[Act::Overflow]])).worker(bench, config()).await;
        let run = bench.submit().await;
        run_is(bench, run, "failed").await;
        worker.drain().await;
    })
    .await;
}

#[tokio::test]
async fn rule_07_a_cancel_stops_the_running_stage_within_a_second() {
    Bench::run(async |bench| {
        let b = Script::of(&[&[Act::Hang]]);
        let worker = Plan::b(&b).worker(bench, config()).await;
        let run = bench.submit().await;
        b.begun().await;
        let (_, wakes) = cancel::cancel(&bench.api, bench.org, run, StatusReason::User).await.expect("an answer");
        let notifier = Notifier::start(bench.api.clone());
        notifier.send(wakes);
        tokio::time::timeout(Duration::from_secs(1), b.stopped()).await.expect("stopped within a second");
        worker.drain().await;
        bench.check_quiet().await;
    })
    .await;
}

#[tokio::test]
async fn rule_08_a_cancel_stops_the_running_stage_without_a_notification() {
    Bench::run(async |bench| {
        let b = Script::of(&[&[Act::Hang]]);
        let worker = Plan::b(&b).worker(bench, config()).await;
        let run = bench.submit().await;
        b.begun().await;
        cancel::cancel(&bench.api, bench.org, run, StatusReason::User).await.expect("an answer");
        tokio::time::timeout(Duration::from_secs(3), b.stopped()).await.expect("stopped by the look");
        worker.drain().await;
    })
    .await;
}

#[tokio::test]
async fn rule_05_a_killed_workers_steps_are_reaped_and_end_on_the_other() {
    Bench::run(async |bench| {
        let b = Script::of(&[&[Act::Hang]]);
        let plan = Plan::b(&b);
        let doomed = plan.worker(bench, config()).await;
        let run = bench.submit().await;
        b.begun().await;
        doomed.kill().await;
        b.stopped().await;
        let other = plan.worker(bench, config()).await;
        run_is(bench, run, "completed").await;
        assert_eq!(b.seen(), [attempt(1, None), attempt(2, None)], "a crash is an attempt, and no failure");
        assert_eq!(bench.effects().await, 1);
        other.drain().await;
        bench.check_quiet().await;
    })
    .await;
}

#[tokio::test]
async fn a_draining_worker_lets_end_what_runs_and_takes_nothing_more() {
    Bench::run(async |bench| {
        let b = Script::of(&[&[Act::Wait]]);
        let worker = Plan::b(&b).worker(bench, config()).await;
        let run = bench.submit().await;
        b.begun().await;
        until(bench, "SELECT status FROM pipeline_steps WHERE stage = 2", "completed").await;
        let drained = async {
            worker.drain().await;
        };
        let let_go = async {
            until(bench, "SELECT draining FROM workers", "true").await;
            b.go_on();
        };
        tokio::join!(drained, let_go);
        assert_eq!(bench.steps(run).await, ["0 completed", "1 completed", "2 completed", "3 ready"]);
        let other = Plan::new().worker(bench, config()).await;
        run_is(bench, run, "completed").await;
        other.drain().await;
        bench.check_quiet().await;
    })
    .await;
}

#[tokio::test]
async fn after_the_grace_period_what_still_runs_is_given_back_and_nothing_is_counted() {
    Bench::run(async |bench| {
        let b = Script::of(&[&[Act::Hang]]);
        let plan = Plan::b(&b);
        let impatient = WorkerConfig { grace: Duration::from_millis(100), ..config() };
        let worker = plan.worker(bench, impatient).await;
        let run = bench.submit().await;
        b.begun().await;
        until(bench, "SELECT status FROM pipeline_steps WHERE stage = 2", "completed").await;
        worker.drain().await;
        b.stopped().await;
        assert_eq!(bench.steps(run).await, ["0 completed", "1 ready", "2 completed"]);
        let counted = "SELECT sum(failures + crashes)::bigint FROM pipeline_steps";
        assert_eq!(bench.value::<i64>(counted).await, 0);
        let other = plan.worker(bench, config()).await;
        run_is(bench, run, "completed").await;
        assert_eq!(b.seen(), [attempt(1, None), attempt(1, None)]);
        other.drain().await;
        bench.check_quiet().await;
    })
    .await;
}

#[tokio::test]
async fn a_worker_whose_connections_are_cut_again_and_again_does_each_effect_once() {
    Bench::run(async |bench| {
        let proxy = Proxy::start(&bench.db.url).await;
        let worker = Plan::new().worker_through(&proxy.url(&bench.db.url), config(), 30_000).await;
        let mut runs = Vec::new();
        for n in 0..30 {
            runs.push(bench.submit().await);
            if n % 5 == 4 {
                proxy.control().swallow_answer("COMMIT");
                proxy.control().cut_all();
            }
        }
        for run in runs {
            run_is(bench, run, "completed").await;
        }
        assert_eq!(bench.effects().await, 30);
        worker.drain().await;
        bench.check_quiet().await;
    })
    .await;
}

#[tokio::test]
async fn a_claim_whose_answer_is_lost_is_adopted_and_not_reaped() {
    Bench::run(async |bench| {
        let proxy = Proxy::start(&bench.db.url).await;
        proxy.control().swallow_answer("lease_epoch = t.lease_epoch + 1");
        let run = bench.submit().await;
        let b = Script::of(&[]);
        let worker = Plan::b(&b).worker_through(&proxy.url(&bench.db.url), config(), 30_000).await;
        run_is(bench, run, "completed").await;
        assert!(proxy.control().has_swallowed());
        assert_eq!(b.seen(), [attempt(1, None)]);
        worker.drain().await;
        bench.check_quiet().await;
    })
    .await;
}

#[tokio::test]
async fn a_result_outlives_an_outage_of_the_database_longer_than_the_lease() {
    Bench::run(async |bench| {
        let proxy = Proxy::start(&bench.db.url).await;
        let b = Script::of(&[&[Act::Wait]]);
        let listening = WorkerConfig { listen: Some(([127, 0, 0, 1], 0).into()), ..config() };
        let worker = Plan::b(&b).worker_through(&proxy.url(&bench.db.url), listening, 30_000).await;
        let run = bench.submit().await;
        b.begun().await;
        proxy.control().refuse(true);
        proxy.control().cut_all();
        b.go_on();
        let ready = format!("http://{}/ready", worker.address().expect("an address"));
        let lost = async { while reqwest::get(&ready).await.expect("an answer").status() != 503 {} };
        tokio::time::timeout(Duration::from_secs(10), lost).await.expect("it notices that its lease is over");
        proxy.control().refuse(false);
        run_is(bench, run, "completed").await;
        assert_eq!(b.seen(), [attempt(1, None)], "its result was kept");
        worker.drain().await;
        bench.check_quiet().await;
    })
    .await;
}

#[tokio::test]
async fn a_worker_says_that_it_lives_whether_it_is_ready_and_what_it_did() {
    Bench::run(async |bench| {
        let listening = WorkerConfig { listen: Some(([127, 0, 0, 1], 0).into()), ..config() };
        let b = Script::of(&[&[Act::Wait]]);
        let worker = Plan::b(&b).worker(bench, listening).await;
        let base = format!("http://{}", worker.address().expect("an address"));
        let get = async |path: &str| {
            let answer = reqwest::get(format!("{base}{path}")).await.expect("an answer");
            (answer.status().as_u16(), answer.text().await.expect("a body"))
        };
        assert_eq!(get("/health").await.0, 200);
        let run = bench.submit().await;
        b.begun().await;
        assert_eq!(get("/ready").await.0, 200, "it has claimed, so its lease is held");
        assert!(get("/metrics").await.1.contains("\nhellosales_steps_claimed_total "));
        let not_ready = async {
            until(bench, "SELECT draining FROM workers", "true").await;
            assert_eq!(get("/ready").await.0, 503);
            b.go_on();
        };
        tokio::join!(worker.drain(), not_ready);
        assert_eq!(bench.status(run).await, "running");
    })
    .await;
}

#[tokio::test]
async fn a_registry_that_does_not_fit_its_graphs_starts_no_worker() {
    Bench::run(async |bench| {
        let plan = Plan::new();
        let environment = Plan::environment(&bench.db.url, 30_000);
        let twice = plan.registry().pipeline(&DIAMOND, super::script::diamond(&plan.b, &plan.c));
        let refused = Worker::start(config(), twice, environment).await;
        assert!(matches!(refused, Err(WorkerError::Registry(_))));
        assert_eq!(bench.value::<i64>("SELECT count(*) FROM workers").await, 0);
    })
    .await;
}
