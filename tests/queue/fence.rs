//! The fence: who has lost the token writes nothing; who has it writes all, in one transaction.

use std::sync::Arc;

use hellosales_core::queue::settle::Settled;
use hellosales_core::queue::{End, Settlement, reap};
use serde_json::{Value, json};

use super::bench::Bench;
use super::ends::{Interrupted, Product, failed, ok, output, retry};

#[tokio::test]
async fn rule_02_without_its_token_a_settlement_writes_nothing() {
    Bench::run(async |bench| {
        bench.submit().await;
        let (zombie, hand) = (bench.hand().await, bench.hand().await);
        let stale = zombie.take("a").await;
        bench.expire(&zombie).await;
        reap::reap(&hand.db, zombie.worker).await.expect("a reap");
        bench.thaw(&zombie).await;

        let before = bench.fingerprint().await;
        let settled = zombie.settle_one(Settlement::new(stale, ok()).with_effects(Arc::new(Product))).await;
        assert!(matches!(settled, Settled::Fenced), "{settled:?}");
        assert_eq!(bench.fingerprint().await, before);
        hand.take("a").await;
    })
    .await;
}

#[tokio::test]
async fn rule_02_a_token_that_was_replaced_by_the_same_workers_next_claim_writes_nothing() {
    Bench::run(async |bench| {
        bench.submit().await;
        let hand = bench.hand().await;
        for end in [ok(), failed(), retry(), End::GiveBack] {
            let stale = hand.take("a").await;
            bench.expire(&hand).await;
            reap::reap(&hand.db, hand.worker).await.expect("a reap");
            bench.thaw(&hand).await;
            bench.sql("UPDATE pipeline_steps SET crashes = 0").await;
            let fresh = hand.take("a").await;
            assert_ne!(fresh.token(), stale.token());
            let before = bench.fingerprint().await;
            assert!(matches!(hand.settle_one(Settlement::new(stale, end)).await, Settled::Fenced));
            assert_eq!(bench.fingerprint().await, before);
            hand.land(fresh, End::GiveBack).await;
        }
    })
    .await;
}

/// A claim does not wait for the disk: a crash of the database may forget it, and with it that it was the second.
#[tokio::test]
async fn rule_02_a_claim_that_the_database_forgot_writes_nothing_although_the_next_one_has_its_number() {
    Bench::run(async |bench| {
        let run = bench.submit().await;
        let (forgotten, heir) = (bench.hand().await, bench.hand().await);
        let stale = forgotten.take("a").await;
        bench
            .sql(
                "UPDATE pipeline_steps SET status = 'ready', lease_token = NULL, lease_epoch = 0, worker_id = NULL,
                   claimed_at = NULL, must_end_by = NULL",
            )
            .await;
        let fresh = heir.take("a").await;
        assert_eq!(fresh.epoch(), stale.epoch());
        let before = bench.fingerprint().await;
        let settled = forgotten.settle_one(Settlement::new(stale, ok()).with_effects(Arc::new(Product))).await;
        assert!(matches!(settled, Settled::Fenced), "{settled:?}");
        assert_eq!(bench.fingerprint().await, before);
        heir.land(fresh, ok()).await;
        assert_eq!(bench.steps(run).await, ["0 completed", "1 ready", "2 ready"]);
    })
    .await;
}

#[tokio::test]
async fn rule_02_output_effects_successors_and_progress_are_there_together_or_not_at_all() {
    Bench::run(async |bench| {
        let run = bench.submit().await;
        let hand = bench.hand().await;
        let a = hand.take("a").await;
        let before = bench.fingerprint().await;
        let settlement = Settlement::new(a, output(json!({"n": 1}))).with_effects(Arc::new(Interrupted));
        let Some(Settled::Failed(settlement, _)) = hand.settle(vec![settlement]).await.pop() else {
            panic!("effects that fail settle nothing")
        };
        assert_eq!(bench.fingerprint().await, before);

        hand.land_with(settlement.with_effects(Arc::new(Product))).await;
        assert_eq!(bench.effects().await, 1);
        assert_eq!(bench.steps(run).await, ["0 completed", "1 ready", "2 ready"]);
        let needs = hand.take("b").await;
        assert_eq!(needs.need(0), Some(&json!({"n": 1})));
    })
    .await;
}

#[tokio::test]
async fn rule_03_a_result_that_is_settled_twice_has_its_effects_once() {
    Bench::run(async |bench| {
        bench.submit().await;
        let hand = bench.hand().await;
        let request = hand.request(1);
        let first = hand.try_claim(&request).await.expect("a claim").pop().expect("a step");
        let again = hand.adopt(request.token).await.pop().expect("the same step");
        hand.land_with(Settlement::new(first, ok()).with_effects(Arc::new(Product))).await;
        let before = bench.fingerprint().await;
        let settled = hand.settle_one(Settlement::new(again, ok()).with_effects(Arc::new(Product))).await;
        assert!(matches!(settled, Settled::LandedBefore { .. }), "{settled:?}");
        assert_eq!(bench.fingerprint().await, before);
        assert_eq!(bench.effects().await, 1);
    })
    .await;
}

#[tokio::test]
async fn rule_04_between_claim_and_settlement_no_transaction_is_open() {
    Bench::run(async |bench| {
        bench.submit().await;
        let hand = bench.hand().await;
        let a = hand.take("a").await;
        let open: i64 = bench
            .value(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL
                 AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
            )
            .await;
        assert_eq!(open, 0);
        hand.land(a, ok()).await;
    })
    .await;
}

#[tokio::test]
async fn one_nul_in_a_group_fails_its_own_step_and_no_other() {
    Bench::run(async |bench| {
        let runs = [bench.submit().await, bench.submit().await, bench.submit().await];
        let hand = bench.hand().await;
        let steps = hand.claim(3).await;
        let group = steps.into_iter().map(|step| {
            let text = if step.run().id == runs[1] { "nul: \u{0}" } else { "fine" };
            Settlement::new(step, output(json!({ "text": text })))
        });
        let settled = hand.settle(group.collect()).await;
        assert!(settled.iter().all(|settled| matches!(settled, Settled::Landed { .. })), "{settled:?}");
        assert_eq!(bench.status(runs[0]).await, "running");
        assert_eq!(bench.status(runs[2]).await, "running");
        let failure: Value = bench
            .value(&format!("SELECT failure FROM pipeline_runs WHERE id = '{}' AND status = 'failed'", runs[1]))
            .await;
        assert_eq!(failure["code"], "SETTLE_REJECTED");
    })
    .await;
}

#[tokio::test]
async fn one_nul_in_a_failures_message_is_stored_without_it() {
    Bench::run(async |bench| {
        let run = bench.submit().await;
        let hand = bench.hand().await;
        let mut failure = hellosales_core::Failure::new(hellosales_core::ErrorCode::StageFailed, "nul: \u{0}");
        failure.details.insert("said".to_owned(), "\u{0}".into());
        failure.details.insert("kept".to_owned(), 1.into());
        hand.land(hand.take("a").await, End::Fail(failure)).await;
        let stored = format!(
            "SELECT concat_ws(' ', error_code, error, failure -> 'details') FROM pipeline_runs WHERE id = '{run}'"
        );
        assert_eq!(bench.value::<String>(&stored).await, "STAGE_FAILED nul: \u{fffd} {\"kept\": 1}");
    })
    .await;
}
