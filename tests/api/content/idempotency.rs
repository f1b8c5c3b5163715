//! The same request twice makes one.

use reqwest::StatusCode;
use serde_json::json;

use super::patch;
use crate::api::door::Door;

#[tokio::test]
async fn the_same_key_and_body_give_the_same_id_and_the_state_of_now() {
    Door::run(async |door| {
        let ana = door.ana();
        for (path, key) in [("/products", "p"), ("/clients", "c")] {
            let body = json!({"name": "one"});
            let first = ana.post_once(key, path, &body).await;
            assert_eq!(first.header("idempotent-replayed"), None);
            let id = first.expect(StatusCode::CREATED)["id"].as_str().expect("an id").to_owned();
            patch(&ana, &format!("{path}/{id}"), &json!({"name": "two"})).await.expect(StatusCode::OK);
            let again = ana.post_once(key, path, &body).await;
            assert_eq!(again.header("idempotent-replayed"), Some("true"));
            assert_eq!(
                (again.header("etag"), again.header("location")),
                (Some("\"2\""), Some(&*format!("{path}/{id}")))
            );
            assert_eq!(again.expect(StatusCode::CREATED)["name"], "two");
            ana.post_once(key, path, &json!({"name": "other"})).await.problem(422, "IDEMPOTENCY_KEY_REUSED");
        }
        ana.post_once("p", "/clients", &json!({"name": "one"})).await.problem(422, "IDEMPOTENCY_KEY_REUSED");
        let counts: i64 =
            door.bench.value("SELECT (SELECT count(*) FROM products) * 10 + (SELECT count(*) FROM clients)").await;
        assert_eq!(counts, 11);
    })
    .await;
}

#[tokio::test]
async fn ten_at_once_with_one_key_are_one_client() {
    Door::run(async |door| {
        let ana = door.ana();
        let body = json!({"name": "one", "external_id": "x"});
        let answers = futures::future::join_all((0..10).map(|_| ana.post_once("k", "/clients", &body))).await;
        let mut ids: Vec<String> =
            answers.into_iter().map(|answer| answer.expect(StatusCode::CREATED)["id"].to_string()).collect();
        ids.dedup();
        assert_eq!((ids.len(), door.bench.value::<i64>("SELECT count(*) FROM clients").await), (1, 1));
    })
    .await;
}

#[tokio::test]
async fn a_refused_request_keeps_no_key() {
    Door::run(async |door| {
        let ana = door.ana();
        let taken = json!({"name": "a", "external_id": "x"});
        ana.post("/clients", &taken).await.expect(StatusCode::CREATED);
        ana.post_once("k", "/clients", &taken).await.fault("/external_id", "taken");
        assert_eq!(door.bench.value::<i64>("SELECT count(*) FROM idempotency_keys").await, 0);
        ana.post_once("k", "/clients", &json!({"name": "a"})).await.expect(StatusCode::CREATED);
    })
    .await;
}
