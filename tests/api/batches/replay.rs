//! The same request twice is one batch.

use reqwest::StatusCode;
use serde_json::json;

use super::super::door::Door;
use super::{clients, id, stands};

const BATCHES: &str = "SELECT count(*) FROM email_batches";

#[tokio::test]
async fn a_key_is_required() {
    Door::run(async |door| {
        let ana = door.ana();
        let ids = clients(door, &ana, 1).await;
        let body = json!({"client_ids": ids, "email_type": "general"});
        let answer = ana.post("/email-batches", &body).await;
        answer.problem(400, "MALFORMED_REQUEST");
        assert!(answer.body["message"].as_str().is_some_and(|message| message.contains("Idempotency-Key")));
        assert_eq!(door.bench.value::<i64>(BATCHES).await, 0);
    })
    .await;
}

#[tokio::test]
async fn the_same_key_and_body_give_the_same_batch_as_it_is_now_and_another_body_none() {
    Door::run_by_hand(async |door| {
        let ana = door.ana();
        let ids = clients(door, &ana, 3).await;
        let body = json!({"client_ids": ids, "email_type": "general"});
        let first = ana.post_once("k", "/email-batches", &body).await;
        assert_eq!(first.header("idempotent-replayed"), None);
        let first = first.expect(StatusCode::ACCEPTED);
        stands(door, id(&first), "paused").await;
        let again = ana.post_once("k", "/email-batches", &json!({"email_type": "general", "client_ids": ids})).await;
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        let again = again.expect(StatusCode::ACCEPTED);
        assert_eq!((&again["id"], &again["status"]), (&first["id"], &json!("paused")));
        let mut other = ids.clone();
        other.swap(0, 1);
        for body in [
            json!({"client_ids": other, "email_type": "general"}),
            json!({"client_ids": ids[..2], "email_type": "general"}),
            json!({"client_ids": ids, "email_type": "closing"}),
            json!({"filter": {}, "email_type": "general"}),
        ] {
            ana.post_once("k", "/email-batches", &body).await.problem(422, "IDEMPOTENCY_KEY_REUSED");
        }
        assert_eq!(door.bench.value::<i64>(BATCHES).await, 1);
    })
    .await;
}

#[tokio::test]
async fn ten_at_once_with_one_key_are_one_batch() {
    Door::run(async |door| {
        let ana = door.ana();
        let ids = clients(door, &ana, 500).await;
        let body = json!({"client_ids": ids, "email_type": "general"});
        let answers = futures::future::join_all((0..10).map(|_| ana.post_once("k", "/email-batches", &body))).await;
        let replayed = answers.iter().filter(|answer| answer.header("idempotent-replayed").is_some()).count();
        let mut ids: Vec<_> =
            answers.into_iter().map(|answer| answer.expect(StatusCode::ACCEPTED)["id"].clone()).collect();
        ids.dedup();
        assert_eq!((ids.len(), replayed), (1, 9));
        assert_eq!(door.bench.value::<i64>("SELECT count(*) FROM batch_items").await, 500);
    })
    .await;
}

#[tokio::test]
async fn a_batch_whose_commit_lost_its_answer_is_found_and_accepted_once() {
    Door::run_behind_proxy(async |door, proxy| {
        let ana = door.ana();
        let ids = clients(door, &ana, 20).await;
        let body = json!({"client_ids": ids, "email_type": "general"});
        proxy.control().swallow_answer("COMMIT");
        let batch = ana.post_once("k", "/email-batches", &body).await.expect(StatusCode::ACCEPTED);
        assert!(proxy.control().has_swallowed());
        let again = ana.post_once("k", "/email-batches", &body).await.expect(StatusCode::ACCEPTED);
        assert_eq!(batch["id"], again["id"]);
        assert_eq!(door.bench.value::<i64>(BATCHES).await, 1);
        assert_eq!(door.bench.value::<i64>("SELECT count(*) FROM batch_items").await, 20);
    })
    .await;
}
