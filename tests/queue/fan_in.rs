//! Two branches that end at once: what follows them is made once, and never forgotten.

use hellosales_core::invariant::Scope;
use hellosales_core::queue::Settlement;
use hellosales_core::queue::settle::Settled;

use super::bench::{Bench, DIAMOND};
use super::ends::ok;
use crate::harness::check;
use crate::harness::database::TestDatabase;

#[tokio::test]
async fn rule_01_two_last_branches_on_two_workers_make_one_successor() {
    Bench::run(async |bench| {
        let run = bench.submit().await;
        let (one, two) = (bench.hand().await, bench.hand().await);
        one.land(one.take("a").await, ok()).await;
        let (b, c) = (one.take("b").await, two.take("c").await);

        // Both find the run's row locked: neither waits, neither decides.
        let lock = bench.lock(&format!("SELECT 1 FROM pipeline_runs WHERE id = '{run}'")).await;
        let later = |settled: Vec<Settled>| match settled.into_iter().next() {
            Some(Settled::Later(settlement)) => *settlement,
            settled => panic!("{settled:?}"),
        };
        let b = later(one.settle(vec![Settlement::new(b, ok())]).await);
        let c = later(two.settle(vec![Settlement::new(c, ok())]).await);
        assert_eq!(bench.steps(run).await, ["0 completed", "1 running", "2 running"]);
        drop(lock);

        let (b, c) = tokio::join!(one.settle_one(b), two.settle_one(c));
        assert!(matches!(b, Settled::Landed { .. }) && matches!(c, Settled::Landed { .. }));
        assert_eq!(bench.steps(run).await, ["0 completed", "1 completed", "2 completed", "3 ready"]);
        one.land(one.take("d").await, ok()).await;
        assert_eq!(bench.status(run).await, "completed");
        bench.check_quiet().await;
    })
    .await;
}

#[tokio::test]
async fn rule_01_two_last_branches_that_wait_for_one_lock_make_one_successor() {
    Bench::run(async |bench| {
        let run = bench.submit().await;
        let (one, two) = (bench.hand().await, bench.hand().await);
        one.land(one.take("a").await, ok()).await;
        let (b, c) = (one.take("b").await, two.take("c").await);
        // Skipped twice, a result waits: both stand before the lock when it opens.
        let lock = bench.lock(&format!("SELECT 1 FROM pipeline_runs WHERE id = '{run}'")).await;
        let (b, c) = (Settlement::new(b, ok()), Settlement::new(c, ok()));
        let release = async {
            bench.blocked(2).await;
            drop(lock);
        };
        let (b, c, ()) = tokio::join!(one.settle_one(b), two.settle_one(c), release);
        assert!(matches!(b, Settled::Landed { .. }) && matches!(c, Settled::Landed { .. }));
        assert_eq!(bench.steps(run).await, ["0 completed", "1 completed", "2 completed", "3 ready"]);
    })
    .await;
}

#[tokio::test]
async fn two_branches_in_one_group_make_one_successor_which_takes_one_slot() {
    Bench::run(async |bench| {
        let run = bench.submit().await;
        let hand = bench.hand().await.taking_over();
        let b = hand.land(hand.take("a").await, ok()).await.expect("a branch is handed over");
        let c = hand.take(if b.shape().name == "b" { "c" } else { "b" }).await;
        let settled = hand.settle(vec![Settlement::new(b, ok()), Settlement::new(c, ok())]).await;
        let next: Vec<_> = settled
            .into_iter()
            .filter_map(|settled| match settled {
                Settled::Landed { next } => next,
                settled => panic!("{settled:?}"),
            })
            .collect();
        assert_eq!(next.len(), 1);
        assert_eq!((next[0].shape().name, next[0].epoch()), ("d", 1));
        assert!(next[0].need(1).is_some() && next[0].need(2).is_some());
        assert_eq!(bench.steps(run).await[3], "3 running");
    })
    .await;
}

/// How others do it: each branch looks, in one statement with its own end, whether the other is unfinished.
#[tokio::test]
async fn rule_01_the_lossy_one_statement_fan_in_is_caught() {
    TestDatabase::run_unchecked(async |db: &TestDatabase| {
        let bench_run = async |bench: &Bench<'_>| {
            let run = bench.submit().await;
            let hand = bench.hand().await;
            hand.land(hand.take("a").await, ok()).await;
            hand.claim(2).await;
            run
        };
        let bench = Bench::at(db).await;
        let run = bench_run(&bench).await;
        let (mut one, mut two) = (db.owner().await, db.owner().await);
        for (owner, stage, other) in [(&mut one, 1, 2), (&mut two, 2, 1)] {
            owner
                .run(&format!(
                    "BEGIN;
                     WITH mine AS (UPDATE pipeline_steps SET status = 'completed', output = '{{}}', worker_id = NULL, ended_at = now()
                                   WHERE run_id = '{run}' AND stage = {stage} RETURNING *)
                     INSERT INTO pipeline_steps (run_id, stage, kind, org_id, lane, fair_rank, status, deadline_at, timeout_ms, max_attempts)
                     SELECT run_id, 3, 'diamond@1/d', org_id, lane, fair_rank, 'ready', deadline_at, timeout_ms, max_attempts FROM mine
                     WHERE NOT EXISTS (SELECT 1 FROM pipeline_steps o WHERE o.run_id = '{run}' AND o.stage = {other} AND o.status <> 'completed')"
                ))
                .await;
        }
        for (owner, bit) in [(&mut one, 2), (&mut two, 4)] {
            owner.run(&format!("UPDATE pipeline_runs SET done = done | {bit} WHERE id = '{run}'; COMMIT")).await;
        }
        let report = check::report(db, Scope::Live, &[&DIAMOND]).await;
        let broken: Vec<&str> = report.violations.iter().map(|violation| violation.rule).collect();
        assert!(broken.contains(&"no_successor_is_lost") && broken.contains(&"live_run_has_work"), "{broken:?}");
    })
    .await;
}
