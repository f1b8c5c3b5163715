//! Generic plans made while the tables are empty must be good when they are full (`protocol.md` 10).
//!
//! The statements are the product's own: each pool prepares them on empty tables, as a process does that starts
//! before its first run, and the server says how many rows they then read.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hellosales_core::provider_call::{self, Closed, NewCall, Opened};
use hellosales_core::queue::claim::ClaimRequest;
use hellosales_core::queue::{ClaimedStep, End, Settlement, promote, reap};
use hellosales_core::{BatchId, Database, DatabaseConfig, Role};

use super::bench::{Bench, Hand};
use super::budget::{COST, call, end};
use super::ends::{ok, retry};

const RUNS: i64 = 20_000;

/// Many runs wait, in all states; the planner's statistics are still those of empty tables.
async fn fill(bench: &Bench<'_>) {
    bench
        .sql(&format!(
            "ALTER TABLE pipeline_runs SET (autovacuum_enabled = off);
             ALTER TABLE pipeline_steps SET (autovacuum_enabled = off);
             INSERT INTO pipeline_runs (id, org_id, service, topology, behavior, pipeline, pipeline_version, lane, fair_rank, input, stream, made)
             SELECT gen_random_uuid(), '{org}', 'diamond', 'diamond@1', 'standard', 'diamond', 1, 1, n, '{{}}', false, 1
             FROM generate_series(1, {RUNS}) n;
             INSERT INTO pipeline_steps (run_id, stage, kind, org_id, lane, fair_rank, status, available_at, delay_reason, deadline_at, timeout_ms,
               max_attempts)
             SELECT id, 0, 'diamond@1/a', org_id, lane, fair_rank, CASE WHEN fair_rank % 2 = 0 THEN 'ready' ELSE 'delayed' END,
               CASE WHEN fair_rank % 2 = 1 THEN now() - interval '1 second' END, CASE WHEN fair_rank % 2 = 1 THEN 'backoff' END,
               now() + interval '1 hour', 1000, 3
             FROM pipeline_runs WHERE id NOT IN (SELECT run_id FROM pipeline_steps);
             ALTER TABLE provider_calls_default SET (autovacuum_enabled = off);
             INSERT INTO provider_calls (id, org_id, service, operation, provider, pipeline_run_id, stage, attempt, lease_token, cost_cents,
               tokens_in, tokens_out, completed_at)
             SELECT gen_random_uuid(), org_id, 'diamond', 'llm', 'simulator', id, 0, 1, id, 0, 0, 0, now() FROM pipeline_runs",
            org = bench.org
        ))
        .await;
}

/// Opens a call for each step, and closes them, in groups.
async fn call_all(bench: &Bench<'_>, hand: &Hand, steps: &[ClaimedStep]) {
    let first = steps.iter().filter(|step| step.stage() == 0);
    let calls: Vec<NewCall> = first.map(|step| call(bench, step, BatchId::new())).collect();
    let opened = provider_call::open_group(&hand.db, &calls.iter().collect::<Vec<_>>()).await.expect("an answer");
    assert!(opened.iter().all(|opened| *opened == Opened::Open));
    let cost = end(COST);
    let closing: Vec<_> = calls.iter().map(|call| (call.id, &cost)).collect();
    let closed = provider_call::close_group(&hand.db, &closing).await.expect("an answer");
    assert!(closed.iter().all(|closed| *closed == Closed::Now));
}

/// Rows of the queue's two tables, and of the ledger, that were read so far, by scanning them and by looking them up. A backend tells
/// once a second, unless it is asked; each pool has one connection here.
async fn rows_read(bench: &Bench<'_>, hand: &Hand) -> i64 {
    for pool in [hand.db.fast(), hand.db.durable()] {
        assert_eq!(pool.size(), 1);
        sqlx::query("SELECT pg_stat_force_next_flush()").execute(pool).await.expect("its numbers");
    }
    bench
        .value(
            "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint FROM pg_stat_user_tables
             WHERE relname IN ('pipeline_runs', 'pipeline_steps', 'provider_calls_default')",
        )
        .await
}

#[tokio::test]
async fn plans_made_on_empty_tables_read_few_rows_of_full_ones() {
    Bench::run(async |bench| {
        let mut hand = bench.hand().await;
        let mut config = DatabaseConfig::new(bench.db.url.clone().into(), "hellosales test");
        config.max_connections = 1;
        hand.db = Database::new(&config, Role::Worker).expect("a database URL");
        // A process's first seconds: everything is prepared, on one connection of each pool, and finds next to nothing.
        bench.submit().await;
        for how in [retry(), ok()] {
            bench.sql("UPDATE pipeline_steps SET available_at = now() WHERE status = 'delayed'").await;
            promote::promote(&hand.db).await.expect("a promotion");
            let a = hand.take("a").await;
            call_all(bench, &hand, std::slice::from_ref(&a)).await;
            hand.land(a, how).await;
        }
        hand.settle(hand.claim(2).await.into_iter().map(|step| Settlement::new(step, End::GiveBack)).collect()).await;
        reap::reap(&hand.db, hand.worker).await.expect("a reap");
        fill(bench).await;
        // What filling them has read is not a statement's.
        bench.sql("SELECT pg_stat_force_next_flush()").await;

        let started = Instant::now();
        let mut spent = Vec::new();
        let mut read = rows_read(bench, &hand).await;
        let mut step = async |name: &'static str, bound: i64| {
            let now = rows_read(bench, &hand).await;
            spent.push((name, now - read, bound));
            read = now;
        };
        let others = ClaimRequest { except: [Arc::from([bench.org]), Arc::default()], ..hand.request(100) };
        assert!(hand.try_claim(&others).await.expect("a claim").is_empty());
        step("claim of others", 5_000).await;
        let claimed = hand.claim(100).await;
        assert_eq!(claimed.len(), 100);
        step("claim", 1_000).await;
        call_all(bench, &hand, &claimed).await;
        step("ledger", 2_000).await;
        let (settle, keep): (Vec<_>, Vec<_>) = claimed.into_iter().enumerate().partition(|(n, _)| n % 2 == 0);
        hand.settle(settle.into_iter().map(|(_, step)| Settlement::new(step, ok())).collect()).await;
        step("settle", 1_000).await;
        assert_eq!(promote::promote(&hand.db).await.expect("a promotion").count, 500);
        step("promote", 2_000).await;
        bench.expire(&hand).await;
        assert_eq!(reap::reap(&hand.db, hand.worker).await.expect("a reap").steps.len(), keep.len());
        step("reap", 500).await;
        for (name, read, bound) in &spent {
            assert!(read <= bound, "{name} read {read} rows of {RUNS} runs: {spent:?}");
        }
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
        bench.sql("DELETE FROM pipeline_steps; DELETE FROM pipeline_runs; DELETE FROM run_stream; DELETE FROM pipeline_events; DELETE FROM provider_calls").await;
    })
    .await;
}
