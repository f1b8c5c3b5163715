//! Pause, cancel, retry, while workers work.

use hellosales_core::queue::batch::Looked;
use serde_json::json;

use super::desk::{AT_ONCE, Desk};

const PERIOD: &str = "SELECT NOT EXISTS (SELECT 1 FROM pipeline_steps WHERE status = 'running')";

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_batch_begins_nothing_new_and_goes_on_where_it_stood() {
    Desk::run(async |desk: &Desk<'_>| {
        let clients = desk.clients(12).await;
        desk.app.control(&json!({"hold_after_tokens": 3})).await;
        let batch = desk.submit(&clients, json!({})).await;
        let _worker = desk.app.worker().await;
        desk.app.held(AT_ONCE).await;
        desk.tell(batch, "pause").await.expect(200);
        desk.app.back_to_normal().await;
        desk.until_true(PERIOD).await;
        // Somebody else's batch of the same organisation goes on meanwhile, so the worker does look for work.
        let other = desk.submit(&clients[..2], json!({})).await;
        desk.until(other, "completed").await;
        assert_eq!(desk.asked().await, AT_ONCE + 2);
        assert_eq!(desk.batch(batch).await["status"], "paused");
        desk.tell(batch, "resume").await.expect(200);
        desk.until(batch, "completed").await;
        assert_eq!(desk.items(batch).await, [0, 0, 12, 0, 0]);
        assert_eq!(desk.asked().await, 12 + 2, "no stage ran twice");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_batch_ends_all_of_it_and_the_providers_streams_stop() {
    Desk::run(async |desk: &Desk<'_>| {
        let clients = desk.clients(300).await;
        desk.app.control(&json!({"hold_after_tokens": 3})).await;
        let batch = desk.submit(&clients, json!({})).await;
        let _worker = desk.app.worker().await;
        desk.app.held(AT_ONCE).await;
        assert_eq!(desk.tell(batch, "cancel").await.expect(200)["status"], "cancelling");
        desk.until(batch, "cancelled").await;
        assert_eq!(desk.items(batch).await, [0, 0, 0, 0, 300]);
        desk.app.held(0).await;
        desk.until_true("SELECT NOT EXISTS (SELECT 1 FROM provider_calls WHERE completed_at IS NULL)").await;
        let log = desk.app.provider_log().await;
        assert_eq!(log.len(), AT_ONCE, "what waited was never asked");
        assert!(log.iter().all(|asked| asked["end"] == "hung_up"), "{log:?}");
        assert_eq!(desk.tell(batch, "cancel").await.expect(200)["status"], "cancelled");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_batch_reads_so_at_once_and_its_rows_follow_group_by_group() {
    Desk::run(async |desk: &Desk<'_>| {
        let clients = desk.clients(6_000).await;
        let batch = desk.submit(&clients, json!({})).await;
        let admitter = desk.worker_pools();
        desk.admit(&admitter).await;
        let shown = desk.tell(batch, "cancel").await.expect(200);
        assert_eq!(shown["status"], "cancelling");
        let counts = &shown["counts"];
        assert_eq!((&counts["queued"], &counts["cancelled"]), (&json!(256), &json!(5_744)), "{counts}");
        let waited =
            desk.ana.get(&format!("/email-batches/{batch}/results?status=cancelled&limit=1")).await.expect(200);
        assert_eq!((&waited["total"], &waited["data"][0]["status"]), (&json!(5_744), &json!("cancelled")));
        assert_eq!(desk.items(batch).await, [5_744, 256, 0, 0, 0], "no row was touched");
        // What is live goes first.
        let mut moved = Vec::new();
        while let Looked::At { moved: some, .. } = desk.admit(&admitter).await {
            moved.push(some);
        }
        assert_eq!(moved, [256, 5_000, 744]);
        assert_eq!(desk.items(batch).await, [0, 0, 0, 0, 6_000]);
        desk.admit_all(&admitter).await;
        assert_eq!(desk.batch(batch).await["status"], "cancelled");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_in_a_cancelled_batch_stays_so_and_its_dead_letters_are_closed() {
    Desk::run(async |desk: &Desk<'_>| {
        let clients = desk.clients(5).await;
        desk.app.control(&json!({"status": 400, "requests": 2})).await;
        let batch = desk.submit(&clients, json!({})).await;
        let worker = desk.app.worker().await;
        desk.until(batch, "completed").await;
        worker.drain().await;
        let failed = desk.runs(batch, "failed").await;
        desk.tell(batch, "retry-failed").await.expect(200);
        let counts = desk.tell(batch, "cancel").await.expect(200)["counts"].clone();
        assert_eq!((&counts["queued"], &counts["failed"], &counts["cancelled"]), (&json!(0), &json!(2), &json!(0)));
        let items = desk.ana.get(&format!("/email-batches/{batch}/results?status=failed")).await.expect(200);
        assert_eq!(items["total"], 2);
        assert_eq!(items["data"][0]["error"]["code"], "PROVIDER_INVALID_REQUEST", "{items}");
        desk.admit_all(&desk.worker_pools()).await;
        assert_eq!(desk.batch(batch).await["status"], "cancelled");
        assert_eq!(desk.items(batch).await, [0, 0, 3, 2, 0]);
        let letters =
            "SELECT concat_ws(' ', status, resolution, count(*)) FROM dead_letter_queue GROUP BY status, resolution";
        assert_eq!(desk.column::<String>(letters).await, ["resolved wont_fix 2"]);
        assert_eq!(desk.ana.post(&format!("/runs/{}/retry", failed[0]), &json!({})).await.status.as_u16(), 409);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_whose_failed_run_was_pruned_is_written_by_a_new_run() {
    Desk::run(async |desk: &Desk<'_>| {
        let clients = desk.clients(4).await;
        desk.app.control(&json!({"status": 400, "requests": 2})).await;
        let batch = desk.submit(&clients, json!({})).await;
        let _worker = desk.app.worker().await;
        desk.until(batch, "completed").await;
        let failed = desk.runs(batch, "failed").await;
        desk.sql(&format!(
            "DELETE FROM pipeline_steps WHERE run_id = '{0}'; DELETE FROM dead_letter_queue WHERE pipeline_run_id = '{0}';
             DELETE FROM provider_calls WHERE pipeline_run_id = '{0}'; DELETE FROM pipeline_events WHERE pipeline_run_id = '{0}';
             DELETE FROM pipeline_runs WHERE id = '{0}'",
            failed[0]
        ))
        .await;
        desk.tell(batch, "retry-failed").await.expect(200);
        desk.until(batch, "completed").await;
        assert_eq!(desk.items(batch).await, [0, 0, 4, 0, 0]);
        let again = desk.runs(batch, "completed").await;
        assert!(again.contains(&failed[1]) && !again.contains(&failed[0]), "{again:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_is_tried_again_in_a_new_round_and_what_it_had_finished_stands() {
    Desk::run(async |desk: &Desk<'_>| {
        let clients = desk.clients(5).await;
        desk.app.control(&json!({"status": 400, "requests": 2})).await;
        let batch = desk.submit(&clients, json!({})).await;
        let _worker = desk.app.worker().await;
        desk.until(batch, "completed").await;
        assert_eq!(desk.items(batch).await, [0, 0, 3, 2, 0]);
        assert_eq!(desk.batch(batch).await["outcome"], "some_failed");
        let failed = desk.runs(batch, "failed").await;
        assert_eq!(desk.tell(batch, "retry-failed").await.expect(200)["round"], 2);
        desk.until(batch, "completed").await;
        assert_eq!((desk.items(batch).await, desk.asked().await), ([0, 0, 5, 0, 0], 7));
        assert_eq!(desk.batch(batch).await["outcome"], "all_succeeded");
        let again: Vec<String> = desk
            .column(
                "SELECT DISTINCT event_data ->> 'stage' FROM pipeline_events WHERE event_type = 'stage.wide'
                 AND event_data ->> 'generation' = '2' ORDER BY 1",
            )
            .await;
        assert_eq!(again, ["llm", "output_guard", "persist"]);
        assert_eq!(desk.runs(batch, "completed").await.iter().filter(|run| failed.contains(run)).count(), 2);
        let events = format!(
            "SELECT concat_ws(' ', event_data ->> 'round', event_data ->> 'completed', event_data ->> 'failed') FROM pipeline_events
             WHERE batch_id = '{batch}' ORDER BY 1"
        );
        assert_eq!(desk.column::<String>(&events).await, ["1 3 2", "2 5 0"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_failed_run_redriven_by_itself_opens_its_batch_again() {
    Desk::run(async |desk: &Desk<'_>| {
        let clients = desk.clients(4).await;
        desk.app.control(&json!({"status": 400, "requests": 2})).await;
        let batch = desk.submit(&clients, json!({})).await;
        let _worker = desk.app.worker().await;
        desk.until(batch, "completed").await;
        let failed = desk.runs(batch, "failed").await;
        desk.ana.post(&format!("/runs/{}/retry", failed[0]), &json!({})).await.expect(202);
        desk.until_true(&format!("SELECT status = 'completed' AND round = 2 FROM email_batches WHERE id = '{batch}'"))
            .await;
        assert_eq!(desk.items(batch).await, [0, 0, 3, 1, 0]);
        assert_eq!(desk.runs(batch, "failed").await, failed[1..]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_cancelled_run_is_one_cancelled_item_and_the_rest_is_written() {
    Desk::run(async |desk: &Desk<'_>| {
        let clients = desk.clients(3).await;
        desk.app.control(&json!({"hold_after_tokens": 3})).await;
        let batch = desk.submit(&clients, json!({})).await;
        let _worker = desk.app.worker().await;
        desk.app.held(3).await;
        let runs = desk.runs(batch, "running").await;
        for _ in 0..2 {
            desk.ana.post(&format!("/runs/{}/cancel", runs[1]), &json!({})).await.expect(200);
        }
        desk.app.held(2).await;
        desk.app.back_to_normal().await;
        desk.until(batch, "completed").await;
        assert_eq!(desk.items(batch).await, [0, 0, 2, 0, 1]);
        let of = format!("SELECT status FROM batch_items WHERE batch_id = '{batch}' ORDER BY n");
        assert_eq!(desk.column::<String>(&of).await, ["completed", "cancelled", "completed"]);
        assert_eq!(desk.tell(batch, "retry-failed").await.status.as_u16(), 409, "nothing failed");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_listed_twice_gets_one_email_and_an_email_made_anew_stays_in_its_batch() {
    Desk::run(async |desk: &Desk<'_>| {
        let clients = desk.clients(3).await;
        let twice = [clients[2], clients[0], clients[2], clients[1], clients[0]];
        let batch = desk.submit(&twice, json!({})).await;
        let _worker = desk.app.worker().await;
        desk.until(batch, "completed").await;
        let to = format!("SELECT client_id FROM sales_emails WHERE batch_id = '{batch}' ORDER BY batch_n");
        assert_eq!(desk.column::<uuid::Uuid>(&to).await, [clients[2], clients[0], clients[1]]);
        assert_eq!(desk.asked().await, 3);

        let email: String = desk
            .value(&format!("SELECT email_id::text FROM sales_emails WHERE batch_id = '{batch}' AND batch_n = 0"))
            .await;
        desk.ana
            .post_once(&format!("/emails/{email}/regenerate"), &json!({"instructions": "Warmer"}))
            .await
            .expect(202);
        desk.until_true(&format!("SELECT count(*) = 2 FROM sales_emails WHERE email_id = '{email}'")).await;
        let items = desk.ana.get(&format!("/email-batches/{batch}/results")).await.expect(200);
        assert_eq!(items["data"][0]["email"]["version"], 2, "{items}");
    })
    .await;
}
