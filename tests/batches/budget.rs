//! What a batch may cost.

use serde_json::json;

use super::desk::Desk;

const KEPT: &str = "SELECT bool_and(spent_cents + reserved_cents <= max_cost_cents) FROM batch_budgets";

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_pauses_for_its_budget_never_passes_it_and_goes_on_with_a_higher_one() {
    Desk::run(async |desk: &Desk<'_>| {
        let clients = desk.clients(10).await;
        let first = desk.submit(&clients[..1], json!({"max_cost_cents": 50})).await;
        let _worker = desk.app.worker().await;
        desk.until(first, "completed").await;
        let cost = desk.batch(first).await["cost_cents"].as_f64().expect("a cost");
        // A call reserves the longest answer, which is many times what one costs: some are written before that doesn't reach.
        let most = desk.value::<f64>("SELECT reserved_cents::float8 FROM provider_calls").await;
        let max = most + cost * 3.5;
        let batch = desk.submit(&clients, json!({"max_cost_cents": max})).await;
        desk.until(batch, "paused").await;
        let shown = desk.batch(batch).await;
        assert_eq!(shown["waiting"]["reason"], "budget", "{shown}");
        let done = desk.items(batch).await[2];
        assert!((1..10).contains(&done), "{done} were written for {max} cents");
        assert!(shown["cost_cents"].as_f64() <= Some(max), "{shown}");
        assert!(desk.value::<bool>(KEPT).await);

        // What waits for money isn't being written.
        desk.until_true("SELECT NOT EXISTS (SELECT 1 FROM pipeline_steps WHERE status = 'running')").await;
        let (counts, done) = (desk.batch(batch).await["counts"].clone(), desk.items(batch).await[2]);
        assert_eq!((&counts["running"], &counts["queued"]), (&json!(0), &json!(10 - done)), "{counts}");
        let queued = desk.ana.get(&format!("/email-batches/{batch}/results?status=queued")).await.expect(200);
        assert_eq!(queued["total"], json!(10 - done));

        // Resumed as it is, it is paused again.
        desk.tell(batch, "resume").await.expect(200);
        desk.until_true(&format!(
            "SELECT status = 'paused' AND waiting IS NOT NULL FROM email_batches WHERE id = '{batch}'"
        ))
        .await;
        assert!((done..10).contains(&desk.items(batch).await[2]));
        assert!(desk.value::<bool>(KEPT).await);
        desk.ana.patch(&format!("/email-batches/{batch}"), "*", &json!({"max_cost_cents": 5})).await.expect(200);
        desk.tell(batch, "resume").await.expect(200);
        desk.until(batch, "completed").await;
        assert_eq!(desk.items(batch).await, [0, 0, 10, 0, 0]);
        assert_eq!(desk.asked().await, 11, "what the budget refused was never sent");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_raised_while_a_call_was_refused_for_it_pauses_nothing() {
    use hellosales_core::queue::batch::{Changed, pause_for_budget};
    use rust_decimal::Decimal;

    Desk::run(async |desk: &Desk<'_>| {
        let clients = desk.clients(2).await;
        let batch = desk.submit(&clients, json!({"max_cost_cents": 0.01})).await;
        let db = desk.worker_pools();
        let pause = async || pause_for_budget(&db, desk.org, batch, Decimal::new(2, 2)).await.expect("an answer").0;
        // A worker was refused 0.02 cents; before it says so, somebody raises the maximum.
        desk.ana.patch(&format!("/email-batches/{batch}"), "*", &json!({"max_cost_cents": 0.02})).await.expect(200);
        assert_eq!(pause().await, Changed::Before);
        assert_eq!(desk.batch(batch).await["status"], "running");
        desk.sql(&format!("UPDATE batch_budgets SET spent_cents = 0.01 WHERE batch_id = '{batch}'")).await;
        assert_eq!(pause().await, Changed::Now);
        assert_eq!(desk.batch(batch).await["status"], "paused");
        desk.sql(&format!("UPDATE batch_budgets SET spent_cents = 0 WHERE batch_id = '{batch}'")).await;
        desk.tell(batch, "cancel").await.expect(200);
    })
    .await;
}
