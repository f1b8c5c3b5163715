//! Turns, as a client has them.

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::door::{Answer, Door};
use crate::queue::ends::{failed, ok};

#[tokio::test]
async fn an_accepted_message_has_both_interactions_and_the_history_shows_the_pending_one() {
    Door::run(async |door| {
        let ana = door.ana();
        let session = ana.session().await;
        let path = format!("/chat/sessions/{session}/messages");
        let answer = ana.post(&path, &json!({"message": "hello", "message_id": "m1", "quality_mode": "fast"})).await;
        assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::ACCEPTED, Some("1")));
        let run = answer.body.clone();
        assert_eq!(answer.header("location"), Some(format!("/runs/{}", run["id"].as_str().expect("an id")).as_str()));
        assert_eq!(
            (run["object"].as_str(), run["status"].as_str(), run["quality_mode"].as_str()),
            (Some("run"), Some("queued"), Some("fast"))
        );
        assert_eq!(run["input"]["sequence_number"], 1);
        assert_eq!(run["input"]["message_id"], "m1");
        assert_eq!(run["target"]["type"], "interaction");
        assert_eq!(run["target"]["sequence_number"], 2);
        assert_eq!(run["waiting"]["reason"], "no_worker");
        assert_eq!(run["progress"]["total"], 6);

        let history = ana.get(&format!("/chat/sessions/{session}/history")).await.expect(StatusCode::OK);
        let (asked, pending) = (&history["data"][0], &history["data"][1]);
        assert_eq!(
            (asked["role"].as_str(), asked["id"].as_str()),
            (Some("user"), run["input"]["interaction_id"].as_str())
        );
        assert_eq!(
            (pending["status"].as_str(), pending["id"].as_str()),
            (Some("streaming"), run["target"]["id"].as_str())
        );
        assert_eq!((pending["run_id"].as_str(), history["total"].as_i64()), (run["id"].as_str(), Some(2)));
        let seen = ana.get(&format!("/chat/sessions/{session}")).await.expect(StatusCode::OK);
        assert_eq!((seen["title"].as_str(), seen["active_run"]["id"].as_str()), (Some("hello"), run["id"].as_str()));
        assert_eq!(seen["interaction_count"], 1);
    })
    .await;
}

#[tokio::test]
async fn a_message_id_twice_is_one_turn_and_for_another_text_a_conflict() {
    Door::run(async |door| {
        let ana = door.ana();
        let path = format!("/chat/sessions/{}/messages", ana.session().await);
        let first = ana.post(&path, &json!({"message": "hello", "message_id": "m"})).await.expect(StatusCode::ACCEPTED);
        let again = ana.post_once("k", &path, &json!({"message": "hello", "message_id": "m"})).await;
        assert_eq!(
            (again.body["id"].as_str(), again.header("idempotent-replayed")),
            (first["id"].as_str(), Some("true"))
        );
        // The key stands for the run that was there already.
        let again = ana.post_once("k", &path, &json!({"message": "hello", "message_id": "m"})).await;
        assert_eq!(again.body["id"], first["id"]);
        ana.post(&path, &json!({"message": "other", "message_id": "m"})).await.problem(409, "MESSAGE_ID_REUSED");
    })
    .await;
}

#[tokio::test]
async fn a_second_turn_waits_and_too_many_are_refused() {
    Door::run(async |door| {
        let ana = door.ana();
        let session = ana.session().await;
        ana.say(&session, "one").await;
        assert_eq!(ana.say(&session, "two").await["waiting"]["reason"], "session_busy");
        for n in 0..19 {
            ana.say(&session, &format!("more {n}")).await;
        }
        let path = format!("/chat/sessions/{session}/messages");
        let answer = ana.post(&path, &json!({"message": "too much"})).await;
        answer.problem(429, "RATE_LIMITED");
        assert!(answer.header("retry-after").is_some());
    })
    .await;
}

#[tokio::test]
async fn a_replaced_turn_leaves_the_history() {
    Door::run(async |door| {
        let ana = door.ana();
        let session = ana.session().await;
        let path = format!("/chat/sessions/{session}/messages");
        let first = ana.say(&session, "one").await;
        let replaces = json!({"message": "better", "replaces": first["input"]["interaction_id"]});
        ana.post(&path, &replaces).await.problem(409, "INVALID_STATE");
        let hand = door.bench.hand().await;
        hand.land(hand.take("input_guard").await, failed()).await;
        let history = ana.get(&format!("/chat/sessions/{session}/history")).await.expect(StatusCode::OK);
        assert_eq!(history["data"][1]["status"], "failed");
        ana.post(&path, &json!({"message": "x", "replaces": uuid::Uuid::now_v7()}))
            .await
            .fault("/replaces", "not_the_last_turn");
        let second = ana.post(&path, &replaces).await.expect(StatusCode::ACCEPTED);
        let history = ana.get(&format!("/chat/sessions/{session}/history")).await.expect(StatusCode::OK);
        let numbers: Vec<i64> = history["data"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|said| said["sequence_number"].as_i64())
            .collect();
        assert_eq!(numbers, [3, 4]);
        let all = ana.get(&format!("/chat/sessions/{session}/history?all=true")).await.expect(StatusCode::OK);
        assert_eq!(all["total"], 4);
        assert_eq!(all["data"][0]["superseded_by"], second["input"]["interaction_id"]);
        assert_eq!(all["data"][1]["superseded_by"], second["input"]["interaction_id"]);
    })
    .await;
}

#[tokio::test]
async fn a_preferred_wait_answers_when_the_turn_is_done() {
    Door::run(async |door| {
        let ana = door.ana();
        let session = ana.session().await;
        let path = format!("/chat/sessions/{session}/messages");
        let request = ana.request(Method::POST, &path).header("prefer", "wait=30").json(&json!({"message": "hello"}));
        let work = async {
            let hand = door.bench.hand().await;
            door.until("SELECT count(*) = 1 FROM pipeline_runs").await;
            hand.answer().await;
        };
        let (answer, ()) = tokio::join!(Answer::of(request), work);
        assert_eq!((answer.status, answer.header("preference-applied")), (StatusCode::OK, Some("wait=30")));
        assert_eq!(
            (answer.body["status"].as_str(), answer.body["result"]["object"].as_str()),
            (Some("completed"), Some("interaction"))
        );
        let hasty = ana.request(Method::POST, &path).header("prefer", "wait=0").json(&json!({"message": "more"}));
        assert_eq!(Answer::of(hasty).await.status, StatusCode::ACCEPTED);
    })
    .await;
}

#[tokio::test]
async fn a_failed_turn_says_why_and_can_be_retried_by_its_owner() {
    Door::run(async |door| {
        let ana = door.ana();
        let session = ana.session().await;
        let run = ana.say(&session, "hello").await["id"].as_str().expect("an id").to_owned();
        let path = format!("/runs/{run}");
        ana.post(&format!("{path}/retry"), &json!({})).await.problem(409, "INVALID_STATE");
        let hand = door.bench.hand().await;
        hand.land(hand.take("input_guard").await, failed()).await;
        let failed = ana.get(&path).await.expect(StatusCode::OK);
        assert_eq!(
            (failed["status"].as_str(), failed["error"]["code"].as_str()),
            (Some("failed"), Some("STAGE_FAILED"))
        );
        assert_eq!(failed["error"]["stage"], "input_guard");
        assert_eq!(failed["links"]["retry"], format!("{path}/retry"));
        assert_eq!((failed["progress"]["stage"].as_str(), failed["waiting"].is_null()), (Some("input_guard"), true));
        ana.post(&format!("{path}/cancel"), &json!({})).await.problem(409, "INVALID_STATE");
        let again = ana.post(&format!("{path}/retry"), &json!({})).await.expect(StatusCode::ACCEPTED);
        assert_eq!((again["generation"].as_i64(), again["error"].is_null()), (Some(2), true));
        hand.land(hand.take("input_guard").await, ok()).await;
        hand.answer().await;
        assert_eq!(ana.get(&path).await.expect(StatusCode::OK)["status"], "completed");
        ana.post(&format!("{path}/cancel"), &json!({})).await.problem(409, "INVALID_STATE");
    })
    .await;
}
