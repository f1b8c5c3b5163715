//! What was committed, and nobody was told.

use hellosales_core::queue::batch::{self, Changed, Looked};
use hellosales_core::{Database, Role};
use serde_json::json;

use super::desk::Desk;
use crate::harness::proxy::Proxy;

/// Does it, loses the answer, and does it again.
async fn twice<T, E: std::fmt::Debug>(proxy: &Proxy, doing: impl AsyncFn() -> Result<T, E>) -> T {
    proxy.control().swallow_answer("COMMIT");
    assert!(doing().await.is_err(), "the answer is lost");
    assert!(proxy.control().has_swallowed());
    doing().await.expect("an answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn admission_whose_answer_was_lost_has_admitted_once() {
    Desk::run(async |desk: &Desk<'_>| {
        let clients = desk.clients(5).await;
        let batch = desk.submit(&clients, json!({})).await;
        let (proxy, db) = desk.behind_proxy(Role::Worker).await;
        let looked = twice(&proxy, async || batch::admit(&db, 30_000).await).await.0;
        assert_eq!(looked, Looked::At { batch, moved: 0, more: false });
        assert_eq!(desk.items(batch).await, [0, 5, 0, 0, 0]);
        let _worker = desk.app.worker().await;
        desk.until(batch, "completed").await;
        assert_eq!(desk.asked().await, 5);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_whose_answer_was_lost_is_done_before_when_it_is_said_again() {
    Desk::run(async |desk: &Desk<'_>| {
        let clients = desk.clients(3).await;
        let batch = desk.submit(&clients, json!({"sample": 1})).await;
        let (proxy, db) = desk.behind_proxy(Role::Api).await;
        let (db, org): (&Database, _) = (&db, desk.org);
        let pause = async || batch::pause(db, org, batch, "ana").await;
        assert_eq!(twice(&proxy, pause).await.0, Changed::Before);
        let resume = async || batch::resume(db, org, batch, "ana").await;
        assert_eq!(twice(&proxy, resume).await.0, Changed::Before);
        let worker = desk.app.worker().await;
        desk.until(batch, "awaiting_approval").await;
        worker.drain().await;
        let resample = async || batch::resample(db, org, batch, "ana").await;
        assert_eq!(twice(&proxy, resample).await.0, Changed::Before);
        desk.app.control(&json!({"status": 400, "requests": 1})).await;
        let worker = desk.app.worker().await;
        desk.until(batch, "awaiting_approval").await;
        let approve = async || batch::approve(db, org, batch, "ana").await;
        assert_eq!(twice(&proxy, approve).await.0, Changed::Before);
        desk.until(batch, "completed").await;
        worker.drain().await;
        assert_eq!(desk.items(batch).await, [0, 0, 2, 1, 0]);
        let retry = async || batch::retry_failed(db, org, batch, "ana").await;
        assert_eq!(twice(&proxy, retry).await.0, Changed::Before);
        assert_eq!(desk.batch(batch).await["round"], 2);
        let cancel = async || batch::cancel(db, org, batch, "ana").await;
        assert_eq!(twice(&proxy, cancel).await.0, Changed::Before);
        let (proxy, db) = desk.behind_proxy(Role::Worker).await;
        let end = async || batch::end(&db, org, batch, 2).await;
        assert_eq!(twice(&proxy, end).await.0, Changed::Before);
        assert_eq!(desk.items(batch).await, [0, 0, 2, 1, 0]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_opening_lost_its_answer_is_made_once_and_no_attempt_has_failed() {
    Desk::run(async |desk: &Desk<'_>| {
        let proxy = Proxy::start(&desk.app.db.url).await;
        for lost in ["COMMIT", "INSERT INTO provider_calls"] {
            let gate = proxy.control().hold("INSERT INTO provider_calls");
            let _worker = desk.app.worker_through(&proxy.url(&desk.app.db.url)).await;
            let run = desk.ana.post("/emails/generate", &json!({"email_type": "follow_up"})).await.expect(202);
            gate.reached().await;
            // Once it has landed, once it has not.
            proxy.control().swallow_answer(lost);
            gate.release();
            let id = run["id"].as_str().expect("an id");
            desk.until_true(&format!("SELECT completed_at IS NOT NULL FROM pipeline_runs WHERE id = '{id}'")).await;
            let told = format!(
                "SELECT concat_ws(' ', r.status, r.stages -> 'llm' ->> 'attempts', count(c.id)) FROM pipeline_runs r
                 LEFT JOIN provider_calls c ON c.pipeline_run_id = r.id WHERE r.id = '{id}' GROUP BY r.id"
            );
            assert_eq!(desk.value::<String>(&told).await, "completed 1 1", "{lost}");
        }
        assert_eq!(desk.asked().await, 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_worker_loses_the_answers_to_its_commits_writes_each_email_once() {
    Desk::run(async |desk: &Desk<'_>| {
        let clients = desk.clients(24).await;
        let batch = desk.submit(&clients, json!({"max_cost_cents": 50})).await;
        let proxy = Proxy::start(&desk.app.db.url).await;
        let _worker = desk.app.worker_through(&proxy.url(&desk.app.db.url)).await;
        // Of a settlement, of the ledger, of admission: whoever commits next after every second email.
        for written in (0..24).step_by(2) {
            let more = "SELECT count(*) > {n} FROM sales_emails".replace("{n}", &written.to_string());
            proxy.control().swallow_answer("COMMIT");
            desk.until_true(&more).await;
        }
        desk.until(batch, "completed").await;
        assert!(proxy.control().has_swallowed());
        assert_eq!(desk.items(batch).await, [0, 0, 24, 0, 0]);
        assert_eq!(desk.value::<i64>("SELECT count(*) FROM sales_emails").await, 24);
    })
    .await;
}
