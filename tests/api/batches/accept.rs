//! Who is in a batch, and in which order.

use reqwest::StatusCode;
use serde_json::json;
use uuid::Uuid;

use super::super::door::Door;
use super::{clients, frozen, id, org_of, post, product, submit};

#[tokio::test]
async fn listed_clients_are_frozen_in_their_order_and_nothing_else_is_written() {
    Door::run(async |door| {
        let ana = door.ana();
        let mut ids = clients(door, &ana, 30).await;
        ids.reverse();
        let product = product(door, &ana).await;
        let body = json!({"name": "Spring", "client_ids": ids, "email_type": "follow_up", "product_id": product,
            "instructions": "Be brief.", "quality_mode": "fast", "max_cost_cents": 12.5});
        let answer = post(&ana, &body).await;
        assert_eq!(answer.header("retry-after"), Some("1"));
        let location = answer.header("location").expect("a location").to_owned();
        let batch = answer.expect(StatusCode::ACCEPTED);
        assert_eq!(location, format!("/email-batches/{}", id(&batch)));
        assert_eq!(batch, ana.get(&location).await.expect(StatusCode::OK));
        assert_eq!(frozen(door, &batch).await, ids);
        let numbers = format!("SELECT array_agg(n ORDER BY n) = (SELECT array_agg(i) FROM generate_series(0, 29) i) FROM batch_items WHERE batch_id = '{}'", id(&batch));
        assert!(door.bench.value::<bool>(&numbers).await);
        assert_eq!(batch["object"], "email_batch");
        assert_eq!((&batch["status"], &batch["outcome"], &batch["round"]), (&json!("running"), &json!(null), &json!(1)));
        let counts = json!({"total": 30, "queued": 30, "running": 0, "completed": 0, "failed": 0, "cancelled": 0, "warnings": 0});
        assert_eq!(batch["counts"], counts);
        assert_eq!(batch["skipped"], json!({"duplicates": 0, "inactive": 0}));
        assert_eq!((&batch["cost_cents"], &batch["max_cost_cents"]), (&json!(0.0), &json!(12.5)));
        assert_eq!(batch["estimated_cost_cents"], json!(0.3));
        assert_eq!(batch["waiting"]["reason"], "no_worker");
        let input = json!({"product_id": product, "email_type": "follow_up", "instructions": "Be brief.", "quality_mode": "fast",
            "filter": null, "import_id": null, "sample": null});
        assert_eq!(batch["input"], input);
        let budget = format!("SELECT max_cost_cents = 12.5 AND spent_cents = 0 FROM batch_budgets WHERE batch_id = '{}'", id(&batch));
        assert!(door.bench.value::<bool>(&budget).await);
        let others = "SELECT (SELECT count(*) FROM pipeline_runs) + (SELECT count(*) FROM pipeline_steps) + (SELECT count(*) FROM pipeline_events)";
        assert_eq!(door.bench.value::<i64>(others).await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_client_listed_twice_gets_one_email_and_an_inactive_one_none() {
    Door::run(async |door| {
        let ana = door.ana();
        let ids = clients(door, &ana, 5).await;
        door.bench.sql(&format!("UPDATE clients SET is_active = false WHERE id = '{}'", ids[1])).await;
        let batch = submit(&ana, &[ids[4], ids[0], ids[4], ids[1], ids[2], ids[0], ids[0]]).await;
        assert_eq!(frozen(door, &batch).await, [ids[4], ids[0], ids[2]]);
        assert_eq!(batch["skipped"], json!({"duplicates": 3, "inactive": 1}));
        assert_eq!(batch["counts"]["total"], 3);
    })
    .await;
}

#[tokio::test]
async fn a_filter_chooses_active_clients_the_oldest_first_and_is_frozen() {
    Door::run(async |door| {
        let ana = door.ana();
        let ids = clients(door, &ana, 12).await;
        door.bench.sql(&format!("UPDATE clients SET is_active = false WHERE id = '{}'", ids[0])).await;
        let by = async |filter: serde_json::Value| {
            let batch =
                post(&ana, &json!({"filter": filter, "email_type": "general"})).await.expect(StatusCode::ACCEPTED);
            assert_eq!(batch["input"]["filter"], filter);
            frozen(door, &batch).await
        };
        assert_eq!(by(json!({})).await, ids[1..]);
        assert_eq!(by(json!({"industry": "retail"})).await, [ids[3], ids[6], ids[9]]);
        assert_eq!(by(json!({"company": "company 2"})).await, [ids[4], ids[5]]);
        assert_eq!(by(json!({"has_email": false})).await, [ids[3], ids[7], ids[11]]);
        assert_eq!(by(json!({"has_email": true, "industry": "Finance"})).await, [ids[2], ids[5], ids[8]]);
        assert_eq!(by(json!({"q": "Name 11"})).await, [ids[11]]);
        let first =
            post(&ana, &json!({"filter": {"industry": "Health", "is_active": true}, "email_type": "general"})).await;
        let first = first.expect(StatusCode::ACCEPTED);
        let before = frozen(door, &first).await;
        clients(door, &ana, 6).await;
        assert_eq!(frozen(door, &first).await, before);
    })
    .await;
}

#[tokio::test]
async fn an_import_is_written_to_in_the_order_of_its_file() {
    Door::run(async |door| {
        let ana = door.ana();
        let (ids, org, import) = (clients(door, &ana, 4).await, org_of(&ana).await, Uuid::now_v7());
        door.bench
            .sql(&format!(
                "INSERT INTO client_imports (id, org_id, mode, created, updated, unchanged, rejected) VALUES ('{import}', '{org}', 'keep_good', 3, 0, 0, 0);
                 INSERT INTO client_import_members (org_id, import_id, n, client_id) VALUES
                   ('{org}', '{import}', 2, '{}'), ('{org}', '{import}', 5, '{}'), ('{org}', '{import}', 9, '{}');
                 UPDATE clients SET is_active = false WHERE id = '{}'",
                ids[3], ids[0], ids[2], ids[0]
            ))
            .await;
        let batch = post(&ana, &json!({"import_id": import, "email_type": "general"})).await.expect(StatusCode::ACCEPTED);
        assert_eq!(frozen(door, &batch).await, [ids[3], ids[2]]);
        assert_eq!(batch["skipped"], json!({"duplicates": 0, "inactive": 1}));
        assert_eq!(batch["input"]["import_id"], json!(import));
        let batch = post(&ana, &json!({"filter": {"import_id": import}, "email_type": "general"})).await;
        assert_eq!(frozen(door, &batch.expect(StatusCode::ACCEPTED)).await, [ids[2], ids[3]]);
    })
    .await;
}

#[tokio::test]
async fn a_sample_is_spread_over_trades_and_companies_and_the_same_each_time() {
    Door::run(async |door| {
        let ana = door.ana();
        let ids = clients(door, &ana, 60).await;
        let sample = async || {
            let body = json!({"client_ids": ids, "email_type": "general", "sample": 6});
            let batch = post(&ana, &body).await.expect(StatusCode::ACCEPTED);
            assert_eq!(batch["input"]["sample"], 6);
            let of = format!(
                "batch_items i JOIN clients c ON c.id = i.client_id WHERE i.sampled AND i.batch_id = '{}'",
                id(&batch)
            );
            let ns: Vec<i32> = door.bench.column(&format!("SELECT i.n FROM {of} ORDER BY i.n")).await;
            let trades: i64 = door.bench.value(&format!("SELECT count(DISTINCT c.industry) FROM {of}")).await;
            let companies: i64 = door.bench.value(&format!("SELECT count(DISTINCT c.company) FROM {of}")).await;
            assert_eq!((ns.len(), trades, companies), (6, 3, 6));
            ns
        };
        assert_eq!(sample().await, sample().await);
        let approved = "SELECT bool_or(is_approved) FROM email_batches";
        assert!(!door.bench.value::<bool>(approved).await);
    })
    .await;
}

#[tokio::test]
async fn ten_thousand_are_accepted_at_once() {
    Door::run(async |door| {
        let ana = door.ana();
        let ids = clients(door, &ana, 10_000).await;
        let batch = submit(&ana, &ids).await;
        assert_eq!(batch["counts"]["queued"], 10_000);
        assert_eq!(frozen(door, &batch).await, ids);
    })
    .await;
}
