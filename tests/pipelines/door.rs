//! The door to the models: whom it asks, whom it passes over, and when it comes back.

mod breakers;
mod limits;

use hellosales_core::ErrorCode;
use hellosales_core::queue::{End, SnoozeReason};
use hellosales_worker::environment::Environment;
use hellosales_worker::registry::Executed;
use serde_json::json;

use super::bench::{Bench, Job};

/// Who was called, and what came of it.
const CALLS: &str =
    "SELECT concat_ws(' ', provider, model_id, success, coalesce(error_code, '-')) FROM provider_calls ORDER BY id";

/// A turn whose model is to be asked.
async fn at_the_model(bench: &Bench<'_>) -> Job {
    bench.say("How do I open the call?").await;
    bench.prepare().await;
    bench.take("chat@1/llm").await
}

/// What a step waits for, and for how many seconds.
fn snooze(executed: &Executed) -> (SnoozeReason, u64, String) {
    match executed {
        Executed::Ended { end: End::Snooze { delay, reason, detail }, .. } => {
            (*reason, delay.as_secs(), detail.clone())
        }
        other => panic!("{other:?}"),
    }
}

fn is_answered(executed: &Executed) -> bool {
    matches!(executed, Executed::Ended { end: End::Ok(_), .. })
}

async fn execute(bench: &Bench<'_>, job: &Job, environment: &Environment) -> Executed {
    bench.execute_in(job, environment.clone()).await
}

#[tokio::test]
async fn another_provider_answers_whatever_is_wrong_with_the_first_before_its_first_token() {
    for (rule, code) in [
        (json!({"status": 500, "model": "m1"}), "PROVIDER_UNAVAILABLE"),
        (json!({"status": 429, "model": "m1"}), "PROVIDER_RATE_LIMITED"),
        (json!({"status": 401, "model": "m1"}), "PROVIDER_UNAVAILABLE"),
        (json!({"hang": true, "model": "m1"}), "PROVIDER_TIMEOUT"),
        (json!({"malformed": true, "model": "m1"}), "PROVIDER_MALFORMED_ANSWER"),
        (json!({"cut_after_tokens": 0, "model": "m1"}), "PROVIDER_UNAVAILABLE"),
    ] {
        Bench::run(async |bench| {
            bench.control(rule.clone()).await;
            let job = at_the_model(bench).await;
            let executed = execute(bench, &job, &bench.beside("")).await;
            assert!(is_answered(&executed), "{rule}: {executed:?}");
            bench.settle(job, executed).await;
            let rows = bench.column(CALLS).await;
            assert_eq!(rows, [format!("simulator m1 f {code}"), "local m2 t -".to_owned()], "{rule}");
            let run = "SELECT concat_ws(' ', provider, model_id) FROM pipeline_runs";
            assert_eq!(bench.column(run).await, ["local m2"], "{rule}: the run says who answered");
        })
        .await;
    }
}

#[tokio::test]
async fn another_provider_answers_if_the_first_can_not_be_reached() {
    Bench::run(async |bench| {
        // Bound and closed again: nobody listens there.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        drop(listener);
        let job = at_the_model(bench).await;
        let executed = execute(bench, &job, &bench.first_at(&address)).await;
        assert!(is_answered(&executed), "{executed:?}");
        assert_eq!(bench.column(CALLS).await, ["simulator m1 f PROVIDER_UNAVAILABLE", "local m2 t -"]);
    })
    .await;
}

#[tokio::test]
async fn after_the_first_token_nobody_else_is_asked() {
    Bench::run(async |bench| {
        bench.control(json!({"cut_after_tokens": 3, "model": "m1"})).await;
        let job = at_the_model(bench).await;
        let executed = execute(bench, &job, &bench.beside("")).await;
        let Executed::Ended { end: End::Retry { failure, .. }, .. } = &executed else { panic!("{executed:?}") };
        assert_eq!(failure.code, ErrorCode::ProviderUnavailable);
        assert_eq!(bench.column(CALLS).await, ["simulator m1 f PROVIDER_UNAVAILABLE"]);
        assert!(bench.asked().await.iter().all(|asked| asked["model"] == "m1"));
    })
    .await;
}

#[tokio::test]
async fn what_is_wrong_with_the_request_is_not_tried_on_another_provider() {
    Bench::run(async |bench| {
        bench.control(json!({"status": 400, "model": "m1"})).await;
        let job = at_the_model(bench).await;
        let executed = execute(bench, &job, &bench.beside("")).await;
        let Executed::Ended { end: End::Fail(failure), .. } = &executed else { panic!("{executed:?}") };
        assert_eq!(failure.code, ErrorCode::ProviderInvalidRequest);
        assert_eq!(bench.column(CALLS).await, ["simulator m1 f PROVIDER_INVALID_REQUEST"]);
    })
    .await;
}

#[tokio::test]
async fn where_both_fail_the_step_is_tried_again_and_each_call_is_in_the_ledger() {
    Bench::run(async |bench| {
        bench.control(json!({"status": 503})).await;
        let job = at_the_model(bench).await;
        let executed = execute(bench, &job, &bench.beside("")).await;
        let Executed::Ended { end: End::Retry { failure, .. }, .. } = &executed else { panic!("{executed:?}") };
        assert_eq!(failure.provider.as_deref(), Some("local"), "who failed last");
        let rows = bench.column(CALLS).await;
        assert_eq!(rows, ["simulator m1 f PROVIDER_UNAVAILABLE", "local m2 f PROVIDER_UNAVAILABLE"]);
    })
    .await;
}
