//! Companions: the first stages of a run go together, whoever got one of them.

use hellosales_core::LeaseToken;
use hellosales_core::pipeline::CHAT;
use hellosales_core::queue::Shapes;
use hellosales_core::queue::companions::claim_companions;

use super::bench::Bench;
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

        let kinds = Shapes::new(&[&CHAT]).inline_first_kinds();
        assert_eq!(kinds, ["chat@1/input_guard", "chat@1/profile_enrich", "chat@1/summary_enrich"]);
        let late = bench.hand().await;
        bench.expire(&late).await;
        let asked =
            claim_companions(&late.db, late.worker, LeaseToken::random(), &[run], &kinds).await.expect("an answer");
        assert_eq!(asked, 0, "whose lease is over gets nothing");
        let asked = claim_companions(&hand.db, hand.worker, request.token, &[run], &kinds).await.expect("an answer");
        assert_eq!(asked, 2);
        let again = claim_companions(&hand.db, hand.worker, request.token, &[run], &kinds).await.expect("an answer");
        assert_eq!(again, 0);

        let found = hand.adopt(request.token).await;
        assert_eq!(found.len(), 3);
        assert!(found.iter().all(|step| step.run().id == run && step.token() == request.token));
        let ready = "SELECT count(*) FROM pipeline_steps WHERE status = 'ready'";
        assert_eq!(bench.value::<i64>(ready).await, 3, "the other run's");
        for step in found {
            hand.land(step, ok()).await;
        }
    })
    .await;
}
