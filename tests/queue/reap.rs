//! Workers that die, freeze and hang.

use hellosales_core::dead_letter::Automatic;
use hellosales_core::queue::settle::Settled;
use hellosales_core::queue::{Settlement, reap};

use super::bench::{Bench, Hand};
use super::ends::ok;

/// The worker dies, and another takes what it had.
async fn crash(bench: &Bench<'_>, dead: &Hand) -> usize {
    taken(bench, dead).await.steps.len()
}

async fn taken(bench: &Bench<'_>, dead: &Hand) -> reap::Reaped {
    bench.expire(dead).await;
    let expired = reap::expired(&dead.db, 1).await.expect("an answer");
    assert!(expired.iter().any(|expired| expired.worker == dead.worker));
    reap::reap(&dead.db, dead.worker).await.expect("a reap")
}

#[tokio::test]
async fn rule_05_an_expired_lease_is_a_crash_and_no_failure() {
    Bench::run(async |bench| {
        bench.submit().await;
        let (dead, heir) = (bench.hand().await, bench.hand().await);
        dead.take("a").await;
        assert_eq!(crash(bench, &dead).await, 1);
        let counted: String = bench.value("SELECT concat_ws(' ', status, failures, crashes) FROM pipeline_steps").await;
        assert_eq!(counted, "ready 0 1");
        let again = heir.take("a").await;
        assert_eq!((again.attempt(), again.epoch()), (2, 2));
        heir.land(again, ok()).await;
    })
    .await;
}

#[tokio::test]
async fn a_dead_worker_that_owns_nothing_is_not_looked_at() {
    Bench::run(async |bench| {
        bench.submit().await;
        let (idle, dead, heir) = (bench.hand().await, bench.hand().await, bench.hand().await);
        dead.take("a").await;
        bench.expire(&idle).await;
        bench.expire(&dead).await;
        let expired = async || -> Vec<_> {
            let found = reap::expired(&heir.db, 1).await.expect("an answer");
            found.into_iter().map(|expired| expired.worker).collect()
        };
        assert_eq!(expired().await, [dead.worker]);
        reap::reap(&heir.db, dead.worker).await.expect("a reap");
        assert!(expired().await.is_empty());
        heir.take("a").await;
    })
    .await;
}

#[tokio::test]
async fn rule_05_three_crashes_are_a_death_and_no_neighbour_dies() {
    Bench::run(async |bench| {
        let deadly = bench.submit().await;
        let harmless = bench.submit().await;
        for _ in 0..2 {
            let victim = bench.hand().await;
            victim.claim(2).await;
            assert_eq!(crash(bench, &victim).await, 2);
            bench.sql(&format!("UPDATE pipeline_steps SET crashes = 0 WHERE run_id = '{harmless}'")).await;
        }
        // A suspect goes to a worker that has none, and only there.
        let third = bench.hand().await;
        let mut busy = third.request(2);
        busy.suspects = 0;
        let neighbours = third.try_claim(&busy).await.expect("a claim");
        assert_eq!(neighbours.iter().map(|step| step.run().id).collect::<Vec<_>>(), [harmless]);
        let suspect = third.take("a").await;
        assert!(suspect.is_suspect() && suspect.run().id == deadly);

        assert_eq!(crash(bench, &third).await, 1);
        let doomed = reap::doomed(&third.db, third.worker).await.expect("an answer");
        assert_eq!(doomed.len(), 1);
        assert!(reap::doom(&third.db, doomed[0], &Automatic::default()).await.expect("a death").0);
        let died: String = bench
            .value(&format!(
                "SELECT concat_ws(' ', r.status, r.error_code, s.status, s.failures, s.crashes)
                 FROM pipeline_runs r JOIN pipeline_steps s ON s.run_id = r.id WHERE r.id = '{deadly}'"
            ))
            .await;
        assert_eq!(died, "failed LEASE_EXPIRED dead 0 3");
        assert_eq!(bench.steps(harmless).await, ["0 ready"]);
        assert!(!reap::doom(&third.db, doomed[0], &Automatic::default()).await.expect("an answer").0, "once only");
        bench.thaw(&third).await;
        let settled = third.settle_one(Settlement::new(suspect, ok())).await;
        assert!(matches!(settled, Settled::Fenced), "{settled:?}");
    })
    .await;
}

#[tokio::test]
async fn rule_05_a_worker_that_beats_again_before_the_death_of_its_step_keeps_it() {
    Bench::run(async |bench| {
        bench.submit().await;
        bench.sql("UPDATE pipeline_steps SET crashes = 2").await;
        let hand = bench.hand().await;
        let suspect = hand.take("a").await;
        bench.expire(&hand).await;
        let doomed = reap::doomed(&hand.db, hand.worker).await.expect("an answer");
        bench.thaw(&hand).await;
        assert!(!reap::doom(&hand.db, doomed[0], &Automatic::default()).await.expect("an answer").0);
        assert_eq!(reap::reap(&hand.db, hand.worker).await.expect("a reap").steps.len(), 0);
        hand.land(suspect, ok()).await;
    })
    .await;
}

#[tokio::test]
async fn rule_05_a_frozen_worker_that_thaws_after_its_reap_settles_nothing() {
    Bench::run(async |bench| {
        let run = bench.submit().await;
        let (frozen, heir) = (bench.hand().await, bench.hand().await);
        let stale = frozen.take("a").await;
        crash(bench, &frozen).await;
        let fresh = heir.take("a").await;
        bench.thaw(&frozen).await;

        // Before the heir is done, and after.
        let settled = frozen.settle_one(Settlement::new(stale, ok())).await;
        assert!(matches!(settled, Settled::Fenced), "{settled:?}");
        assert_eq!(bench.steps(run).await, ["0 running"]);
        heir.land(fresh, ok()).await;
        assert_eq!(bench.steps(run).await, ["0 completed", "1 ready", "2 ready"]);
    })
    .await;
}

#[tokio::test]
async fn rule_05_a_frozen_worker_that_thaws_after_its_heir_is_done_settles_nothing() {
    Bench::run(async |bench| {
        bench.submit().await;
        let (frozen, heir) = (bench.hand().await, bench.hand().await);
        let stale = frozen.take("a").await;
        crash(bench, &frozen).await;
        heir.land(heir.take("a").await, ok()).await;
        bench.thaw(&frozen).await;
        let before = bench.fingerprint().await;
        let settled = frozen.settle_one(Settlement::new(stale, ok())).await;
        assert!(matches!(settled, Settled::Fenced), "{settled:?}");
        assert_eq!(bench.fingerprint().await, before);
    })
    .await;
}

#[tokio::test]
async fn a_reap_leaves_what_a_settlement_is_writing_and_says_that_there_is_more() {
    Bench::run(async |bench| {
        let run = bench.submit().await;
        let hand = bench.hand().await;
        hand.take("a").await;
        let lock = bench.lock(&format!("SELECT 1 FROM pipeline_runs WHERE id = '{run}'")).await;
        let reaped = taken(bench, &hand).await;
        assert_eq!((reaped.steps.len(), reaped.more), (0, true), "nobody waits in a group");
        drop(lock);
        let reaped = taken(bench, &hand).await;
        assert_eq!((reaped.steps.len(), reaped.more), (1, false));
    })
    .await;
}

#[tokio::test]
async fn a_stage_that_hangs_past_must_end_by_is_taken_from_a_living_worker() {
    Bench::run(async |bench| {
        let run = bench.submit().await;
        let (hung, heir) = (bench.hand().await, bench.hand().await);
        let stale = hung.take("a").await;
        assert!(reap::overdue(&heir.db, 1).await.expect("an answer").is_empty());
        bench.sql("UPDATE pipeline_steps SET must_end_by = now() - interval '1 second'").await;
        let overdue = reap::overdue(&heir.db, 1).await.expect("an answer");
        assert_eq!(overdue.iter().map(|step| (step.run_id, step.worker)).collect::<Vec<_>>(), [(run, hung.worker)]);
        assert_eq!(
            reap::reap_overdue(&heir.db, overdue[0])
                .await
                .expect("a reap")
                .steps
                .iter()
                .map(|step| step.token)
                .collect::<Vec<_>>(),
            [stale.token()]
        );
        assert_eq!(reap::reap_overdue(&heir.db, overdue[0]).await.expect("a reap").steps, []);

        let fresh = heir.take("a").await;
        assert!(matches!(hung.settle_one(Settlement::new(stale, ok())).await, Settled::Fenced));
        heir.land(fresh, ok()).await;
    })
    .await;
}

#[tokio::test]
async fn a_stage_that_hangs_the_third_time_is_dead() {
    Bench::run(async |bench| {
        let run = bench.submit().await;
        bench.sql("UPDATE pipeline_steps SET crashes = 2").await;
        let hung = bench.hand().await;
        hung.take("a").await;
        bench.sql("UPDATE pipeline_steps SET must_end_by = now() - interval '1 second'").await;
        let overdue = reap::overdue(&hung.db, 1).await.expect("an answer");
        assert_eq!(reap::reap_overdue(&hung.db, overdue[0]).await.expect("a reap").steps, []);
        let doomed = reap::doomed(&hung.db, hung.worker).await.expect("an answer");
        assert!(reap::doom(&hung.db, doomed[0], &Automatic::default()).await.expect("a death").0);
        assert_eq!(bench.status(run).await, "failed");
    })
    .await;
}

#[tokio::test]
async fn a_worker_without_a_lease_claims_nothing() {
    Bench::run(async |bench| {
        bench.submit().await;
        let hand = bench.hand().await;
        bench.expire(&hand).await;
        assert!(hand.claim(1).await.is_empty());
        bench.thaw(&hand).await;
        assert_eq!(hand.claim(1).await.len(), 1);
    })
    .await;
}
