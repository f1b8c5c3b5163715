//! The same request twice is one effect.

use reqwest::StatusCode;
use serde_json::json;

use super::door::Door;

#[tokio::test]
async fn the_same_key_and_body_give_the_same_ids_and_the_state_of_now() {
    Door::run(async |door| {
        let ana = door.ana();
        let first = ana.post_once("k1", "/chat/sessions", &json!({"title": "a", "metadata": {"x": 1, "y": 2}})).await;
        assert_eq!(first.header("idempotent-replayed"), None);
        let id = first.expect(StatusCode::CREATED)["id"].as_str().expect("an id").to_owned();
        let path = format!("/chat/sessions/{id}/messages");
        let run = ana.post_once("k2", &path, &json!({"message": "hi"})).await.expect(StatusCode::ACCEPTED);
        ana.post(&format!("/runs/{}/cancel", run["id"].as_str().expect("an id")), &json!({}))
            .await
            .expect(StatusCode::OK);

        let again = ana.post_once("k1", "/chat/sessions", &json!({"metadata": {"y": 2, "x": 1}, "title": "a"})).await;
        assert_eq!((again.status, again.header("idempotent-replayed")), (StatusCode::CREATED, Some("true")));
        assert_eq!(again.body["id"], id.as_str());
        let again = ana.post_once("k2", &path, &json!({"message": "hi"})).await;
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        assert_eq!(again.body["id"], run["id"]);
        assert_eq!(again.expect(StatusCode::ACCEPTED)["status"], "cancelled");

        ana.post_once("k1", "/chat/sessions", &json!({"title": "b"})).await.problem(422, "IDEMPOTENCY_KEY_REUSED");
        ana.post_once("k1", &path, &json!({"message": "hi"})).await.problem(422, "IDEMPOTENCY_KEY_REUSED");
        let ben = door.person("Acme", "Ben", hellosales_simulator::Role::Member);
        let same = json!({"title": "a", "metadata": {"x": 1, "y": 2}});
        ben.post_once("k1", "/chat/sessions", &same).await.problem(422, "IDEMPOTENCY_KEY_REUSED");
        let elsewhere = door.person("Other", "Ana", hellosales_simulator::Role::Member);
        elsewhere.post_once("k1", "/chat/sessions", &same).await.expect(StatusCode::CREATED);
    })
    .await;
}

#[tokio::test]
async fn ten_at_once_with_one_key_are_one_run() {
    Door::run(async |door| {
        let ana = door.ana();
        let path = format!("/chat/sessions/{}/messages", ana.session().await);
        let body = json!({"message": "hi"});
        let answers = futures::future::join_all((0..10).map(|_| ana.post_once("k", &path, &body))).await;
        let replayed = answers.iter().filter(|answer| answer.header("idempotent-replayed").is_some()).count();
        let mut ids: Vec<String> =
            answers.into_iter().map(|answer| answer.expect(StatusCode::ACCEPTED)["id"].to_string()).collect();
        ids.dedup();
        assert_eq!((ids.len(), replayed), (1, 9));
        assert_eq!(door.bench.value::<i64>("SELECT count(*) FROM pipeline_runs").await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_key_whose_first_request_does_not_end_is_in_flight() {
    Door::run(async |door| {
        let ana = door.ana();
        ana.get("/auth/me").await.expect(StatusCode::OK);
        let org: uuid::Uuid = door.bench.value("SELECT id FROM organizations WHERE name = 'Acme'").await;
        let mut first = door.bench.db.owner().await;
        first
            .run(&format!(
                "BEGIN; INSERT INTO idempotency_keys (org_id, key, route, body_sha256, object, object_id)
                 VALUES ('{org}', 'k', 'POST /chat/sessions', '', 'chat_session', '{org}')"
            ))
            .await;
        let answer = ana.post_once("k", "/chat/sessions", &json!({})).await;
        answer.problem(409, "IDEMPOTENCY_IN_FLIGHT");
        assert_eq!(answer.header("retry-after"), Some("1"));
        first.run("ROLLBACK").await;
        ana.post_once("k", "/chat/sessions", &json!({})).await.expect(StatusCode::CREATED);
    })
    .await;
}

#[tokio::test]
async fn what_was_refused_is_not_remembered() {
    Door::run(async |door| {
        let ana = door.ana();
        ana.post_once("k", "/chat/sessions", &json!({"product_id": uuid::Uuid::now_v7()}))
            .await
            .problem(404, "PRODUCT_NOT_FOUND");
        ana.post_once("k", "/chat/sessions", &json!({})).await.expect(StatusCode::CREATED);
    })
    .await;
}
