//! A batch's budget: reserved before each call, spent by what it cost, and never passed, whatever happens.

use futures::future::join_all;
use hellosales_core::breaker::Health;
use hellosales_core::provider_call::{self, CallEnd, NewCall, Opened};
use hellosales_core::queue::ClaimedStep;
use hellosales_core::queue::submit::NewRun;
use hellosales_core::{BatchId, ProviderCallId, RunId};
use rust_decimal::Decimal;

use super::bench::{Bench, Cut, Hand, LINE};
use super::ends::ok;

/// What each call may cost, and does cost.
const MOST: Decimal = Decimal::from_parts(7, 0, 0, false, 1);
pub(super) const COST: Decimal = Decimal::from_parts(2, 0, 0, false, 1);

async fn submit(bench: &Bench<'_>, batch: BatchId, count: i32) {
    for n in 0..count {
        let run = NewRun {
            pipeline: &LINE,
            batch: Some((batch, n)),
            ..NewRun::new(RunId::new(), &Cut {}, 1, 30_000).expect("JSON")
        };
        bench.submit_run(&run).await;
    }
}

async fn budget(bench: &Bench<'_>, batch: BatchId, max: &str) {
    let org = bench.org;
    let sql = "INSERT INTO batch_budgets (batch_id, org_id, max_cost_cents) VALUES";
    bench.sql(&format!("{sql} ('{batch}', '{org}', {max})")).await;
}

pub(super) fn call(bench: &Bench<'_>, step: &ClaimedStep, batch: BatchId) -> NewCall {
    NewCall {
        id: ProviderCallId::new(),
        org_id: bench.org,
        run_id: step.run().id,
        stage: i16::try_from(step.stage()).expect("few"),
        attempt: 1,
        token: step.token(),
        service: "line",
        provider: "simulator".to_owned(),
        model_id: "m".to_owned(),
        request_id: None,
        session_id: None,
        interaction_id: None,
        user_id: None,
        prompt_messages: serde_json::json!([]),
        tokens_in: 10,
        batch_id: Some(batch),
        most_cents: MOST,
        probe: None,
        most_tokens: 20,
    }
}

pub(super) fn end(cost_cents: Decimal) -> CallEnd {
    CallEnd {
        output: "Hello".to_owned(),
        latency_ms: Some(5),
        ttft_ms: Some(1),
        tokens_in: 10,
        tokens_out: 1,
        usage_estimated: false,
        cost_cents,
        error: None,
        health: Health::Well,
    }
}

async fn stands(bench: &Bench<'_>) -> String {
    bench.value("SELECT concat_ws(' ', trim_scale(spent_cents), trim_scale(reserved_cents)) FROM batch_budgets").await
}

/// Each by a transaction of its own, all at once.
async fn open_all(hand: &Hand, calls: &[NewCall]) -> Vec<Opened> {
    let opened = calls.iter().map(async |call| provider_call::open_group(&hand.db, &[call]).await.expect("an answer"));
    join_all(opened).await.into_iter().flatten().collect()
}

#[tokio::test]
async fn sixty_four_calls_at_once_never_pass_a_budget_and_a_killed_worker_gives_back_what_it_held() {
    Bench::run(async |bench| {
        let batch = BatchId::new();
        submit(bench, batch, 64).await;
        budget(bench, batch, "7.5").await;
        let (worker, doomed) = (bench.hand().await, bench.hand().await);
        let (mine, theirs) = (worker.claim(32).await, doomed.claim(32).await);
        let of = |steps: &[ClaimedStep]| steps.iter().map(|step| call(bench, step, batch)).collect::<Vec<_>>();
        let (my_calls, their_calls) = (of(&mine), of(&theirs));

        let (my_opened, their_opened) = tokio::join!(open_all(&worker, &my_calls), open_all(&doomed, &their_calls));
        let open = |opened: &[Opened]| opened.iter().filter(|opened| **opened == Opened::Open).count();
        assert_eq!(open(&my_opened) + open(&their_opened), 10, "0.7 goes ten times into 7.5");
        let refused = Opened::OverBudget { may_come_back: true };
        assert!(my_opened.iter().chain(&their_opened).all(|opened| [Opened::Open, refused].contains(opened)));
        assert_eq!(stands(bench).await, "0 7");

        // One worker dies in mid-call; the other's calls end, in a group.
        let ended: Vec<_> = my_calls.iter().zip(&my_opened).filter(|(_, opened)| **opened == Opened::Open).collect();
        let cost = end(COST);
        let closing: Vec<_> = ended.iter().map(|(call, _)| (call.id, &cost)).collect();
        provider_call::close_group(&worker.db, &closing).await.expect("closed");
        bench.expire(&doomed).await;
        bench
            .sql(&format!(
                "UPDATE pipeline_steps SET status = 'ready', crashes = 1, worker_id = NULL, claimed_at = NULL, must_end_by = NULL,
                   lease_token = NULL WHERE worker_id = '{}'",
                doomed.worker
            ))
            .await;
        let left = provider_call::left_by(&worker.db, doomed.worker).await.expect("read");
        assert_eq!(left.len(), open(&their_opened));
        let closed = provider_call::close_orphans(&worker.db, left, |_| (0, COST)).await.expect("closed");
        assert_eq!(usize::try_from(closed).expect("few"), open(&their_opened));
        assert_eq!(stands(bench).await, "2 0");

        // What was not spent goes round again, until nothing is left that a call could need.
        let waiting = my_calls.iter().zip(&my_opened).filter(|(_, opened)| **opened != Opened::Open);
        for (call, _) in waiting {
            let again = NewCall { id: ProviderCallId::new(), ..call.clone() };
            match provider_call::open_group(&worker.db, &[&again]).await.expect("an answer")[..] {
                [Opened::Open] => assert!(provider_call::close(&worker.db, again.id, &cost).await.expect("closed")),
                [other] => assert_eq!(other, Opened::OverBudget { may_come_back: false }),
                _ => panic!("one answer"),
            }
        }
        let spent: String = stands(bench).await;
        assert!(bench.value::<bool>("SELECT spent_cents <= max_cost_cents AND reserved_cents = 0 FROM batch_budgets").await, "{spent}");
        for step in mine {
            worker.land(step, ok()).await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_closes_after_its_runs_end_is_added_to_the_item() {
    Bench::run(async |bench| {
        let batch = BatchId::new();
        submit(bench, batch, 1).await;
        budget(bench, batch, "7").await;
        let org = bench.org;
        bench
            .sql(&format!(
                "INSERT INTO batch_items (org_id, batch_id, n, client_id, status, run_id, ended_at)
                 SELECT '{org}', '{batch}', 0, gen_random_uuid(), 'completed', id, now() FROM pipeline_runs"
            ))
            .await;
        let hand = bench.hand().await;
        let write = hand.take("write").await;
        let (early, late) = (call(bench, &write, batch), call(bench, &write, batch));
        assert_eq!(provider_call::open_group(&hand.db, &[&early, &late]).await.expect("open"), [Opened::Open; 2]);
        assert!(provider_call::close(&hand.db, early.id, &end(COST)).await.expect("closed"));
        let cost = "SELECT trim_scale(cost_cents)::text FROM batch_items";
        assert_eq!(bench.value::<String>(cost).await, "0", "the run's end tells what it cost till then");
        hand.land(write, ok()).await;
        for stage in ["judge", "keep"] {
            hand.land(hand.take(stage).await, ok()).await;
        }
        assert!(provider_call::close(&hand.db, late.id, &end(COST)).await.expect("closed"));
        assert!(!provider_call::close(&hand.db, late.id, &end(COST)).await.expect("closed before"));
        let added = "SELECT i.cost_cents >= 0.2 AND r.total_cost_cents = 0.4 FROM batch_items i JOIN pipeline_runs r ON r.id = i.run_id";
        assert!(bench.value::<bool>(added).await);
        assert_eq!(stands(bench).await, "0.4 0");
    })
    .await;
}

#[tokio::test]
async fn a_group_opens_only_what_still_runs_and_closes_each_call_once() {
    Bench::run(async |bench| {
        let batch = BatchId::new();
        submit(bench, batch, 3).await;
        let hand = bench.hand().await;
        let steps = hand.claim(3).await;
        let calls: Vec<NewCall> = steps.iter().map(|step| call(bench, step, batch)).collect();
        bench
            .sql(&format!(
                "UPDATE pipeline_steps SET lease_token = gen_random_uuid() WHERE run_id = '{}'",
                steps[1].run().id
            ))
            .await;
        let all: Vec<&NewCall> = calls.iter().collect();
        let opened = provider_call::open_group(&hand.db, &all).await.expect("an answer");
        assert_eq!(opened, [Opened::Open, Opened::Lost, Opened::Open]);
        assert_eq!(bench.value::<i64>("SELECT count(*) FROM provider_calls").await, 2);

        let cost = end(COST);
        let closing: Vec<_> = calls.iter().map(|call| (call.id, &cost)).collect();
        let mut locked = bench.lock(&format!("SELECT FROM pipeline_runs WHERE id = '{}'", calls[0].run_id)).await;
        let closed = provider_call::close_group(&hand.db, &closing).await.expect("an answer");
        use provider_call::Closed;
        assert_eq!(closed, [Closed::Later, Closed::Before, Closed::Now], "nobody waits in a group");
        locked.run("ROLLBACK").await;
        let closed = provider_call::close_group(&hand.db, &closing).await.expect("an answer");
        assert_eq!(closed, [Closed::Now, Closed::Before, Closed::Before]);
        let sums: String = bench
            .value("SELECT string_agg(trim_scale(total_cost_cents)::text, ' ' ORDER BY id) FROM pipeline_runs")
            .await;
        assert_eq!(sums.matches("0.2").count(), 2, "{sums}");
    })
    .await;
}
