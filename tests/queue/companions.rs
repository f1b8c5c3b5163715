//! Companions: the first stages of a run go together, whoever got one of them.

use hellosales_core::LeaseToken;
use hellosales_core::pipeline::CHAT;
use hellosales_core::queue::companions::claim_companions;
use hellosales_core::queue::{ClaimedStep, Shapes};

use super::bench::{Bench, Hand};
use super::ends::ok;

#[tokio::test]
async fn whoever_claims_one_first_stage_of_a_run_gets_its_siblings_and_nobody_elses() {
    Bench::run(async |bench| {
        let (one, two) = (bench.session().await, bench.session().await);
        let (mine, other) = (bench.say(one, "Hello").await, bench.say(two, "Hello").await);
        let hand = bench.hand().await;
        let request = hand.request(1);
        let got = hand.try_claim(&request).await.expect("a claim");
        let run = got[0].run().id;
        assert!(got.len() == 1 && (run == mine || run == other));

        let shapes = Shapes::new(&[&CHAT]);
        let kinds = shapes.inline_first_kinds();
        assert_eq!(kinds, ["chat@1/input_guard", "chat@1/profile_enrich", "chat@1/summary_enrich"]);
        let late = bench.hand().await;
        bench.expire(&late).await;
        let ask = async |hand: &Hand, token| {
            let asked = claim_companions(&hand.db, (hand.worker, token), &[run], &kinds, &shapes).await;
            asked.expect("an answer").steps
        };
        assert!(ask(&late, LeaseToken::random()).await.is_empty(), "whose lease is over gets nothing");
        let mut siblings = ask(&hand, request.token).await;
        assert!(ask(&hand, request.token).await.is_empty());

        siblings.extend(got);
        let mut stages: Vec<usize> = siblings.iter().map(ClaimedStep::stage).collect();
        stages.sort_unstable();
        assert_eq!(stages, [0, 1, 2]);
        assert!(siblings.iter().all(|step| step.run().id == run && step.token() == request.token));
        let found = hand.adopt(request.token).await;
        assert_eq!(found.len(), 3);
        assert!(found.iter().all(|step| step.run().id == run && step.token() == request.token));
        assert_eq!(told(&found), told(&siblings), "what is claimed is what would be found again");
        let ready = "SELECT count(*) FROM pipeline_steps WHERE status = 'ready'";
        assert_eq!(bench.value::<i64>(ready).await, 3, "the other run's");
        for step in found {
            hand.land(step, ok()).await;
        }
    })
    .await;
}

/// What a worker knows of steps, by their stage.
fn told(steps: &[ClaimedStep]) -> Vec<(usize, i16, i32, String)> {
    let of = |step: &ClaimedStep| (step.stage(), step.attempt(), step.epoch(), format!("{:?}", step.run()));
    let mut told: Vec<_> = steps.iter().map(of).collect();
    told.sort();
    told
}
