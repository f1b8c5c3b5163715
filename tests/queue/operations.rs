//! Operations: each item once, whoever carries them out and however often that one dies; a canary; an abort that is done when it
//! returns.

use hellosales_core::operation::create::{self, NewOperation, Targets};
use hellosales_core::operation::execute::{self, Advanced, Means};
use hellosales_core::operation::read::{self, Ends, Operation};
use hellosales_core::operation::{self, Aborted, Kind, MAX_ITEMS, OperationStatus, Options};
use hellosales_core::pulse::filter::Filter;
use hellosales_core::queue::redrive;
use hellosales_core::{Database, DeadLetterId, OperationId, Role, RunId};

use super::bench::{Bench, DIAMOND, Hand};
use super::ends::{failed, ok};
use crate::harness::database::pools;
use crate::harness::proxy::Proxy;

const MEANS: Means<'static> = Means { stage_timeout_ms: 30_000, pipelines: &[&DIAMOND] };

/// So many diamonds that failed at b.
async fn failed_runs(bench: &Bench<'_>, hand: &Hand, n: usize) -> Vec<RunId> {
    let mut runs = Vec::new();
    for _ in 0..n {
        runs.push(bench.submit().await);
        hand.land(hand.take("a").await, ok()).await;
        hand.land(hand.take("b").await, failed()).await;
    }
    runs
}

fn new<'a>(id: OperationId, kind: Kind, targets: Targets<'a>, options: &'a Options) -> NewOperation<'a> {
    NewOperation {
        id,
        org_id: None,
        kind,
        targets,
        actor: "operator:ana",
        user: None,
        reason: Some("INC-81"),
        options,
        rate_per_s: None,
        canary: 0,
        max: MAX_ITEMS,
    }
}

async fn make(bench: &Bench<'_>, kind: Kind, canary: i32) -> (OperationId, Option<i32>) {
    let (id, filter, options) = (OperationId::new(), Filter::default(), Options::default());
    let new = NewOperation { canary, ..new(id, kind, Targets::Letters(&filter), &options) };
    (id, create::create(&bench.db.pools(Role::Operator), &new).await.expect("an answer"))
}

async fn look(bench: &Bench<'_>, id: OperationId) -> (Operation, Ends) {
    read::look(&bench.db.pools(Role::Operator), id).await.expect("an answer").expect("an operation")
}

/// Carries out until nothing is due.
async fn carry_out(db: &Database) {
    while !matches!(execute::advance(db, &MEANS).await.expect("an answer").0, Advanced::Idle(_)) {}
}

#[tokio::test]
async fn each_item_is_redriven_once_though_answers_are_lost_and_two_carry_it_out() {
    Bench::run(async |bench| {
        let hand = bench.hand().await;
        let runs = failed_runs(bench, &hand, 6).await;
        let (id, total) = make(bench, Kind::Redrive, 0).await;
        assert_eq!(total, Some(6));
        let proxy = Proxy::start(&bench.db.url).await;
        let behind = pools(&proxy.url(&bench.db.url), Role::Worker);
        proxy.control().swallow_answer("COMMIT");
        assert!(execute::advance(&behind, &MEANS).await.is_err() && proxy.control().has_swallowed());
        tokio::join!(carry_out(&behind), carry_out(&hand.db));
        carry_out(&hand.db).await;
        let (op, ends) = look(bench, id).await;
        assert_eq!((op.status.as_str(), op.done, op.ok, op.failed), ("done", 6, 6, 0));
        assert_eq!(ends.live, 6);
        for run in &runs {
            let generation: i32 = bench.value(&format!("SELECT generation FROM pipeline_runs WHERE id = '{run}'")).await;
            assert_eq!(generation, 2);
        }
        let written: i64 = bench
            .value(&format!("SELECT count(*) FROM audit_log WHERE action = 'dead_letter.redrive' AND details ->> 'operation' = '{id}'"))
            .await;
        assert_eq!(written, 6);
        for (n, _) in runs.iter().enumerate() {
            hand.land(hand.take("b").await, if n == 0 { failed() } else { ok() }).await;
        }
        let (_, ends) = look(bench, id).await;
        assert_eq!((ends.live, ends.failed), (5, 1));
    })
    .await;
}

#[tokio::test]
async fn the_rest_goes_only_if_the_first_few_all_complete() {
    Bench::run(async |bench| {
        let hand = bench.hand().await;
        failed_runs(bench, &hand, 5).await;
        let (id, _) = make(bench, Kind::Redrive, 2).await;
        let due = || bench.sql("UPDATE ops SET next_at = now()");
        let finish = async || {
            for stage in ["b", "c", "d"] {
                hand.land(hand.take(stage).await, ok()).await;
            }
        };
        carry_out(&hand.db).await;
        finish().await;
        due().await;
        carry_out(&hand.db).await;
        assert_eq!(
            (look(bench, id).await.0.status.as_str(), look(bench, id).await.0.ok),
            ("canary", 2),
            "one is on its way"
        );
        finish().await;
        due().await;
        carry_out(&hand.db).await;
        let (op, ends) = look(bench, id).await;
        assert_eq!((op.status.as_str(), op.ok, ends.canary_completed), ("done", 5, 2));

        failed_runs(bench, &hand, 3).await;
        for _ in 0..3 {
            hand.land(hand.take("b").await, failed()).await;
        }
        let (id, total) = make(bench, Kind::Redrive, 1).await;
        assert_eq!(total, Some(6));
        carry_out(&hand.db).await;
        hand.land(hand.take("b").await, failed()).await;
        due().await;
        carry_out(&hand.db).await;
        let (op, _) = look(bench, id).await;
        assert_eq!((op.status.as_str(), op.done), ("failed", 1));
        assert!(op.status_reason.is_some_and(|why| why.contains("1 of 1")));
    })
    .await;
}

#[tokio::test]
async fn after_an_abort_nothing_more_is_done_and_what_is_done_stands() {
    Bench::run(async |bench| {
        let hand = bench.hand().await;
        failed_runs(bench, &hand, 3).await;
        let (id, _) = make(bench, Kind::Resolve, 0).await;
        assert_eq!(execute::advance(&hand.db, &MEANS).await.expect("an answer").0, Advanced::Moved(id));
        let operator = bench.db.pools(Role::Operator);
        let abort = || operation::abort(&operator, None, id, "operator:bea", Some("wrong ones"));
        assert_eq!(abort().await.expect("an answer"), Aborted::Now);
        assert_eq!(abort().await.expect("an answer"), Aborted::Ended(OperationStatus::Aborted));
        carry_out(&hand.db).await;
        let (op, _) = look(bench, id).await;
        assert_eq!((op.status.as_str(), op.done, op.ended_by_actor.as_deref()), ("aborted", 1, Some("operator:bea")));
        let open: i64 = bench.value("SELECT count(*) FROM dead_letter_queue WHERE status = 'pending'").await;
        assert_eq!(open, 2);
        assert_eq!(
            operation::abort(&operator, None, OperationId::new(), "x", None).await.expect("an answer"),
            Aborted::NotFound
        );
    })
    .await;
}

#[tokio::test]
async fn what_stands_otherwise_by_then_is_refused_and_told() {
    Bench::run(async |bench| {
        let hand = bench.hand().await;
        let runs = failed_runs(bench, &hand, 2).await;
        let (id, _) = make(bench, Kind::Redrive, 0).await;
        redrive::resume(&bench.api, bench.org, runs[0], "bea").await.expect("an answer");
        carry_out(&hand.db).await;
        let (op, _) = look(bench, id).await;
        assert_eq!((op.status.as_str(), op.ok, op.failed), ("done", 1, 1));
        let mut tx = hand.db.begin().await.expect("a transaction");
        let troubled = read::troubled(&mut tx, id, 10).await.expect("an answer");
        assert!(
            troubled
                .iter()
                .any(|item| item.run_id == runs[0] && item.error.as_deref().is_some_and(|e| e.contains("redriven")))
        );
        let (_, nobody) = make(bench, Kind::Redrive, 0).await;
        assert_eq!(nobody, None, "nobody is meant: there is no operation");
    })
    .await;
}

#[tokio::test]
async fn a_rate_is_kept_and_an_item_that_is_held_goes_behind_the_others() {
    Bench::run(async |bench| {
        let hand = bench.hand().await;
        let runs = failed_runs(bench, &hand, 2).await;
        let letters: Vec<DeadLetterId> = bench.column("SELECT id FROM dead_letter_queue ORDER BY id").await;
        let (id, options) = (OperationId::new(), Options::default());
        let new =
            NewOperation { rate_per_s: Some(0.01), ..new(id, Kind::Abandon, Targets::LetterIds(&letters), &options) };
        create::create(&bench.db.pools(Role::Operator), &new).await.expect("an answer");
        let holder = bench.lock(&format!("SELECT 1 FROM pipeline_runs WHERE id = '{}'", runs[0])).await;
        carry_out(&hand.db).await;
        drop(holder);
        let (op, _) = look(bench, id).await;
        assert_eq!((op.status.as_str(), op.ok), ("running", 1), "one of them, and then it waits for its time");
        let first: String = bench.value("SELECT status FROM op_items WHERE n = 0").await;
        assert_eq!(first, "pending");
        bench.sql("UPDATE ops SET next_at = now()").await;
        carry_out(&hand.db).await;
        assert_eq!(look(bench, id).await.0.ok, 2);
    })
    .await;
}

#[tokio::test]
async fn runs_are_cancelled_by_the_hundred_too() {
    Bench::run(async |bench| {
        let hand = bench.hand().await;
        let mut runs = failed_runs(bench, &hand, 1).await;
        for _ in 0..4 {
            runs.push(bench.submit().await);
        }
        let (id, options) = (OperationId::new(), Options::default());
        let new = new(id, Kind::Cancel, Targets::Runs(&runs, None), &options);
        create::create(&bench.db.pools(Role::Operator), &new).await.expect("an answer");
        carry_out(&hand.db).await;
        let (op, _) = look(bench, id).await;
        assert_eq!((op.status.as_str(), op.ok, op.failed), ("done", 4, 1), "what has ended is refused");
        let cancelled: i64 = bench
            .value("SELECT count(*) FROM pipeline_runs WHERE status = 'cancelled' AND status_reason = 'operator'")
            .await;
        assert_eq!(cancelled, 4);
    })
    .await;
}
