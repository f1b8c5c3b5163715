//! Pauses: what stands still is held by the claim that meets it, handed over to nobody, and goes on when its pause is gone.

use hellosales_core::content::Viewer;
use hellosales_core::queue::batch::{self, Changed};
use hellosales_core::queue::pause;
use hellosales_core::queue::submit::NewRun;
use hellosales_core::run::Lane;
use hellosales_core::{BatchId, RunId, pulse};

use super::bench::{Bench, Cut};
use super::ends::ok;

/// A running batch of so many, all admitted.
async fn batch_of(bench: &Bench<'_>, count: i32) -> (BatchId, Vec<RunId>) {
    let batch = BatchId::new();
    bench
        .sql(&format!(
            "INSERT INTO email_batches (id, org_id, status, email_type, is_approved, estimated_cost_cents, total)
             VALUES ('{batch}', '{}', 'running', 'general', true, 0, {count})",
            bench.org
        ))
        .await;
    let mut runs = Vec::new();
    for n in 0..count {
        let run = NewRun {
            lane: Lane::Bulk,
            batch: Some((batch, n)),
            ..NewRun::new(RunId::new(), &Cut {}, i64::from(n) + 1, 30_000).expect("an input")
        };
        bench.submit_run(&run).await;
        bench
            .sql(&format!(
                "INSERT INTO batch_items (org_id, batch_id, n, client_id, status, run_id)
                 VALUES ('{}', '{batch}', {n}, gen_random_uuid(), 'admitted', '{}')",
                bench.org, run.id
            ))
            .await;
        runs.push(run.id);
    }
    (batch, runs)
}

async fn waiting(bench: &Bench<'_>, run: RunId) -> Option<String> {
    let mut tx = bench.api.begin().await.expect("a transaction");
    let viewer = Viewer { user_id: bench.user, sees_all: true };
    let mut org = tx.enter(bench.org).await.expect("entered");
    let row = pulse::runs::get(&mut org, run, viewer).await.expect("an answer").expect("the run");
    row.waiting().map(|waiting| waiting.reason.to_string())
}

#[tokio::test]
async fn a_paused_batchs_steps_are_held_by_the_claim_and_freed_by_resume() {
    Bench::run(async |bench| {
        let (batch, runs) = batch_of(bench, 2).await;
        let alone = bench.submit().await;
        let hand = bench.hand().await;
        let (changed, _) = batch::pause(&bench.api, bench.org, batch, "somebody").await.expect("paused");
        assert_eq!(changed, Changed::Now);
        let epochs = "SELECT sum(lease_epoch)::bigint FROM pipeline_steps";
        let claimed = hand.claim(10).await;
        assert_eq!(claimed.iter().map(|step| step.run().id).collect::<Vec<_>>(), [alone]);
        for &run in &runs {
            assert_eq!(bench.steps(run).await, ["0 held pause"]);
            assert_eq!(waiting(bench, run).await.as_deref(), Some("batch_paused"));
        }
        assert_eq!(bench.value::<i64>(epochs).await, 1, "what is held was not claimed");
        assert!(pause::free(&hand.db, None).await.expect("a look").wakes.is_empty());
        assert_eq!(bench.steps(runs[0]).await, ["0 held pause"], "its pause stands");

        let (changed, wakes) = batch::resume(&bench.api, bench.org, batch, "somebody").await.expect("resumed");
        assert!(changed == Changed::Now && wakes.lanes == [false, false, true]);
        assert_eq!(hand.claim(10).await.iter().map(|step| step.run().id).collect::<Vec<_>>(), runs);
    })
    .await;
}

#[tokio::test]
async fn what_no_pause_covers_any_more_is_freed_and_its_lane_woken() {
    Bench::run(async |bench| {
        let run = bench.submit().await;
        let hand = bench.hand().await;
        bench
            .sql(&format!(
                "INSERT INTO pauses (scope, key, org_id, actor, reason)
                 VALUES ('lane', 'standard', NULL, 'op', 'r'), ('org', '{org}', '{org}', 'op', 'r'), ('pipeline', 'line', NULL, 'op', 'r')",
                org = bench.org
            ))
            .await;
        assert!(hand.claim(5).await.is_empty());
        assert_eq!(bench.steps(run).await, ["0 held pause"]);
        assert_eq!(waiting(bench, run).await.as_deref(), Some("queue_paused"));
        bench.sql("DELETE FROM pauses WHERE scope = 'lane'").await;
        assert!(pause::free(&hand.db, None).await.expect("a look").wakes.is_empty());
        assert_eq!(bench.steps(run).await, ["0 held pause"], "its organisation stands still");

        bench
            .sql("UPDATE pauses SET until = now() - interval '1 second' WHERE scope = 'org';
                  UPDATE pipeline_steps SET deadline_at = now() - interval '1 hour'")
            .await;
        let freed = pause::free(&hand.db, None).await.expect("a look");
        assert_eq!((freed.next, freed.wakes.lanes), (None, [false, true, false]));
        assert_eq!(bench.steps(run).await, ["0 ready"]);
        pause::expire(&hand.db).await.expect("expired");
        assert_eq!(bench.column::<String>("SELECT scope FROM pauses").await, ["pipeline"]);
        let step = hand.take("a").await;
        assert!(!step.is_past_deadline(), "what stood still has its whole time again");
        bench.sql("DELETE FROM pauses").await;
        hand.land(step, ok()).await;
    })
    .await;
}

#[tokio::test]
async fn nothing_of_a_paused_pipeline_is_handed_over() {
    Bench::run(async |bench| {
        let run = bench.submit().await;
        let hand = bench.hand().await.taking_over();
        let step = hand.take("a").await;
        bench.sql("INSERT INTO pauses (scope, key, actor, reason) VALUES ('pipeline', 'diamond', 'op', 'r')").await;
        assert!(hand.land(step, ok()).await.is_none());
        assert_eq!(bench.steps(run).await, ["0 completed", "1 ready", "2 ready"]);
        assert!(hand.claim(5).await.is_empty());
        assert_eq!(bench.steps(run).await, ["0 completed", "1 held pause", "2 held pause"]);
        bench.sql("DELETE FROM pauses").await;
        pause::free(&hand.db, None).await.expect("a look");
        assert_eq!(hand.claim(5).await.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_look_at_what_is_held_goes_on_where_the_last_one_ended_and_misses_nothing() {
    Bench::run(async |bench| {
        let run = bench.submit().await;
        let hand = bench.hand().await;
        bench
            .sql(
                "INSERT INTO pipeline_runs (id, org_id, service, topology, behavior, pipeline, pipeline_version, lane, fair_rank, input, stream, made)
                 SELECT gen_random_uuid(), org_id, service, topology, behavior, pipeline, pipeline_version, lane, n, input, false, 1
                 FROM pipeline_runs, generate_series(1, 1200) n;
                 INSERT INTO pipeline_steps (run_id, stage, kind, org_id, lane, fair_rank, status, held_by, deadline_at, timeout_ms, max_attempts)
                 SELECT id, 0, 'diamond@1/a', org_id, lane, fair_rank, 'held', 'pause', now(), 1000, 3 FROM pipeline_runs
                 WHERE id NOT IN (SELECT run_id FROM pipeline_steps)",
            )
            .await;
        let (mut from, mut looks) = (None, 0);
        loop {
            from = pause::free(&hand.db, from).await.expect("a look").next;
            looks += 1;
            if from.is_none() {
                break;
            }
        }
        assert_eq!(looks, 3);
        assert_eq!(bench.value::<i64>("SELECT count(*) FROM pipeline_steps WHERE status = 'ready'").await, 1_201);
        assert_eq!(bench.steps(run).await, ["0 ready"]);
    })
    .await;
}

/// Who asks in these tests.
const ASKED: pause::Asked<'static> = pause::Asked { actor: "operator:dana", reason: "INC-7" };

#[tokio::test]
async fn a_lane_is_paused_once_for_a_time_and_resumed_once_and_both_are_written_down() {
    Bench::run(async |bench| {
        let operator = bench.db.pools(hellosales_core::Role::Operator);
        let lane = pause::Scope::Lane(Lane::Standard);
        let begun = pause::pause(&operator, &lane, ASKED, Some(60_000)).await.expect("an answer");
        let pause::Done::Now(paused) = begun else { panic!("{begun:?}") };
        assert_eq!((paused.key.as_str(), paused.actor.as_str(), paused.reason.as_str()), ("standard", "operator:dana", "INC-7"));
        assert!(paused.until.is_some_and(|until| (until - paused.created_at).num_seconds() == 60));
        let other = pause::Asked { actor: "operator:lee", reason: "INC-8" };
        assert_eq!(pause::pause(&operator, &lane, other, None).await.expect("an answer"), pause::Done::Paused(paused.clone()));
        assert_eq!(pause::list(&operator, 10).await.expect("a list"), std::slice::from_ref(&paused));

        let run = bench.submit().await;
        let hand = bench.hand().await;
        assert!(hand.claim(5).await.is_empty());
        assert_eq!(bench.steps(run).await, ["0 held pause"]);
        let (done, wakes) = pause::resume(&operator, &lane, other).await.expect("an answer");
        assert_eq!((done, wakes.lanes), (pause::Done::Now(paused), [false, true, false]));
        assert_eq!(pause::resume(&operator, &lane, other).await.expect("an answer").0, pause::Done::NotPaused);
        assert_eq!(hand.claim(5).await.len(), 1);
        let told = "SELECT concat_ws(' ', actor, action, target_type, target_id, reason) FROM audit_log ORDER BY id";
        let expected = ["operator:dana lane.pause lane standard INC-7", "operator:lee lane.resume lane standard INC-8"];
        assert_eq!(bench.column::<String>(told).await, expected);
    })
    .await;
}

#[tokio::test]
async fn of_two_operators_who_pause_at_once_one_does_and_the_other_hears_of_it() {
    Bench::run(async |bench| {
        let operator = bench.db.pools(hellosales_core::Role::Operator);
        let org = pause::Scope::Org(bench.org);
        let other = pause::Asked { actor: "operator:lee", reason: "INC-8" };
        let (a, b) = tokio::join!(
            pause::pause(&operator, &org, ASKED, None),
            pause::pause(&operator, &org, other, Some(1_000))
        );
        let done = [a.expect("an answer"), b.expect("an answer")];
        let now = done.iter().filter(|one| matches!(one, pause::Done::Now(_))).count();
        assert_eq!(now, 1, "{done:?}");
        assert_eq!(bench.value::<i64>("SELECT count(*) FROM audit_log WHERE action = 'org.pause'").await, 1);
        // One whose time is over counts for nothing.
        bench.sql("UPDATE pauses SET until = now() - interval '1 second'").await;
        assert!(matches!(pause::pause(&operator, &org, ASKED, None).await.expect("an answer"), pause::Done::Now(_)));
        bench.sql("DELETE FROM pauses").await;
    })
    .await;
}

#[tokio::test]
async fn what_is_not_there_can_not_be_paused() {
    Bench::run(async |bench| {
        let operator = bench.db.pools(hellosales_core::Role::Operator);
        for scope in [
            pause::Scope::Pipeline("'; DROP TABLE pauses; --".to_owned()),
            pause::Scope::Pipeline(String::new()),
            pause::Scope::Org(hellosales_core::OrgId::new()),
        ] {
            let done = pause::pause(&operator, &scope, ASKED, None).await.expect("an answer");
            assert_eq!(done, pause::Done::Unknown, "{scope:?}");
        }
        assert_eq!(bench.value::<i64>("SELECT (SELECT count(*) FROM pauses) + (SELECT count(*) FROM audit_log)").await, 0);
    })
    .await;
}
