//! What a batch would be, before anything is spent.

use reqwest::StatusCode;
use serde_json::json;

use super::super::door::Door;
use super::{clients, org_of, submit};

#[tokio::test]
async fn an_estimate_counts_as_the_batch_would_and_writes_nothing() {
    Door::run(async |door| {
        let ana = door.ana();
        let ids = clients(door, &ana, 6).await;
        door.bench.sql(&format!("UPDATE clients SET is_active = false WHERE id = '{}'", ids[5])).await;
        let list = json!({"client_ids": [ids[0], ids[0], ids[1], ids[5]], "email_type": "general"});
        let estimate = ana.post("/email-batches/estimate", &list).await.expect(StatusCode::OK);
        assert_eq!((&estimate["object"], &estimate["count"]), (&json!("batch_estimate"), &json!(2)));
        assert_eq!(estimate["skipped"], json!({"duplicates": 1, "inactive": 1}));
        let cost = json!({"low": 0.04, "expected": 0.08, "high": 0.16, "basis": "usual", "looked_at": 0});
        assert_eq!(estimate["cost_cents"], cost);
        assert_eq!(estimate["seconds"], json!(null));
        let filter = json!({"filter": {"industry": "Retail"}, "email_type": "general"});
        assert_eq!(ana.post("/email-batches/estimate", &filter).await.expect(StatusCode::OK)["count"], 2);
        let written = "SELECT (SELECT count(*) FROM email_batches) + (SELECT count(*) FROM batch_items) + (SELECT count(*) FROM idempotency_keys)";
        assert_eq!(door.bench.value::<i64>(written).await, 0);
    })
    .await;
}

#[tokio::test]
async fn what_the_last_emails_of_the_type_cost_goes_before_what_is_usual() {
    Door::run_by_hand(async |door| {
        let ana = door.ana();
        let ids = clients(door, &ana, 10).await;
        let org = org_of(&ana).await;
        door.bench
            .sql(&format!(
                "WITH r AS (
                   INSERT INTO pipeline_runs (id, org_id, service, topology, behavior, pipeline, pipeline_version, lane, fair_rank, input, stream,
                     status, success, completed_at, quality_mode)
                   SELECT gen_random_uuid(), '{org}', 'email', 'email@1', 'bulk', 'email', 1, 2, 0, '{{}}', false, 'completed', true, now(),
                     'balanced' FROM generate_series(1, 10) RETURNING id)
                 INSERT INTO sales_emails (id, email_id, org_id, name, email_type, subject, body, origin, run_id, cost_cents)
                 SELECT gen_random_uuid(), gen_random_uuid(), '{org}', 'x', CASE WHEN k <= 5 THEN 'follow_up' ELSE 'proposal' END, 's', 'b', 'generated',
                   id, k FROM (SELECT id, row_number() OVER () AS k FROM r) numbered"
            ))
            .await;
        let ask = async |email_type: &str, mode: &str| {
            let body = json!({"client_ids": ids, "email_type": email_type, "quality_mode": mode});
            ana.post("/email-batches/estimate", &body).await.expect(StatusCode::OK)["cost_cents"].clone()
        };
        let of_type = json!({"low": 10.0, "expected": 30.0, "high": 50.0, "basis": "recent_emails_of_type", "looked_at": 5});
        assert_eq!(ask("follow_up", "balanced").await, of_type);
        let of_mode = ask("closing", "balanced").await;
        assert_eq!((&of_mode["basis"], &of_mode["expected"]), (&json!("recent_emails"), &json!(55.0)));
        assert_eq!(ask("follow_up", "quality").await["basis"], "usual");
        assert_eq!(submit(&ana, &ids).await["estimated_cost_cents"], 30.0);
    })
    .await;
}

#[tokio::test]
async fn the_time_follows_from_the_slots_of_live_workers_and_what_is_ahead() {
    Door::run(async |door| {
        let ana = door.ana();
        let ids = clients(door, &ana, 60).await;
        let _hand = door.bench.hand().await;
        let body = json!({"client_ids": ids, "email_type": "general"});
        let ask = async || ana.post("/email-batches/estimate", &body).await.expect(StatusCode::OK)["seconds"].clone();
        // 8 slots, of which 6 are for batches; 4 s an email when nothing is known.
        assert_eq!(ask().await, json!({"low": 40, "expected": 40, "high": 80}));
        submit(&ana, &ids).await;
        assert_eq!(ask().await, json!({"low": 40, "expected": 80, "high": 160}));
    })
    .await;
}
