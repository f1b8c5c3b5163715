//! Two people of one company with nearly the same email: somebody should look, before any of them is sent.

use serde_json::{Value, json};

use super::desk::Desk;

/// The places of the items with something to look at.
async fn warned(desk: &Desk<'_>, batch: hellosales_core::BatchId) -> Vec<i64> {
    let found = desk.ana.get(&format!("/email-batches/{batch}/results?has_warnings=true")).await.expect(200);
    let items = found["data"].as_array().expect("a list").clone();
    for item in &items {
        assert_eq!(item["warnings"], json!([{"code": "NEAR_TWIN", "text": "Kim Lee"}]));
    }
    items.iter().map(|item| item["n"].as_i64().expect("a place")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn near_twins_of_one_company_are_warned_of_once_when_a_round_ends() {
    Desk::run(async |desk: &Desk<'_>| {
        let clients = desk.clients_of("CASE WHEN i = 1 THEN 'Globex' ELSE 'Acme' END", 5).await;
        // The same facts make the same email. The last has a name and a goal of its own.
        desk.sql("UPDATE clients SET name = 'Kim Lee' WHERE name NOT LIKE 'Person4%'").await;
        desk.sql("UPDATE clients SET goals = '[\"fewer tickets\"]', pain_points = '[\"lost mail\"]' WHERE name LIKE 'Person4%'").await;
        let _worker = desk.app.worker().await;
        let batch = desk.submit(&clients, json!({"email_type": "cold_outreach"})).await;
        desk.until(batch, "completed").await;
        assert_eq!(desk.batch(batch).await["counts"]["warnings"], 2);
        assert_eq!(warned(desk, batch).await, [2, 3]);
        let event: Value = desk.value(&format!("SELECT event_data FROM pipeline_events WHERE batch_id = '{batch}'")).await;
        assert_eq!(event["warned"], 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_is_looked_through_before_somebody_is_asked_for_a_yes_and_nobody_is_warned_of_twice() {
    Desk::run(async |desk: &Desk<'_>| {
        let clients = desk.clients_of("'Acme'", 4).await;
        desk.sql("UPDATE clients SET name = 'Kim Lee'").await;
        let batch = desk.submit(&clients, json!({"sample": 2})).await;
        let _worker = desk.app.worker().await;
        desk.until(batch, "awaiting_approval").await;
        assert_eq!(warned(desk, batch).await.len(), 1);
        desk.tell(batch, "sample").await.expect(200);
        desk.until(batch, "awaiting_approval").await;
        assert_eq!(warned(desk, batch).await.len(), 1, "the new version was looked at");
        desk.tell(batch, "approve").await.expect(200);
        desk.until(batch, "completed").await;
        assert_eq!(warned(desk, batch).await, [1, 2, 3]);
    })
    .await;
}
