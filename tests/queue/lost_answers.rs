//! Answers that are lost on their way: the statement was executed, the connection is gone, nobody knows.

use std::sync::Arc;

use hellosales_core::Role;
use hellosales_core::queue::Settlement;
use hellosales_core::queue::settle::Settled;

use super::bench::Bench;
use super::ends::{Product, ok};
use crate::harness::database::pools;
use crate::harness::proxy::Proxy;

const CLAIM: &str = "WITH x AS MATERIALIZED";

#[tokio::test]
async fn a_claim_whose_answer_was_lost_is_found_again_by_its_token() {
    Bench::run(async |bench| {
        bench.submit().await;
        let proxy = Proxy::start(&bench.db.url).await;
        let hand = bench.hand_through(&proxy.url(&bench.db.url)).await;
        proxy.control().swallow_answer(CLAIM);
        let request = hand.request(2);
        hand.try_claim(&request).await.expect_err("the answer is lost");
        assert!(proxy.control().has_swallowed());
        assert!(hand.claim(2).await.is_empty(), "they are claimed");
        let found = hand.adopt(request.token).await;
        assert_eq!(found.len(), 1);
        assert!(hand.adopt(hellosales_core::LeaseToken::random()).await.is_empty());
        for step in found {
            hand.land(step, ok()).await;
        }
    })
    .await;
}

#[tokio::test]
async fn rule_03_a_settlement_whose_answer_was_lost_has_its_effects_once_and_its_successor_is_found() {
    Bench::run(async |bench| {
        let run = bench.submit().await;
        let proxy = Proxy::start(&bench.db.url).await;
        let hand = bench.hand_through(&proxy.url(&bench.db.url)).await.taking_over();
        let a = hand.take("a").await;
        proxy.control().swallow_answer("COMMIT");
        let settlement = Settlement::new(a, ok()).with_effects(Arc::new(Product));
        let Some(Settled::Failed(settlement, _)) = hand.settle(vec![settlement]).await.pop() else {
            panic!("the answer is lost")
        };
        assert!(proxy.control().has_swallowed());
        assert_eq!(bench.steps(run).await, ["0 completed", "1 running", "2 ready"], "it landed");
        let before = bench.fingerprint().await;
        let Settled::LandedBefore { hand_over } = hand.settle_one(*settlement).await else {
            panic!("it stands since before")
        };
        assert_eq!(bench.fingerprint().await, before);
        assert_eq!(bench.effects().await, 1);
        let next = hand.adopt(hand_over).await;
        assert_eq!(next.iter().map(|step| step.shape().name).collect::<Vec<_>>(), ["b"]);
    })
    .await;
}

#[tokio::test]
async fn rule_03_a_last_settlement_whose_answer_was_lost_ended_its_run_once() {
    Bench::run(async |bench| {
        let run = bench.submit().await;
        let proxy = Proxy::start(&bench.db.url).await;
        let hand = bench.hand_through(&proxy.url(&bench.db.url)).await;
        for stage in ["a", "b", "c"] {
            hand.land(hand.take(stage).await, ok()).await;
        }
        let d = hand.take("d").await;
        proxy.control().swallow_answer("COMMIT");
        let settlement = Settlement::new(d, ok()).with_effects(Arc::new(Product));
        let Some(Settled::Failed(settlement, _)) = hand.settle(vec![settlement]).await.pop() else {
            panic!("the answer is lost")
        };
        assert_eq!(bench.status(run).await, "completed");
        assert!(matches!(hand.settle_one(*settlement).await, Settled::LandedBefore { .. }));
        assert_eq!(bench.effects().await, 1);
        bench.check_quiet().await;
    })
    .await;
}

#[tokio::test]
async fn rule_02_a_settlement_that_never_reached_its_commit_is_settled_again() {
    Bench::run(async |bench| {
        let run = bench.submit().await;
        let proxy = Proxy::start(&bench.db.url).await;
        let hand = bench.hand_through(&proxy.url(&bench.db.url)).await;
        let a = hand.take("a").await;
        let before = bench.fingerprint().await;
        let gate = proxy.control().hold("COMMIT");
        let cut = async {
            gate.reached().await;
            proxy.control().cut_all();
        };
        let settlement = Settlement::new(a, ok()).with_effects(Arc::new(Product));
        let (mut settled, ()) = tokio::join!(hand.settle(vec![settlement]), cut);
        let Some(Settled::Failed(settlement, _)) = settled.pop() else { panic!("the connection was cut") };
        assert_eq!(bench.fingerprint().await, before);
        hand.land_with(*settlement).await;
        assert_eq!(bench.effects().await, 1);
        assert_eq!(bench.steps(run).await[0], "0 completed");
    })
    .await;
}

#[tokio::test]
async fn rule_03_a_turn_whose_acceptance_was_lost_is_one_turn_when_it_is_said_again() {
    Bench::run(async |bench| {
        let session = bench.session().await;
        let proxy = Proxy::start(&bench.db.url).await;
        let api = pools(&proxy.url(&bench.db.url), Role::Api);
        proxy.control().swallow_answer("COMMIT");
        let first = bench.turn(session, "hello");
        bench.accept(&api, &first).await.expect_err("the answer is lost");
        let accepted = bench.accept(&api, &bench.turn(session, "hello")).await.expect("accepted");
        assert!(accepted.replayed);
        assert_eq!(accepted.run_id, first.run_id);
        assert_eq!(bench.value::<i64>("SELECT count(*) FROM pipeline_runs").await, 1);
    })
    .await;
}
