//! Workers that die, or freeze and come back, in a batch that is paused, resumed, cancelled, retried.

use hellosales_core::BatchId;
use serde_json::json;

use super::desk::{AT_ONCE, Desk};
use crate::harness::proxy::Proxy;

const REAPED: &str = "SELECT count(*) FROM pipeline_steps WHERE crashes = 1";

/// How many calls were lost with their workers, once somebody has closed them.
async fn lost_calls(desk: &Desk<'_>) -> usize {
    desk.until_true("SELECT NOT EXISTS (SELECT 1 FROM provider_calls WHERE completed_at IS NULL)").await;
    let lost: i64 =
        desk.value("SELECT count(*) FROM provider_calls WHERE NOT success AND error_code NOT LIKE 'PROVIDER%'").await;
    usize::try_from(lost).expect("few")
}

/// Says it until the frozen worker, which may have held the batch when it froze, has lost its connection.
async fn tell(desk: &Desk<'_>, batch: BatchId, what: &str) {
    while desk.tell(batch, what).await.status.as_u16() != 200 {
        desk.until_true("SELECT true").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_dies_in_a_paused_batch_and_what_it_had_waits_for_the_resume() {
    Desk::run(async |desk: &Desk<'_>| {
        let clients = desk.clients(8).await;
        desk.app.control(&json!({"hold_after_tokens": 3})).await;
        let batch = desk.submit(&clients, json!({})).await;
        let doomed = desk.app.worker().await;
        desk.app.held(AT_ONCE).await;
        desk.tell(batch, "pause").await.expect(200);
        doomed.kill().await;
        desk.app.back_to_normal().await;
        let _heir = desk.app.worker().await;
        desk.until_true(&format!("SELECT ({REAPED}) = {AT_ONCE}")).await;
        let other = desk.submit(&clients[..1], json!({})).await;
        desk.until(other, "completed").await;
        assert_eq!(desk.asked().await, AT_ONCE + 1, "nothing of a paused batch is asked again");
        assert_eq!(desk.items(batch).await[2], 0);
        desk.tell(batch, "resume").await.expect(200);
        desk.until(batch, "completed").await;
        assert_eq!(desk.items(batch).await, [0, 0, 8, 0, 0]);
        assert_eq!(desk.asked().await, AT_ONCE + 8 + 1);
        assert_eq!(lost_calls(desk).await, AT_ONCE);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_freezes_in_a_batch_that_is_cancelled_and_comes_back_to_nothing() {
    Desk::run(async |desk: &Desk<'_>| {
        let clients = desk.clients(10).await;
        desk.app.control(&json!({"hold_after_tokens": 3})).await;
        let batch = desk.submit(&clients, json!({})).await;
        let proxy = Proxy::start(&desk.app.db.url).await;
        let frozen = desk.app.worker_through(&proxy.url(&desk.app.db.url)).await;
        desk.app.held(AT_ONCE).await;
        proxy.control().blackhole(true);
        tell(desk, batch, "cancel").await;
        let _heir = desk.app.worker().await;
        desk.until(batch, "cancelled").await;
        assert_eq!(desk.items(batch).await, [0, 0, 0, 0, 10]);
        // What it asked for before comes to its end while it is frozen; then it wakes up and wants to settle.
        desk.app.back_to_normal().await;
        proxy.control().blackhole(false);
        frozen.drain().await;
        lost_calls(desk).await;
        assert_eq!(desk.items(batch).await, [0, 0, 0, 0, 10]);
        assert_eq!(desk.value::<i64>("SELECT count(*) FROM sales_emails").await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_freezes_past_its_lease_in_a_batch_that_is_paused_and_resumed_meanwhile() {
    Desk::run(async |desk: &Desk<'_>| {
        let clients = desk.clients(8).await;
        desk.app.control(&json!({"hold_after_tokens": 3})).await;
        let batch = desk.submit(&clients, json!({})).await;
        let proxy = Proxy::start(&desk.app.db.url).await;
        let frozen = desk.app.worker_through(&proxy.url(&desk.app.db.url)).await;
        desk.app.held(AT_ONCE).await;
        proxy.control().blackhole(true);
        tell(desk, batch, "pause").await;
        desk.app.back_to_normal().await;
        let _heir = desk.app.worker().await;
        desk.until_true(&format!("SELECT ({REAPED}) = {AT_ONCE}")).await;
        desk.tell(batch, "resume").await.expect(200);
        desk.until(batch, "completed").await;
        proxy.control().blackhole(false);
        frozen.drain().await;
        lost_calls(desk).await;
        assert_eq!(desk.items(batch).await, [0, 0, 8, 0, 0]);
        assert_eq!(desk.value::<i64>("SELECT count(*) FROM sales_emails").await, 8);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_dies_in_a_round_of_retries() {
    Desk::run(async |desk: &Desk<'_>| {
        let clients = desk.clients(4).await;
        desk.app.control(&json!({"status": 400, "requests": 3})).await;
        let batch = desk.submit(&clients, json!({})).await;
        let doomed = desk.app.worker().await;
        desk.until(batch, "completed").await;
        assert_eq!(desk.items(batch).await, [0, 0, 1, 3, 0]);
        desk.app.control(&json!({"hold_after_tokens": 3})).await;
        desk.tell(batch, "retry-failed").await.expect(200);
        desk.app.held(3).await;
        doomed.kill().await;
        desk.app.back_to_normal().await;
        let _heir = desk.app.worker().await;
        desk.until(batch, "completed").await;
        assert_eq!(desk.items(batch).await, [0, 0, 4, 0, 0]);
        assert_eq!((desk.batch(batch).await["round"].clone(), lost_calls(desk).await), (json!(2), 3));
    })
    .await;
}
