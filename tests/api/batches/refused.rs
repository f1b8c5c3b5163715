//! What is not accepted: a clear error each, and nothing half-written.

use hellosales_core::Role;
use hellosales_core::queue::batch::{self, Looked};
use reqwest::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::door::Door;
use super::steer::tell;
use super::{clients, org_of, post, submit};

const WRITTEN: &str = "SELECT (SELECT count(*) FROM email_batches) + (SELECT count(*) FROM batch_items) + (SELECT count(*) FROM batch_budgets)
    + (SELECT count(*) FROM idempotency_keys)";

#[tokio::test]
async fn what_does_not_fit_is_named() {
    Door::run(async |door| {
        let ana = door.ana();
        let ids = clients(door, &ana, 3).await;
        let many: Vec<Uuid> = (0..10_001).map(|_| Uuid::now_v7()).collect();
        let with = |more: Value| {
            let mut body = json!({"client_ids": ids, "email_type": "general"});
            body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            body
        };
        let cases: Vec<(Value, &str, &str)> = vec![
            (json!({"email_type": "general"}), "/client_ids", "required"),
            (json!({"client_ids": null, "email_type": "general"}), "/client_ids", "required"),
            (json!({"client_ids": [], "email_type": "general"}), "/client_ids", "empty"),
            (json!({"client_ids": many, "email_type": "general"}), "/client_ids", "too_many"),
            (json!({"client_ids": "all", "email_type": "general"}), "/client_ids", "wrong_type"),
            (json!({"client_ids": [ids[0], 7], "email_type": "general"}), "/client_ids/1", "wrong_type"),
            (json!({"client_ids": ids}), "/email_type", "required"),
            (with(json!({"email_type": "spam"})), "/email_type", "unknown_value"),
            (with(json!({"filter": {}})), "/filter", "not_together"),
            (with(json!({"import_id": ids[0]})), "/import_id", "not_together"),
            (with(json!({"client_ids": null, "filter": {"colour": "red"}})), "/filter/colour", "unknown_field"),
            (with(json!({"client_ids": null, "filter": {"industry": " "}})), "/filter/industry", "blank"),
            (with(json!({"client_ids": null, "filter": {"has_email": "yes"}})), "/filter/has_email", "wrong_type"),
            (with(json!({"client_ids": null, "filter": {"is_active": false}})), "/filter/is_active", "out_of_range"),
            (with(json!({"client_ids": null, "filter": []})), "/filter", "wrong_type"),
            (with(json!({"max_cost_cents": 0})), "/max_cost_cents", "out_of_range"),
            (with(json!({"max_cost_cents": -5})), "/max_cost_cents", "out_of_range"),
            (with(json!({"max_cost_cents": 1e300})), "/max_cost_cents", "out_of_range"),
            (with(json!({"max_cost_cents": 0.0000001})), "/max_cost_cents", "out_of_range"),
            (with(json!({"max_cost_cents": "500"})), "/max_cost_cents", "wrong_type"),
            (with(json!({"sample": 0})), "/sample", "out_of_range"),
            (with(json!({"sample": 101})), "/sample", "out_of_range"),
            (with(json!({"sample": 4})), "/sample", "out_of_range"),
            (with(json!({"name": "x".repeat(256)})), "/name", "too_long"),
            (with(json!({"instructions": "x".repeat(4_001)})), "/instructions", "too_long"),
            (with(json!({"instructions": "a\u{0}"})), "/instructions", "null_character"),
            (with(json!({"quality_mode": "best"})), "/quality_mode", "unknown_value"),
            (with(json!({"colour": "red"})), "/colour", "unknown_field"),
        ];
        for (body, pointer, code) in cases {
            post(&ana, &body).await.fault(pointer, code);
            ana.post("/email-batches/estimate", &body).await.fault(pointer, code);
        }
        let not_an_id = json!({"client_ids": [ids[0], "x"], "email_type": "general"});
        post(&ana, &not_an_id).await.problem(400, "MALFORMED_REQUEST");
        assert_eq!(door.bench.value::<i64>(WRITTEN).await, 0);
        post(&ana, &with(json!({"name": "שׁ".repeat(127) + "😀", "sample": 3}))).await.expect(StatusCode::ACCEPTED);
    })
    .await;
}

#[tokio::test]
async fn unknown_and_foreign_ids_are_not_found_and_named_by_their_places() {
    Door::run(async |door| {
        let (ana, eve) = (door.ana(), door.person("Other", "Eve", hellosales_simulator::Role::Member));
        let (mine, hers) = (clients(door, &ana, 2).await, clients(door, &eve, 2).await);
        let body = |other: Uuid| json!({"client_ids": [mine[0], other, mine[1], other], "email_type": "general"});
        let foreign = post(&ana, &body(hers[0])).await;
        let absent = post(&ana, &body(Uuid::now_v7())).await;
        foreign.problem(404, "CLIENT_NOT_FOUND");
        assert_eq!(foreign.body["errors"][0]["pointer"], "/client_ids/1");
        assert_eq!(foreign.body["errors"].as_array().map(Vec::len), Some(1));
        let bare = |mut body: Value| {
            for name in ["request_id", "timestamp"] {
                body[name] = Value::Null;
            }
            body
        };
        assert_eq!(bare(foreign.body), bare(absent.body));
        let many: Vec<Uuid> = (0..150).map(|_| Uuid::now_v7()).collect();
        let all = post(&ana, &json!({"client_ids": many, "email_type": "general"})).await;
        all.problem(404, "CLIENT_NOT_FOUND");
        assert_eq!(all.body["errors"].as_array().map(Vec::len), Some(100));

        let her_product = super::product(door, &eve).await;
        for product in [her_product, Uuid::now_v7()] {
            post(&ana, &json!({"client_ids": mine, "email_type": "general", "product_id": product}))
                .await
                .problem(404, "PRODUCT_NOT_FOUND");
        }
        let (import, org) = (Uuid::now_v7(), org_of(&eve).await);
        door.bench
            .sql(&format!("INSERT INTO client_imports (id, org_id, mode, created, updated, unchanged, rejected) VALUES ('{import}', '{org}', 'keep_good', 0, 0, 0, 0)"))
            .await;
        for import in [import, Uuid::now_v7()] {
            post(&ana, &json!({"import_id": import, "email_type": "general"})).await.problem(404, "IMPORT_NOT_FOUND");
            post(&ana, &json!({"filter": {"import_id": import}, "email_type": "general"})).await.problem(404, "IMPORT_NOT_FOUND");
        }
        post(&eve, &json!({"import_id": import, "email_type": "general"})).await.fault("/import_id", "no_match");
        assert_eq!(door.bench.value::<i64>(WRITTEN).await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_batch_for_nobody_is_not_accepted() {
    Door::run(async |door| {
        let ana = door.ana();
        post(&ana, &json!({"filter": {}, "email_type": "general"})).await.fault("/filter", "no_match");
        let ids = clients(door, &ana, 2).await;
        post(&ana, &json!({"filter": {"industry": "Mining"}, "email_type": "general"}))
            .await
            .fault("/filter", "no_match");
        post(&ana, &json!({"filter": {"q": "!!!"}, "email_type": "general"})).await.fault("/filter", "no_match");
        door.bench.sql("UPDATE clients SET is_active = false").await;
        post(&ana, &json!({"client_ids": ids, "email_type": "general"})).await.fault("/client_ids", "all_skipped");
        assert_eq!(door.bench.value::<i64>(WRITTEN).await, 0);
    })
    .await;
}

#[tokio::test]
async fn more_than_a_hundred_thousand_are_too_many_and_exactly_so_many_are_not() {
    Door::run(async |door| {
        let ana = door.ana();
        clients(door, &ana, 100_001).await;
        let body = json!({"filter": {}, "email_type": "general"});
        post(&ana, &body).await.fault("/filter", "too_many");
        assert_eq!(door.bench.value::<i64>(WRITTEN).await, 0);
        door.bench.sql("UPDATE clients SET is_active = false WHERE name = 'Name 7'").await;
        assert_eq!(post(&ana, &body).await.expect(StatusCode::ACCEPTED)["counts"]["total"], 100_000);
    })
    .await;
}

#[tokio::test]
async fn an_organisation_has_so_many_batches_under_way_and_another_its_own() {
    Door::run_with(
        |config| config.batches_per_org = 2,
        async |door| {
            let ana = door.ana();
            let ids = clients(door, &ana, 1).await;
            let first = submit(&ana, &ids).await;
            submit(&ana, &ids).await;
            let answer = post(&ana, &json!({"client_ids": ids, "email_type": "general"})).await;
            answer.problem(429, "RATE_LIMITED");
            assert_eq!(answer.header("retry-after"), Some("30"));
            let eve = door.person("Other", "Eve", hellosales_simulator::Role::Member);
            let hers = clients(door, &eve, 1).await;
            submit(&eve, &hers).await;
            tell(&ana, super::id(&first), "cancel").await.expect(StatusCode::OK);
            let worker = door.bench.db.pools(Role::Worker);
            let (batch, org, round) = loop {
                match batch::admit(&worker, 30_000).await.expect("a look").0 {
                    Looked::Ending { batch, org, round } => break (batch, org, round),
                    Looked::At { .. } => {}
                    Looked::Idle => panic!("nothing is cancelling"),
                }
            };
            batch::end(&worker, org, batch, round).await.expect("an end");
            submit(&ana, &ids).await;
        },
    )
    .await;
}
