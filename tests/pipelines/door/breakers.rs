//! Breakers: opened by what fails, by all workers together; closed by one probe; tripped and reset by hand.

use hellosales_core::Role;
use hellosales_core::breaker::{self, Order, Which};
use hellosales_core::queue::SnoozeReason;
use hellosales_worker::registry::Executed;
use serde_json::json;

use super::{at_the_model, execute, is_answered, snooze};
use crate::pipelines::bench::Bench;

const BREAKER: &str = "SELECT concat_ws(' ', status, probe IS NOT NULL) FROM breakers WHERE model = 'm1'";

/// The time of its probe has come.
async fn until_is_over(bench: &Bench<'_>) {
    bench.sql("UPDATE breakers SET until = now() - interval '1 ms' WHERE status = 'open'").await;
}

#[tokio::test]
async fn three_failures_of_two_workers_stop_all_calls_until_a_probe_answers() {
    Bench::run(async |bench| {
        bench.control(json!({"status": 500})).await;
        let job = at_the_model(bench).await;
        // Two workers fail; a third has never met the outage.
        let (one, two, three) = (bench.alone(""), bench.alone(""), bench.alone(""));
        for environment in [&one, &two] {
            execute(bench, &job, environment).await;
        }
        assert_eq!(bench.column(BREAKER).await, ["closed f"]);
        drop(one);
        execute(bench, &job, &two).await;
        assert_eq!(bench.column(BREAKER).await, ["open f"]);
        let asked = bench.asked().await.len();
        for environment in [&two, &three] {
            let (reason, seconds, detail) = snooze(&execute(bench, &job, environment).await);
            assert_eq!((reason, detail.as_str()), (SnoozeReason::ProviderDown, "simulator: down, its breaker is open"));
            assert!((58..=62).contains(&seconds), "until the next probe, {seconds} s");
        }
        assert_eq!(bench.asked().await.len(), asked, "nobody is called while it is open");

        // The probe fails: the step waits on, uncounted, and so do all.
        until_is_over(bench).await;
        two.llm.look(&bench.worker).await.expect("read");
        let (reason, seconds, _) = snooze(&execute(bench, &job, &two).await);
        assert!(reason == SnoozeReason::ProviderDown && seconds >= 58, "{reason} {seconds}");
        assert_eq!(bench.asked().await.len(), asked + 1);
        assert_eq!(bench.column(BREAKER).await, ["open f"]);

        // The next one answers.
        bench.back_to_normal().await;
        until_is_over(bench).await;
        three.llm.look(&bench.worker).await.expect("read");
        let executed = execute(bench, &job, &three).await;
        assert!(is_answered(&executed), "{executed:?}");
        three.llm.drain().await;
        assert_eq!(bench.column(BREAKER).await, ["closed f"]);
        let probes = "SELECT count(*)::text FROM provider_calls WHERE probe IS NOT NULL";
        assert_eq!(bench.column(probes).await, ["2"]);
        let events = "SELECT concat_ws(' ', count(*), bool_and(closed_at > opened_at)) FROM breaker_events";
        assert_eq!(bench.column(events).await, ["1 t"], "one outage");
    })
    .await;
}

#[tokio::test]
async fn a_fault_of_five_calls_in_a_hundred_stops_nobody() {
    Bench::run(async |bench| {
        bench
            .sql(
                "INSERT INTO breaker_counts (operation, provider, model, calls, failures) VALUES ('llm', 'simulator', 'm1', 95, 2),
                   ('llm', 'local', 'm2', 4, 4)",
            )
            .await;
        bench.control(json!({"status": 500, "requests": 3})).await;
        let (job, environment) = (at_the_model(bench).await, bench.alone(""));
        for _ in 0..3 {
            execute(bench, &job, &environment).await;
        }
        assert_eq!(bench.column(BREAKER).await, ["closed f"], "5 of 98");
    })
    .await;
}

#[tokio::test]
async fn limits_refusals_and_our_own_faults_open_no_breaker() {
    for status in [400, 401, 429] {
        Bench::run(async |bench| {
            bench.control(json!({"status": status})).await;
            let (job, environment) = (at_the_model(bench).await, bench.alone(""));
            for _ in 0..4 {
                execute(bench, &job, &environment).await;
                bench.sql("UPDATE limits SET paused_until = NULL").await;
                environment.llm.look(&bench.worker).await.expect("read");
            }
            assert_eq!(bench.column(BREAKER).await, ["closed f"], "{status}");
            assert_eq!(bench.asked().await.len(), 4, "{status}");
        })
        .await;
    }
}

#[tokio::test]
async fn a_prober_that_freezes_loses_its_place_and_what_it_says_later_is_not_heard() {
    Bench::run(async |bench| {
        bench.control(json!({"status": 500})).await;
        let (job, frozen, other) = (at_the_model(bench).await, bench.alone(""), bench.alone(""));
        for _ in 0..3 {
            execute(bench, &job, &frozen).await;
        }
        bench.back_to_normal().await;
        bench.control(json!({"hang": true, "requests": 1})).await;
        until_is_over(bench).await;
        frozen.llm.look(&bench.worker).await.expect("read");
        let mut probing = Box::pin(execute(bench, &job, &frozen));
        // It is polled until its request is out, and then no more: its process stands still.
        while bench.asked().await.len() < 4 {
            let _still = futures::poll!(&mut probing);
            tokio::task::yield_now().await;
        }
        assert_eq!(bench.column(BREAKER).await, ["open t"]);
        other.llm.look(&bench.worker).await.expect("read");
        let (reason, seconds, _) = snooze(&execute(bench, &job, &other).await);
        assert!(reason == SnoozeReason::ProviderDown && seconds < 25, "another probes: soon again");
        assert_eq!(bench.asked().await.len(), 4, "one probe at a time");

        bench.sql("UPDATE breakers SET probe_until = now() - interval '1 ms' WHERE probe IS NOT NULL").await;
        other.llm.look(&bench.worker).await.expect("read");
        assert!(is_answered(&execute(bench, &job, &other).await), "its lease is over, and another may go");
        other.llm.drain().await;
        assert_eq!(bench.column(BREAKER).await, ["closed f"]);
        let thawed = probing.await;
        assert!(!is_answered(&thawed), "{thawed:?}");
        frozen.llm.drain().await;
        assert_eq!(bench.column(BREAKER).await, ["closed f"], "a probe of yesterday opens nothing");
    })
    .await;
}

#[tokio::test]
async fn what_waits_for_a_provider_comes_back_within_seconds_of_its_reset() {
    Bench::run(async |bench| {
        let (job, environment) = (at_the_model(bench).await, bench.alone(""));
        let which = Which { provider: "simulator".to_owned(), model: None };
        let order = Order { actor: "operator:ana".to_owned(), reason: "INC-1".to_owned() };
        let operator = bench.db.pools(Role::Operator);
        environment.llm.look(&bench.worker).await.expect("read");
        let until = bench.value("SELECT now() + interval '2 hours'").await;
        breaker::trip(&operator, &which, &order, Some(until)).await.expect("tripped");
        let executed = execute(bench, &job, &environment).await;
        let (_, seconds, _) = snooze(&executed);
        assert!((30..=36).contains(&seconds), "nobody sleeps for two hours: it may be lifted");
        bench.settle(job, executed).await;
        breaker::reset(&operator, &which, &order).await.expect("reset");
        let near = "SELECT concat_ws(' ', status, available_at < now() + interval '11 seconds') FROM pipeline_steps WHERE kind LIKE '%/llm'";
        assert_eq!(bench.column(near).await, ["delayed t"]);
    })
    .await;
}

#[tokio::test]
async fn a_call_that_looked_before_the_breaker_opened_is_stopped_at_the_ledger() {
    Bench::run(async |bench| {
        let (job, late) = (at_the_model(bench).await, bench.alone(""));
        late.llm.look(&bench.worker).await.expect("read");
        let which = Which { provider: "simulator".to_owned(), model: None };
        let order = Order { actor: "operator:ana".to_owned(), reason: "INC-1".to_owned() };
        let operator = bench.db.pools(Role::Operator);
        let tripped = breaker::trip(&operator, &which, &order, None).await.expect("tripped");
        assert_eq!(tripped.iter().map(|key| key.model.as_str()).collect::<Vec<_>>(), ["m1"]);
        // It has not looked since.
        let (reason, seconds, detail) = snooze(&execute(bench, &job, &late).await);
        assert_eq!((reason, detail.as_str()), (SnoozeReason::ProviderDown, "simulator: stopped by an operator"));
        assert!(seconds >= 29, "nobody knows when it is over");
        assert!(bench.asked().await.is_empty());

        let order = Order { reason: "mended".to_owned(), ..order };
        assert_eq!(breaker::reset(&operator, &which, &order).await.expect("reset").len(), 1);
        assert!(breaker::reset(&operator, &which, &order).await.expect("nothing is open").is_empty());
        late.llm.look(&bench.worker).await.expect("read");
        assert!(is_answered(&execute(bench, &job, &late).await));
        let audited = "SELECT concat_ws(' ', actor, action, target_id, reason) FROM audit_log ORDER BY id";
        let lines =
            ["operator:ana provider.trip simulator/m1 INC-1", "operator:ana provider.reset simulator/m1 mended"];
        assert_eq!(bench.column(audited).await, lines);
    })
    .await;
}

#[tokio::test]
async fn a_provider_that_is_tripped_is_passed_over_where_another_may_answer() {
    Bench::run(async |bench| {
        let (job, environment) = (at_the_model(bench).await, bench.beside(""));
        let which = Which { provider: "simulator".to_owned(), model: Some("m1".to_owned()) };
        let order = Order { actor: "operator:ana".to_owned(), reason: "INC-1".to_owned() };
        breaker::trip(&bench.db.pools(Role::Operator), &which, &order, None).await.expect("tripped before any call");
        let executed = execute(bench, &job, &environment).await;
        assert!(is_answered(&executed), "{executed:?}");
        assert_eq!(bench.column(super::CALLS).await, ["local m2 t -"]);
    })
    .await;
}

#[tokio::test]
async fn a_probe_whose_stage_is_cancelled_leaves_its_place_to_another() {
    Bench::run(async |bench| {
        bench.control(json!({"status": 500})).await;
        let (job, environment) = (at_the_model(bench).await, bench.alone(""));
        for _ in 0..3 {
            execute(bench, &job, &environment).await;
        }
        bench.back_to_normal().await;
        bench.control(json!({"hang": true, "requests": 1})).await;
        until_is_over(bench).await;
        environment.llm.look(&bench.worker).await.expect("read");
        let cancel = async {
            while bench.asked().await.len() < 4 {
                tokio::task::yield_now().await;
            }
            job.cancelled.cancel();
        };
        let (executed, ()) = tokio::join!(execute(bench, &job, &environment), cancel);
        assert!(matches!(executed, Executed::Lost), "{executed:?}");
        environment.llm.drain().await;
        assert_eq!(
            bench.column(BREAKER).await,
            ["open f"],
            "nothing was seen of the provider: the next may go at once"
        );
    })
    .await;
}
