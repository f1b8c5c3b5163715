//! Fairness: a claim passes over organisations that have their share.

use std::sync::Arc;

use hellosales_core::queue::claim::ClaimRequest;
use hellosales_core::queue::submit::NewRun;
use hellosales_core::run::Lane;
use hellosales_core::{OrgId, RunId};

use super::bench::{Bench, Cut, Hand};

async fn submit(bench: &Bench<'_>, lane: Lane, ranks: std::ops::Range<i64>) {
    for rank in ranks {
        let run = NewRun { lane, ..NewRun::new(RunId::new(), &Cut {}, rank, 30_000).expect("an input") };
        bench.submit_run(&run).await;
    }
}

async fn claimed(hand: &Hand, request: &ClaimRequest) -> Vec<(OrgId, Lane)> {
    let mut steps = hand.try_claim(request).await.expect("a claim");
    steps.sort_by_key(|step| step.run().id);
    steps.iter().map(|step| (step.run().org_id, step.lane())).collect()
}

#[tokio::test]
async fn a_claim_passes_over_who_has_their_share_and_takes_what_waits_behind() {
    Bench::run(async |bench| {
        let other = Bench::at(bench.db).await;
        let hand = bench.hand().await;
        for lane in [Lane::Standard, Lane::Bulk] {
            submit(bench, lane, 1..6).await;
            submit(&other, lane, 100..102).await;
        }
        let mine: Arc<[OrgId]> = Arc::from([bench.org]);
        let except = [Arc::clone(&mine), mine];
        let got = claimed(&hand, &ClaimRequest { max: [9, 9, 0], except: except.clone(), ..hand.request(9) }).await;
        assert_eq!(got, [(other.org, Lane::Standard); 2]);
        let got = claimed(&hand, &ClaimRequest { except: except.clone(), ..hand.request(9) }).await;
        assert_eq!(got, [(other.org, Lane::Bulk); 2], "standard's share is taken there too, and nobody else's waits");
        let got = claimed(&hand, &ClaimRequest { except, ..hand.request(9) }).await;
        assert_eq!(got, [], "nobody else waits");
        assert_eq!(claimed(&hand, &hand.request(9)).await.len(), 9, "and then all is theirs");
    })
    .await;
}

#[tokio::test]
async fn while_standard_may_have_more_within_its_shares_bulk_gets_nothing() {
    Bench::run(async |bench| {
        let hand = bench.hand().await;
        submit(bench, Lane::Standard, 1..5).await;
        submit(bench, Lane::Bulk, 1..5).await;
        let got = claimed(&hand, &ClaimRequest { standard: 2, ..hand.request(6) }).await;
        assert_eq!(got, [(bench.org, Lane::Standard); 2]);
        let got = claimed(&hand, &ClaimRequest { standard: 4, ..hand.request(6) }).await;
        assert_eq!(got.iter().filter(|(_, lane)| *lane == Lane::Bulk).count(), 4, "{got:?}");
    })
    .await;
}

#[tokio::test]
async fn a_suspect_of_who_has_their_share_is_passed_over_too() {
    Bench::run(async |bench| {
        let hand = bench.hand().await;
        submit(bench, Lane::Standard, 1..2).await;
        bench.sql("UPDATE pipeline_steps SET crashes = 2").await;
        let except = [Arc::from([bench.org]), Arc::default()];
        assert_eq!(claimed(&hand, &ClaimRequest { except, ..hand.request(6) }).await, []);
        assert_eq!(claimed(&hand, &hand.request(6)).await, [(bench.org, Lane::Standard)]);
    })
    .await;
}
