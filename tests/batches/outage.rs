//! A provider that is down for a while, under a batch and a conversation, with workers that die meanwhile.

use chrono::{DateTime, Duration, Utc};
use serde_json::json;

use super::desk::Desk;

const CLIENTS: usize = 40;
/// Of so many, this few come in the second after a provider is back.
const AT_FIRST: usize = 24;

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_costs_no_run_that_has_time_left_and_ends_without_a_herd() {
    Desk::run(async |desk: &Desk<'_>| {
        let clients = desk.clients(CLIENTS).await;
        desk.app.control(&json!({"status": 503})).await;
        let _stays = desk.app.worker().await;
        let doomed = desk.app.worker().await;
        let batch = desk.submit(&clients, json!({})).await;
        let session = desk.ana.post("/chat/sessions", &json!({})).await.expect(201);
        let path = format!("/chat/sessions/{}/messages", session["id"].as_str().expect("an id"));
        desk.ana.post(&path, &json!({"message": "How do I open the call?"})).await.expect(202);

        desk.until_true("SELECT EXISTS (SELECT 1 FROM breakers WHERE status = 'open')").await;
        let waiting = "SELECT count(*) FROM pipeline_steps WHERE delay_reason = 'provider_down'";
        desk.until_true(&format!("SELECT ({waiting}) >= 20")).await;
        desk.until_true(
            "SELECT EXISTS (SELECT 1 FROM pipeline_steps WHERE delay_reason = 'provider_down' AND lane = 0)",
        )
        .await;
        doomed.kill().await;
        let probes =
            "SELECT count(*) FROM provider_calls WHERE probe IS NOT NULL AND NOT success AND completed_at IS NOT NULL";
        desk.until_true(&format!("SELECT ({probes}) >= 2")).await;
        desk.app.back_to_normal().await;

        desk.until(batch, "completed").await;
        desk.until_true("SELECT NOT EXISTS (SELECT 1 FROM pipeline_runs WHERE completed_at IS NULL)").await;
        assert_eq!(desk.value::<i64>("SELECT count(*) FROM dead_letter_queue").await, 0);
        let completed =
            "SELECT count(*) FROM pipeline_runs WHERE status = 'completed' AND pipeline IN ('email', 'chat')";
        assert_eq!(desk.value::<i64>(completed).await, i64::try_from(CLIENTS).expect("few") + 1);
        // Nobody but probes was called while it was open: that is a rule. And those who waited did not come as one.
        let back: DateTime<Utc> = desk.value("SELECT max(closed_at) FROM breaker_events").await;
        let log = desk.app.provider_log().await;
        let at = |entry: &serde_json::Value| -> DateTime<Utc> {
            entry["at"].as_str().expect("a time").parse().expect("a time")
        };
        let at_first = log.iter().filter(|entry| (back..back + Duration::seconds(1)).contains(&at(entry))).count();
        assert!(at_first <= AT_FIRST, "{at_first} in the first second");
    })
    .await;
}
