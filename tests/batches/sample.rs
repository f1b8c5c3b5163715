//! A sample, and what is said to it.

use serde_json::json;

use super::desk::Desk;

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_is_written_and_waits_then_the_rest_is_written_after_a_yes() {
    Desk::run(async |desk: &Desk<'_>| {
        let clients = desk.clients(9).await;
        let batch = desk.submit(&clients, json!({"sample": 3})).await;
        let _worker = desk.app.worker().await;
        desk.until(batch, "awaiting_approval").await;
        assert_eq!(desk.items(batch).await, [6, 0, 3, 0, 0]);
        assert_eq!(
            (desk.asked().await, desk.batch(batch).await["waiting"]["reason"].clone()),
            (3, json!("awaiting_approval"))
        );
        let events = format!("SELECT count(*) FROM pipeline_events WHERE batch_id = '{batch}'");
        assert_eq!(desk.value::<i64>(&events).await, 0, "no round is over");

        desk.tell(batch, "approve").await.expect(200);
        desk.until(batch, "completed").await;
        assert_eq!(desk.items(batch).await, [0, 0, 9, 0, 0]);
        assert_eq!((desk.asked().await, desk.value::<i64>(&events).await), (9, 1));
        assert_eq!(desk.batch(batch).await["outcome"], "all_succeeded");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_written_anew_is_the_next_version_of_the_same_emails() {
    Desk::run(async |desk: &Desk<'_>| {
        let clients = desk.clients(5).await;
        let batch = desk.submit(&clients, json!({"sample": 2, "instructions": "Short"})).await;
        let _worker = desk.app.worker().await;
        desk.until(batch, "awaiting_approval").await;
        let versions = format!(
            "SELECT concat_ws(' ', email_id, version, is_latest, generation_prompt) FROM sales_emails WHERE batch_id = '{batch}'
             ORDER BY batch_n, version"
        );
        let before = desk.column::<String>(&versions).await;
        assert_eq!(before.len(), 2);
        desk.ana.patch(&format!("/email-batches/{batch}"), "*", &json!({"instructions": "Warm"})).await.expect(200);
        desk.tell(batch, "sample").await.expect(200);
        desk.until(batch, "awaiting_approval").await;
        let after = desk.column::<String>(&versions).await;
        let expected: Vec<String> = before
            .iter()
            .flat_map(|row| {
                let id = row.split(' ').next().expect("an id");
                [format!("{id} 1 f Short"), format!("{id} 2 t Warm")]
            })
            .collect();
        assert_eq!(after, expected);
        assert_eq!(desk.items(batch).await, [3, 0, 2, 0, 0]);

        desk.tell(batch, "cancel").await.expect(200);
        desk.until(batch, "cancelled").await;
        assert_eq!(desk.items(batch).await, [0, 0, 2, 0, 3]);
        assert_eq!(desk.asked().await, 4);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_sample_gives_way_to_a_new_one_and_can_not_be_redriven_any_more() {
    Desk::run(async |desk: &Desk<'_>| {
        let clients = desk.clients(4).await;
        let batch = desk.submit(&clients, json!({"sample": 2})).await;
        desk.app.control(&json!({"status": 400, "requests": 1})).await;
        let _worker = desk.app.worker().await;
        desk.until(batch, "awaiting_approval").await;
        assert_eq!(desk.items(batch).await, [2, 0, 1, 1, 0]);
        let failed = desk.runs(batch, "failed").await;
        desk.tell(batch, "sample").await.expect(200);
        desk.until(batch, "awaiting_approval").await;
        assert_eq!(desk.items(batch).await, [2, 0, 2, 0, 0]);
        assert_eq!(desk.ana.post(&format!("/runs/{}/retry", failed[0]), &json!({})).await.status.as_u16(), 409);
        desk.tell(batch, "approve").await.expect(200);
        desk.until(batch, "completed").await;
        assert_eq!(desk.items(batch).await, [0, 0, 4, 0, 0]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_of_a_sample_is_tried_again_also_when_it_is_said_in_a_pause() {
    Desk::run(async |desk: &Desk<'_>| {
        let clients = desk.clients(4).await;
        let batch = desk.submit(&clients, json!({"sample": 2})).await;
        desk.app.control(&json!({"status": 400, "requests": 1})).await;
        let _worker = desk.app.worker().await;
        desk.until(batch, "awaiting_approval").await;
        desk.tell(batch, "pause").await.expect(200);
        assert_eq!(desk.tell(batch, "retry-failed").await.expect(200)["status"], "paused");
        assert_eq!(desk.items(batch).await, [3, 0, 1, 0, 0]);
        assert_eq!(desk.tell(batch, "resume").await.expect(200)["status"], "running");
        desk.until(batch, "awaiting_approval").await;
        assert_eq!(desk.items(batch).await, [2, 0, 2, 0, 0]);
        desk.tell(batch, "approve").await.expect(200);
        desk.until(batch, "completed").await;
    })
    .await;
}
