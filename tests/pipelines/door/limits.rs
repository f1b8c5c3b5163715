//! Limits: of all workers together; over one a step waits, and a 429 is everybody's.

use futures::future::join_all;
use hellosales_core::queue::SnoozeReason;
use hellosales_core::{Role, limit};
use hellosales_worker::environment::Environment;
use serde_json::json;

use super::{at_the_model, execute, is_answered, snooze};
use crate::pipelines::bench::Bench;

const SIXTY: &str = "[[limit]]\nprovider='simulator'\nmodel='m1'\nrequests_per_minute=60\n";

#[tokio::test]
async fn sixty_four_calls_at_once_on_four_workers_stay_within_the_limit() {
    Bench::run(async |bench| {
        let job = at_the_model(bench).await;
        let workers: Vec<Environment> = (0..4).map(|_| bench.alone(SIXTY)).collect();
        let calls = (0..64).map(|n| execute(bench, &job, &workers[n % 4]));
        let executed = join_all(calls).await;
        let (answered, waiting): (Vec<_>, Vec<_>) = executed.iter().partition(|executed| is_answered(executed));
        assert!((1..=60).contains(&answered.len()), "{} were answered", answered.len());
        assert_eq!(bench.asked().await.len(), answered.len(), "who waits was not sent");
        let mut times = Vec::new();
        for executed in waiting {
            let (reason, seconds, detail) = snooze(executed);
            assert_eq!((reason, detail.as_str()), (SnoozeReason::RateLimited, "simulator: 60 requests a minute"));
            times.push(seconds);
        }
        times.sort_unstable();
        assert!(times.last() > times.first(), "they don't come back as one: {times:?}");
    })
    .await;
}

#[tokio::test]
async fn tokens_are_limited_by_what_a_call_may_take_and_come_back_if_it_did_not() {
    Bench::run(async |bench| {
        let limits = "[[limit]]\nprovider='simulator'\nmodel='m1'\ntokens_per_minute=1000\n";
        let (job, environment) = (at_the_model(bench).await, bench.alone(limits));
        assert!(is_answered(&execute(bench, &job, &environment).await), "more than the limit is had once");
        let (reason, seconds, detail) = snooze(&execute(bench, &job, &environment).await);
        assert_eq!((reason, detail.as_str()), (SnoozeReason::RateLimited, "simulator: 1000 tokens a minute"));
        let ahead = "SELECT (tokens_tat > now() + interval '30 seconds')::text FROM limits";
        assert!(seconds > 30 && bench.column(ahead).await == ["true"], "its prompt and its longest answer: {seconds}");
        environment.llm.look(&bench.worker).await.expect("written");
        let after: f64 = bench.value("SELECT extract(epoch FROM tokens_tat - now())::float8 FROM limits").await;
        assert!(after < seconds as f64, "what it did not use is given back: {after}");
    })
    .await;
}

#[tokio::test]
async fn a_429_stops_the_calls_of_every_worker_until_its_time_is_over() {
    Bench::run(async |bench| {
        bench.control(json!({"status": 429, "retry_after_s": 40})).await;
        let (job, one, two) = (at_the_model(bench).await, bench.alone(""), bench.alone(""));
        two.llm.look(&bench.worker).await.expect("read before");
        for environment in [&one, &two, &one] {
            let (reason, seconds, detail) = snooze(&execute(bench, &job, environment).await);
            assert_eq!((reason, detail.as_str()), (SnoozeReason::RateLimited, "simulator: rate limited"));
            assert!((39..=53).contains(&seconds), "{seconds}");
        }
        assert_eq!(bench.asked().await.len(), 1, "one was told, and nobody else asks");
        bench.back_to_normal().await;
        bench.sql("UPDATE limits SET paused_until = now() - interval '1 ms'").await;
        two.llm.look(&bench.worker).await.expect("read");
        assert!(is_answered(&execute(bench, &job, &two).await));
    })
    .await;
}

#[tokio::test]
async fn what_is_set_at_the_terminal_counts_and_a_workers_file_does_not_take_it_back() {
    Bench::run(async |bench| {
        let (job, environment) = (at_the_model(bench).await, bench.alone(""));
        assert!(is_answered(&execute(bench, &job, &environment).await), "there is no limit");
        let set = limit::Limit {
            provider: "simulator".to_owned(),
            model: "m1".to_owned(),
            requests_per_minute: Some(1),
            request_burst: None,
            tokens_per_minute: None,
            token_burst: None,
        };
        let order = hellosales_core::breaker::Order { actor: "operator:ana".to_owned(), reason: "INC-2".to_owned() };
        limit::set(&bench.db.pools(Role::Operator), &set, &order).await.expect("set");
        environment.llm.look(&bench.worker).await.expect("read");
        assert!(is_answered(&execute(bench, &job, &environment).await));
        let another = bench.alone(SIXTY);
        for environment in [&environment, &another] {
            let (_, seconds, detail) = snooze(&execute(bench, &job, environment).await);
            assert!(seconds > 55 && detail == "simulator: 1 requests a minute", "{seconds} {detail}");
        }
        let audited = "SELECT concat_ws(' ', actor, action, target_id) FROM audit_log";
        assert_eq!(bench.column(audited).await, ["operator:ana provider.limit simulator/m1"]);
    })
    .await;
}

#[tokio::test]
async fn so_many_calls_at_once_and_no_more() {
    Bench::run(async |bench| {
        bench.control(json!({"hold_after_tokens": 2})).await;
        let limits = "[[limit]]\nprovider='simulator'\nmodel='m1'\nmax_concurrency=2\n";
        let (job, environment) = (at_the_model(bench).await, bench.alone(limits));
        let calls = join_all((0..5).map(|_| execute(bench, &job, &environment)));
        let release = async {
            while bench.asked().await.len() < 2 {
                tokio::task::yield_now().await;
            }
            bench.back_to_normal().await;
        };
        let (executed, ()) = tokio::join!(calls, release);
        let answered = executed.iter().filter(|executed| is_answered(executed)).count();
        assert_eq!((answered, bench.asked().await.len()), (2, 2));
        for executed in executed.iter().filter(|executed| !is_answered(executed)) {
            let (reason, seconds, detail) = snooze(executed);
            assert_eq!(
                (reason, seconds, detail.as_str()),
                (SnoozeReason::RateLimited, 0, "simulator: 2 calls at once")
            );
        }
    })
    .await;
}
