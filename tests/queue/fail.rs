//! Failures: what is kept, what a redrive runs again, and what retries count.

use std::time::Duration;

use hellosales_core::queue::redrive::{self, Redriven};
use hellosales_core::queue::settle::Settled;
use hellosales_core::queue::{End, Settlement, SnoozeReason, promote, reap};
use hellosales_core::run::{RunStatus, StatusReason};
use serde_json::json;

use super::bench::Bench;
use super::ends::{failed, ok, output, retry};

/// What waits for a time may go now.
async fn let_time_pass(bench: &Bench<'_>) -> u64 {
    bench.sql("UPDATE pipeline_steps SET available_at = now() - interval '1 second' WHERE status = 'delayed'").await;
    promote::promote(&bench.db.pools(hellosales_core::Role::Worker)).await.expect("a promotion").count
}

#[tokio::test]
async fn rule_06_a_failed_run_keeps_its_row_events_outputs_and_what_still_runs() {
    Bench::run(async |bench| {
        let run = bench.submit().await;
        let hand = bench.hand().await;
        hand.land(hand.take("a").await, output(json!({"a": 1}))).await;
        let (b, c) = (hand.take("b").await, hand.take("c").await);
        hand.land(b, failed()).await;
        assert_eq!(bench.status(run).await, "failed");
        assert_eq!(bench.steps(run).await, ["0 completed", "1 dead", "2 running"]);
        hand.land(c, output(json!({"c": 1}))).await;
        assert_eq!(bench.steps(run).await, ["0 completed", "1 dead", "2 completed"]);
        let letter: serde_json::Value = bench.value("SELECT to_jsonb(d) FROM dead_letter_queue d").await;
        assert_eq!(letter["context_snapshot"]["outputs"], json!({"a": {"a": 1}}));
        assert_eq!((&letter["failed_stage"], &letter["generation"]), (&json!("b"), &json!(1)));
        bench.check_quiet().await;
    })
    .await;
}

#[tokio::test]
async fn a_resume_runs_what_was_not_finished_and_nothing_else() {
    Bench::run(async |bench| {
        let run = bench.submit().await;
        let hand = bench.hand().await;
        hand.land(hand.take("a").await, output(json!({"a": 1}))).await;
        let (b, c) = (hand.take("b").await, hand.take("c").await);
        hand.land(b, failed()).await;

        // What still ran loses its token.
        let (redriven, _) = redrive::resume(&bench.api, bench.org, run, "ana").await.expect("an answer");
        assert_eq!(redriven, Redriven::Resumed { generation: 2 });
        assert_eq!(bench.steps(run).await, ["0 completed", "1 ready", "2 ready"]);
        assert!(matches!(hand.settle_one(Settlement::new(c, ok())).await, Settled::Fenced));
        bench.check().await;

        let (again, _) = redrive::resume(&bench.api, bench.org, run, "ana").await.expect("an answer");
        assert_eq!(again, Redriven::InvalidState(RunStatus::Queued));
        let b = hand.take("b").await;
        assert_eq!((b.attempt(), b.need(0)), (1, Some(&json!({"a": 1}))));
        hand.land(b, ok()).await;
        hand.land(hand.take("c").await, ok()).await;
        hand.land(hand.take("d").await, ok()).await;
        assert_eq!(bench.status(run).await, "completed");
        bench.check_quiet().await;
    })
    .await;
}

#[tokio::test]
async fn a_run_can_fail_and_be_redriven_again_and_again() {
    Bench::run(async |bench| {
        let run = bench.submit().await;
        let hand = bench.hand().await;
        for generation in 2..5 {
            hand.land(hand.take("a").await, failed()).await;
            bench.check_quiet().await;
            let (redriven, _) = redrive::resume(&bench.api, bench.org, run, "ana").await.expect("an answer");
            assert_eq!(redriven, Redriven::Resumed { generation });
        }
        let letters: i64 = bench.value("SELECT count(*) FROM dead_letter_queue WHERE resolution = 'redriven'").await;
        assert_eq!(letters, 3);
        hand.land(hand.take("a").await, ok()).await;
    })
    .await;
}

#[tokio::test]
async fn retries_are_counted_up_to_the_cap_and_snoozes_are_not() {
    Bench::run(async |bench| {
        let run = bench.submit().await;
        let hand = bench.hand().await;
        let snooze = || End::Snooze {
            delay: Duration::from_secs(60),
            reason: SnoozeReason::RateLimited,
            detail: "30 a minute".to_owned(),
        };
        for failures in 0..3_i16 {
            let step = hand.take("a").await;
            assert_eq!((step.attempt(), step.is_last_attempt()), (failures + 1, failures == 2));
            hand.land(step, snooze()).await;
            assert!(hand.claim(1).await.is_empty(), "it waits");
            assert_eq!(let_time_pass(bench).await, 1);
            hand.land(hand.take("a").await, retry()).await;
            bench.check().await;
            let_time_pass(bench).await;
        }
        let ended: String = bench
            .value(&format!(
                "SELECT concat_ws(' ', r.status, r.error_code, s.status, s.failures, s.snoozes)
                 FROM pipeline_runs r JOIN pipeline_steps s ON s.run_id = r.id WHERE r.id = '{run}'"
            ))
            .await;
        assert_eq!(ended, "failed PROVIDER_UNAVAILABLE dead 3 3");
    })
    .await;
}

#[tokio::test]
async fn in_a_failed_run_what_would_be_tried_again_is_held_for_a_redrive() {
    Bench::run(async |bench| {
        let run = bench.submit().await;
        let (hand, other) = (bench.hand().await, bench.hand().await);
        hand.land(hand.take("a").await, ok()).await;
        let (b, c) = (hand.take("b").await, other.take("c").await);
        hand.land(b, failed()).await;
        bench.expire(&other).await;
        reap::reap(&hand.db, other.worker).await.expect("a reap");
        assert_eq!(bench.steps(run).await, ["0 completed", "1 dead", "2 held failed"]);
        bench.thaw(&other).await;
        assert!(matches!(other.settle_one(Settlement::new(c, ok())).await, Settled::Fenced));

        redrive::resume(&bench.api, bench.org, run, "ana").await.expect("an answer");
        let (b, c) = (hand.take("b").await, hand.take("c").await);
        hand.land(b, failed()).await;
        hand.land(c, End::Cancel { reason: StatusReason::Guard, reply: None }).await;
        assert_eq!(bench.steps(run).await, ["0 completed", "1 dead", "2 held failed"]);
        bench.check_quiet().await;
    })
    .await;
}

#[tokio::test]
async fn a_second_death_is_added_to_the_open_letter() {
    Bench::run(async |bench| {
        bench.submit().await;
        let hand = bench.hand().await;
        hand.land(hand.take("a").await, ok()).await;
        let (b, c) = (hand.take("b").await, hand.take("c").await);
        hand.land(b, failed()).await;
        hand.land(c, failed()).await;
        let deaths: i32 = bench.value("SELECT jsonb_array_length(errors) FROM dead_letter_queue").await;
        assert_eq!(deaths, 2);
    })
    .await;
}

#[tokio::test]
async fn a_failure_holds_what_has_not_begun() {
    Bench::run(async |bench| {
        let run = bench.submit().await;
        let hand = bench.hand().await;
        hand.land(hand.take("a").await, ok()).await;
        hand.land(hand.take("b").await, failed()).await;
        assert_eq!(bench.steps(run).await, ["0 completed", "1 dead", "2 held failed"]);
        assert!(hand.claim(5).await.is_empty());
        bench.check_quiet().await;
    })
    .await;
}

#[tokio::test]
async fn no_delay_goes_past_the_deadline() {
    Bench::run(async |bench| {
        bench.submit().await;
        let hand = bench.hand().await;
        let a = hand.take("a").await;
        let day = Duration::from_secs(24 * 60 * 60);
        hand.land(a, End::Snooze { delay: day, reason: SnoozeReason::RateLimited, detail: "a day".to_owned() }).await;
        let at_the_deadline: bool = bench.value("SELECT available_at = deadline_at FROM pipeline_steps").await;
        assert!(at_the_deadline);
        bench.sql("UPDATE pipeline_steps SET deadline_at = now() - interval '1 second'").await;
        assert_eq!(let_time_pass(bench).await, 1);
        let again = hand.take("a").await;
        assert!(again.is_past_deadline());
        hand.land(again, ok()).await;
    })
    .await;
}
