//! The ledger of provider calls: open before the call, closed once, whatever became of it.

use std::time::Duration;

use hellosales_core::breaker::Health;
use hellosales_core::provider_call::{self, CallEnd};
use hellosales_core::queue::End;
use hellosales_core::queue::cancel::{self, Cancelled};
use hellosales_core::queue::lease::Owned;
use hellosales_core::run::StatusReason;
use hellosales_core::{ErrorCode, RunId};
use hellosales_worker::registry::Executed;
use serde_json::json;

use super::bench::Bench;

const CALL: &str =
    "SELECT concat_ws(' ', success, coalesce(error_code, '-'), usage_estimated, cost_cents > 0, tokens_out > 0)
    FROM provider_calls";
/// The run's cost is the sum of its calls'.
const SUMS: &str = "SELECT r.total_cost_cents = sum(c.cost_cents) AND r.tokens_in = sum(c.tokens_in) AND r.tokens_out = sum(c.tokens_out)
    FROM pipeline_runs r JOIN provider_calls c ON c.pipeline_run_id = r.id GROUP BY r.id";

async fn at_the_model(bench: &Bench<'_>) -> super::bench::Job {
    bench.say("How do I open the call?").await;
    bench.prepare().await;
    bench.take("chat@1/llm").await
}

fn failure(executed: &Executed) -> (ErrorCode, &'static str) {
    match executed {
        Executed::Ended { end: End::Retry { failure, .. }, .. } => (failure.code, "retry"),
        Executed::Ended { end: End::Fail(failure), .. } => (failure.code, "fail"),
        Executed::Ended { end: End::Snooze { .. }, .. } => (ErrorCode::ProviderRateLimited, "snooze"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_call_is_charged_exactly_what_the_provider_counted() {
    Bench::run(async |bench| {
        let job = at_the_model(bench).await;
        let executed = bench.execute(&job).await;
        bench.settle(job, executed).await;
        assert_eq!(bench.column(CALL).await, ["t - f t t"]);
        let exact = "SELECT cost_cents = (tokens_in * 5 + tokens_out * 8) / 1000000.0 FROM provider_calls";
        assert!(bench.value::<bool>(exact).await);
        assert!(bench.value::<bool>(SUMS).await);
        let asked = bench.asked().await;
        let counted = "SELECT concat_ws(' ', tokens_in, tokens_out) FROM provider_calls";
        let theirs = format!("{} {}", asked[0]["prompt_tokens"], asked[0]["tokens_sent"]);
        assert_eq!(bench.column(counted).await, [theirs]);
        let run = "SELECT concat_ws(' ', provider, model_id, ttft_ms IS NOT NULL, llm_provider_call_id IS NOT NULL) FROM pipeline_runs";
        assert_eq!(bench.column(run).await, ["simulator llama-3.1-8b-instant t t"]);
    })
    .await;
}

#[tokio::test]
async fn each_fault_is_in_the_ledger_with_its_code_and_what_it_cost() {
    for (rule, code, reported, row) in [
        (json!({"status": 500}), ErrorCode::ProviderUnavailable, "retry", "f PROVIDER_UNAVAILABLE f f f"),
        (json!({"status": 429}), ErrorCode::ProviderRateLimited, "snooze", "f PROVIDER_RATE_LIMITED f f f"),
        (json!({"status": 400}), ErrorCode::ProviderInvalidRequest, "fail", "f PROVIDER_INVALID_REQUEST f f f"),
        (json!({"cut_after_tokens": 4}), ErrorCode::ProviderUnavailable, "retry", "f PROVIDER_UNAVAILABLE t t t"),
        (json!({"malformed": true}), ErrorCode::ProviderMalformedAnswer, "retry", "f PROVIDER_MALFORMED_ANSWER t t"),
    ] {
        Bench::run(async |bench| {
            bench.control(rule.clone()).await;
            let job = at_the_model(bench).await;
            let executed = bench.execute(&job).await;
            assert_eq!(failure(&executed), (code, reported), "{rule}");
            let ledger = bench.column(CALL).await;
            assert!(ledger.len() == 1 && ledger[0].starts_with(row), "{rule}: {ledger:?}");
            assert!(bench.value::<bool>(SUMS).await, "{rule}");
            bench.settle(job, executed).await;
        })
        .await;
    }
}

#[tokio::test]
async fn rule_03_a_call_repeated_is_in_the_ledger_twice_and_its_answer_stored_once() {
    Bench::run(async |bench| {
        bench.control(json!({"cut_after_tokens": 3, "requests": 1})).await;
        let job = at_the_model(bench).await;
        let executed = bench.execute(&job).await;
        bench.settle(job, executed).await;
        bench.sql("UPDATE pipeline_steps SET status = 'ready', available_at = NULL, delay_reason = NULL WHERE status = 'delayed'").await;
        bench.drain().await;
        let calls = bench.column("SELECT concat_ws(' ', attempt, success) FROM provider_calls ORDER BY id").await;
        assert_eq!(calls, ["1 f", "2 t"]);
        assert_eq!(bench.value::<i64>("SELECT count(*) FROM interactions WHERE role = 'assistant'").await, 1);
        assert!(bench.value::<bool>(SUMS).await);
    })
    .await;
}

#[tokio::test]
async fn an_aborted_stage_ends_its_call_at_the_provider_and_in_the_ledger() {
    Bench::run(async |bench| {
        bench.control(json!({"hold_after_tokens": 4})).await;
        let job = at_the_model(bench).await;
        {
            let mut working = Box::pin(bench.execute(&job));
            let spoke = async {
                while job.text().is_empty() {
                    tokio::task::yield_now().await;
                }
            };
            tokio::select! {
                _ = &mut working => panic!("the answer is held"),
                () = spoke => {}
            }
        }
        bench.environment.llm.drain().await;
        assert_eq!(bench.column(CALL).await, ["f STAGE_TIMEOUT t t t"]);
        assert!(bench.value::<bool>(SUMS).await);
        hung_up(bench).await;
    })
    .await;
}

#[tokio::test]
async fn rule_07_a_cancelled_stage_stops_at_once_and_its_call_is_closed() {
    Bench::run(async |bench| {
        bench.control(json!({"hold_after_tokens": 4})).await;
        let job = at_the_model(bench).await;
        let cancel = async {
            while job.text().is_empty() {
                tokio::task::yield_now().await;
            }
            job.cancelled.cancel();
        };
        let (executed, ()) = tokio::join!(bench.execute(&job), cancel);
        assert!(matches!(executed, Executed::Lost), "{executed:?}");
        bench.environment.llm.drain().await;
        assert_eq!(bench.column(CALL).await, ["f PIPELINE_CANCELLED t t t"]);
        hung_up(bench).await;
    })
    .await;
}

async fn hung_up(bench: &Bench<'_>) {
    let gone = async {
        while bench.asked().await[0]["end"] != "hung_up" {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(1), gone).await.expect("the provider's stream ends within a second");
}

#[tokio::test]
async fn a_step_that_was_lost_calls_nobody() {
    Bench::run(async |bench| {
        let job = at_the_model(bench).await;
        bench.sql("UPDATE pipeline_steps SET lease_token = gen_random_uuid() WHERE stage = 3").await;
        assert!(matches!(bench.execute(&job).await, Executed::Lost));
        assert!(bench.asked().await.is_empty());
        assert!(bench.column(CALL).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_call_is_closed_once_and_its_cost_added_once() {
    Bench::run(async |bench| {
        let job = at_the_model(bench).await;
        let executed = bench.execute(&job).await;
        bench.settle(job, executed).await;
        let id: uuid::Uuid = bench.value("SELECT id FROM provider_calls").await;
        let again = CallEnd {
            output: String::new(),
            latency_ms: None,
            ttft_ms: None,
            tokens_in: 9,
            tokens_out: 9,
            usage_estimated: true,
            cost_cents: 1_000.into(),
            error: None,
            health: Health::Well,
        };
        assert!(!provider_call::close(&bench.worker, id.into(), &again).await.expect("an answer"));
        assert!(bench.value::<bool>(SUMS).await);
    })
    .await;
}

#[tokio::test]
async fn what_a_lost_worker_left_open_is_closed_with_what_its_readers_had_seen() {
    Bench::run(async |bench| {
        let job = at_the_model(bench).await;
        let executed = bench.execute(&job).await;
        bench
            .sql(
                "UPDATE provider_calls SET completed_at = NULL, cost_cents = NULL, success = false, tokens_in = 100, tokens_out = NULL;
                 UPDATE pipeline_runs SET total_cost_cents = 0, tokens_in = 0, tokens_out = 0;
                 DELETE FROM run_stream WHERE event = 'output.delta';
                 INSERT INTO run_stream SELECT id, 900000000 + n, org_id, 'output.delta', jsonb_build_object('attempt', a, 'delta', 'abcd')
                 FROM pipeline_runs, (VALUES (1, 1), (2, 1), (3, 2)) v (n, a)",
            )
            .await;
        let lost = Owned { run_id: job.step.run().id, stage: 3, token: job.step.token() };
        let llm = &bench.environment.llm;
        let neighbours = [Owned { run_id: RunId::new(), ..lost }, Owned { stage: 4, ..lost }];
        for neighbour in neighbours {
            let closed = llm.close_orphans(&bench.worker, neighbour).await.expect("an answer");
            assert_eq!(closed, 0, "a claim's steps share a token: the call of one that lives stays open");
        }
        assert_eq!(llm.close_orphans(&bench.worker, lost).await.expect("closed"), 1);
        assert_eq!(llm.close_orphans(&bench.worker, lost).await.expect("nothing left"), 0);
        assert_eq!(bench.column(CALL).await, ["f LEASE_EXPIRED t t t"]);
        let told = "SELECT concat_ws(' ', output_content, tokens_in, tokens_out, cost_cents) FROM provider_calls";
        assert_eq!(bench.column(told).await, ["abcdabcd 100 2 0.000516"]);
        assert!(bench.value::<bool>(SUMS).await);
        bench.sql("DELETE FROM run_stream WHERE seq > 900000000").await;
        bench.settle(job, executed).await;
    })
    .await;
}

#[tokio::test]
async fn a_call_that_everybody_forgot_is_closed_after_ten_minutes() {
    Bench::run(async |bench| {
        let job = at_the_model(bench).await;
        let executed = bench.execute(&job).await;
        let llm = &bench.environment.llm;
        let open = "UPDATE provider_calls SET completed_at = NULL, cost_cents = NULL, success = false, started_at = now() - interval '11 minutes'";
        bench.sql(&format!("{open}; UPDATE pipeline_runs SET total_cost_cents = 0, tokens_in = 0, tokens_out = 0")).await;
        assert_eq!(llm.close_forgotten(&bench.worker).await.expect("read"), 0, "its step is still at work");
        bench.settle(job, executed).await;
        assert_eq!(llm.close_forgotten(&bench.worker).await.expect("closed"), 1);
        assert!(bench.value::<bool>(SUMS).await);
    })
    .await;
}

#[tokio::test]
async fn what_a_dead_worker_left_open_is_closed_even_if_its_run_was_cancelled_before_it_died() {
    Bench::run(async |bench| {
        let job = at_the_model(bench).await;
        let executed = bench.execute(&job).await;
        bench.environment.llm.drain().await;
        bench
            .sql(
                "UPDATE provider_calls SET completed_at = NULL, cost_cents = NULL, success = false;
                 UPDATE pipeline_runs SET total_cost_cents = 0, tokens_in = 0, tokens_out = 0",
            )
            .await;
        let worker: uuid::Uuid = bench.value("SELECT worker_id FROM provider_calls").await;
        let (llm, run) = (&bench.environment.llm, job.step.run().id);
        let open =
            async || -> i64 { bench.value("SELECT count(*) FROM provider_calls WHERE completed_at IS NULL").await };
        let bury = async || llm.close_left_by(&bench.worker, worker.into()).await.expect("an answer");

        bench.sql("UPDATE workers SET lease_until = now() - interval '1 second'").await;
        assert!(!bury().await);
        assert_eq!(open().await, 1, "its step still runs under its token");
        let cancelled = cancel::cancel(&bench.worker, bench.org, run, StatusReason::User).await.expect("an answer").0;
        assert_eq!(cancelled, Cancelled::Now);
        bench.sql("UPDATE workers SET lease_until = now() + interval '1 minute'").await;
        assert!(!bury().await);
        assert_eq!(open().await, 1, "it lives, and closes its own");
        bench.sql("UPDATE workers SET lease_until = now() - interval '1 second'").await;
        assert!(!bury().await);
        assert_eq!(open().await, 0);
        assert!(bench.value::<bool>(SUMS).await);
        drop((job, executed));
    })
    .await;
}
