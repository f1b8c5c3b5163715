//! Carry: what follows a stage is done before that is settled, and settled with it; or it runs as a step of its own.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use hellosales_core::database::OrgTx;
use hellosales_core::queue::settle::Settled;
use hellosales_core::queue::submit::NewRun;
use hellosales_core::queue::{ClaimedStep, Effects, End, Settlement};
use hellosales_core::{DatabaseError, RunId};
use serde_json::json;

use super::bench::{Bench, Cut, Hand, LINE};
use super::ends::{Product, failed, output, retry};
use crate::harness::proxy::Proxy;

async fn submit(bench: &Bench<'_>) -> RunId {
    let run = NewRun { pipeline: &LINE, stream: true, ..NewRun::new(RunId::new(), &Cut {}, 1, 30_000).expect("JSON") };
    bench.submit_run(&run).await;
    run.id
}

/// The model's answer with all that follows it; what is kept is this.
fn whole(write: ClaimedStep, keep: Arc<dyn Effects>) -> Settlement {
    let mut settlement = Settlement::new(write, output(json!({"text": "Hello"})));
    for (name, said) in [("judge", json!({"passed": true})), ("keep", json!({"kept": 1}))] {
        let step = settlement.goes_on_with().expect("it follows");
        assert_eq!(step.shape().name, name);
        if name == "judge" {
            assert_eq!(step.need(0), Some(&json!({"text": "Hello"})), "it has what comes before, unsettled");
        }
        let mut ended = Settlement::new(step, output(said));
        if name == "keep" {
            ended = ended.with_effects(Arc::clone(&keep));
        }
        assert!(settlement.carry(ended, Duration::from_millis(3)));
    }
    assert!(settlement.goes_on_with().is_none(), "that was the last");
    settlement
}

async fn summary(bench: &Bench<'_>, run: RunId) -> String {
    let sql = "SELECT concat_ws(' ', status, done, made, result, (SELECT string_agg(k || '=' || (v->>'status'), ',' ORDER BY k)
        FROM jsonb_each(stages) AS s (k, v))) FROM pipeline_runs";
    bench.value(&format!("{sql} WHERE id = '{run}'")).await
}

const ENDED: &str = r#"completed 7 7 {"kept": 1} judge=ok,keep=ok,write=ok"#;

async fn one(hand: &Hand, settlement: Settlement) -> Settled {
    hand.settle(vec![settlement]).await.pop().expect("one answer")
}

#[tokio::test]
async fn a_run_ends_with_what_was_carried_in_one_settlement() {
    Bench::run(async |bench| {
        let run = submit(bench).await;
        let hand = bench.hand().await;
        hand.land_with(whole(hand.take("write").await, Arc::new(Product))).await;
        assert_eq!(summary(bench, run).await, ENDED);
        assert_eq!((bench.effects().await, bench.steps(run).await.len()), (1, 0));
        let wide = "SELECT concat_ws(' ', event_data->>'stage', event_data->>'status', event_data->>'carried') FROM pipeline_events
            WHERE event_type = 'stage.wide' ORDER BY event_data->>'stage_number'";
        assert_eq!(bench.column::<String>(wide).await, ["write ok", "judge ok true", "keep ok true"]);
        let told = "SELECT data->>'stage' FROM run_stream WHERE event = 'stage.completed' ORDER BY seq";
        assert_eq!(bench.column::<String>(told).await, ["write", "judge", "keep"]);
    })
    .await;
}

#[tokio::test]
async fn rule_03_what_was_carried_is_there_once_when_the_answer_to_its_commit_is_lost() {
    Bench::run(async |bench| {
        let run = submit(bench).await;
        let proxy = Proxy::start(&bench.db.url).await;
        let hand = bench.hand_through(&proxy.url(&bench.db.url)).await;
        let settlement = whole(hand.take("write").await, Arc::new(Product));
        proxy.control().swallow_answer("COMMIT");
        let Settled::Failed(settlement, _) = one(&hand, settlement).await else { panic!("the answer is lost") };
        assert!(proxy.control().has_swallowed());
        let before = bench.fingerprint().await;
        assert!(matches!(hand.settle_one(*settlement).await, Settled::LandedBefore { .. }));
        assert_eq!((bench.fingerprint().await, bench.effects().await), (before, 1));
        assert_eq!(summary(bench, run).await, ENDED);
    })
    .await;
}

#[tokio::test]
async fn rule_02_of_a_lost_step_nothing_that_was_carried_is_written() {
    Bench::run(async |bench| {
        let run = submit(bench).await;
        let (dead, heir) = (bench.hand().await, bench.hand().await);
        let late = whole(dead.take("write").await, Arc::new(Product));
        bench
            .sql(
                "UPDATE pipeline_steps SET status = 'ready', crashes = 1, worker_id = NULL, claimed_at = NULL, must_end_by = NULL,
                   lease_token = NULL",
            )
            .await;
        heir.land_with(whole(heir.take("write").await, Arc::new(Product))).await;
        let before = bench.fingerprint().await;
        assert!(matches!(dead.settle_one(late).await, Settled::Fenced));
        assert_eq!((bench.fingerprint().await, bench.effects().await), (before, 1));
        assert_eq!(summary(bench, run).await, ENDED);
    })
    .await;
}

#[tokio::test]
async fn a_stage_that_has_a_step_is_not_taken_from_it() {
    Bench::run(async |bench| {
        let run = submit(bench).await;
        let hand = bench.hand().await;
        let settlement = whole(hand.take("write").await, Arc::new(Product));
        // A redrive between the two would do as much.
        bench
            .sql(
                "INSERT INTO pipeline_steps (run_id, stage, kind, org_id, lane, fair_rank, status, deadline_at, timeout_ms, max_attempts)
                 SELECT run_id, 1, 'line@1/judge', org_id, lane, fair_rank, 'ready', deadline_at, timeout_ms, 3 FROM pipeline_steps;
                 UPDATE pipeline_runs SET made = 3",
            )
            .await;
        hand.land_with(settlement).await;
        assert_eq!(bench.steps(run).await, ["0 completed", "1 ready"]);
        assert_eq!(bench.effects().await, 0, "what follows it is not taken either");
        let mut judge = Settlement::new(hand.take("judge").await, output(json!({})));
        let keep = judge.goes_on_with().expect("keep");
        assert_eq!(keep.need(0), Some(&json!({"text": "Hello"})));
        judge.carry(Settlement::new(keep, output(json!({"kept": 1}))).with_effects(Arc::new(Product)), Duration::ZERO);
        hand.land_with(judge).await;
        assert_eq!((summary(bench, run).await, bench.effects().await), (ENDED.to_owned(), 1));
    })
    .await;
}

#[tokio::test]
async fn a_run_that_goes_on_has_what_was_carried_as_a_finished_step() {
    Bench::run(async |bench| {
        let run = submit(bench).await;
        let hand = bench.hand().await.taking_over();
        let mut settlement = Settlement::new(hand.take("write").await, output(json!({"text": "Hello"})));
        let judge = settlement.goes_on_with().expect("judge");
        assert!(
            settlement
                .carry(Settlement::new(judge, End::Skip { reason: "nothing to judge".to_owned() }), Duration::ZERO)
        );
        let next = hand.land_with(settlement).await.expect("keep is handed over");
        assert_eq!(next.shape().name, "keep");
        assert_eq!((next.need(0), next.need(1)), (Some(&json!({"text": "Hello"})), None));
        assert_eq!(bench.steps(run).await, ["0 completed", "1 skipped", "2 running"]);
        bench.check().await;
        hand.land(next, output(json!({"kept": 1}))).await;
        assert_eq!(summary(bench, run).await, r#"completed 7 7 {"kept": 1} judge=skip,keep=ok,write=ok"#);
    })
    .await;
}

#[tokio::test]
async fn only_successes_are_carried() {
    Bench::run(async |bench| {
        submit(bench).await;
        let hand = bench.hand().await;
        let write = hand.take("write").await;
        let mut settlement = Settlement::new(write, output(json!({})));
        for end in [failed(), retry(), End::GiveBack] {
            let judge = settlement.goes_on_with().expect("judge");
            assert!(!settlement.carry(Settlement::new(judge, end), Duration::ZERO));
        }
        hand.land_with(settlement).await;
        let judge = hand.take("judge").await;
        let failing = Settlement::new(judge, failed());
        assert!(failing.goes_on_with().is_none(), "after a failure nothing follows");
        hand.land_with(failing).await;
    })
    .await;
}

/// What no database takes.
struct Refused;

impl Effects for Refused {
    fn apply<'a>(&'a self, tx: &'a mut OrgTx<'_>) -> BoxFuture<'a, Result<(), DatabaseError>> {
        Box::pin(async move {
            let org = tx.org();
            sqlx::query("INSERT INTO products (id, org_id, name) VALUES (gen_random_uuid(), $1, NULL)")
                .bind(org.uuid())
                .execute(tx.connection())
                .await?;
            Ok(())
        })
    }
}

#[tokio::test]
async fn what_is_refused_of_what_was_carried_costs_its_own_stage_and_not_the_answer() {
    Bench::run(async |bench| {
        let run = submit(bench).await;
        let hand = bench.hand().await;
        hand.land_with(whole(hand.take("write").await, Arc::new(Refused))).await;
        assert_eq!(bench.steps(run).await, ["0 completed", "1 ready"], "the answer stands");
        assert_eq!(bench.status(run).await, "running");
    })
    .await;
}
