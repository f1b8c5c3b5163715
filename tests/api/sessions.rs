//! Sessions, made, changed, ended, deleted.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::door::{Answer, Door};

#[tokio::test]
async fn a_session_has_every_member_of_the_contract() {
    Door::run(async |door| {
        let ana = door.ana();
        let answer = ana.post("/chat/sessions", &json!({"title": "Acme renewal", "metadata": {"n": 1}})).await;
        let location = answer.header("location").expect("a location").to_owned();
        let session = answer.expect(StatusCode::CREATED);
        let mut names: Vec<&str> = session.as_object().expect("an object").keys().map(String::as_str).collect();
        names.sort_unstable();
        let expected = [
            "active_run",
            "client_id",
            "ended_at",
            "id",
            "interaction_count",
            "last_interaction_at",
            "metadata",
            "object",
            "product_id",
            "session_type",
            "started_at",
            "state",
            "title",
            "total_cost_cents",
        ];
        assert_eq!(names, expected);
        assert_eq!((session["object"].as_str(), session["state"].as_str()), (Some("chat_session"), Some("active")));
        assert_eq!(ana.get(&location).await.expect(StatusCode::OK), session);
    })
    .await;
}

#[tokio::test]
async fn a_change_leaves_what_it_does_not_name_and_null_clears() {
    Door::run(async |door| {
        let ana = door.ana();
        let made =
            ana.post("/chat/sessions", &json!({"title": "a", "metadata": {"n": 1}})).await.expect(StatusCode::CREATED);
        let path = format!("/chat/sessions/{}", made["id"].as_str().expect("an id"));
        let patch = async |body: Value| Answer::of(ana.request(Method::PATCH, &path).json(&body)).await;
        let tag = ana.get(&path).await.header("etag").expect("a tag").to_owned();
        let changed = patch(json!({"title": null})).await.expect(StatusCode::OK);
        assert_eq!((changed["title"].is_null(), &changed["metadata"]), (true, &json!({"n": 1})));
        let stale = ana.request(Method::PATCH, &path).header("if-match", &tag).json(&json!({"title": "b"}));
        Answer::of(stale).await.problem(412, "VERSION_CONFLICT");
        patch(json!({"metadata": null})).await.fault("/metadata", "wrong_type");
        patch(json!({"client_id": uuid::Uuid::now_v7()})).await.problem(404, "CLIENT_NOT_FOUND");
        assert_eq!(patch(json!({"metadata": {}, "title": "c"})).await.expect(StatusCode::OK)["title"], "c");
    })
    .await;
}

#[tokio::test]
async fn an_ended_session_takes_no_turn_and_ending_it_twice_is_fine() {
    Door::run(async |door| {
        let ana = door.ana();
        let session = ana.session().await;
        ana.say(&session, "hello").await;
        let end = format!("/chat/sessions/{session}/end");
        let ended = ana.post(&end, &json!({})).await.expect(StatusCode::OK);
        assert_eq!((ended["state"].as_str(), ended["ended_at"].is_string()), (Some("ended"), true));
        assert_eq!(ana.post(&end, &json!({})).await.expect(StatusCode::OK)["ended_at"], ended["ended_at"]);
        ana.post(&format!("/chat/sessions/{session}/messages"), &json!({"message": "more"}))
            .await
            .problem(409, "INVALID_STATE");
        assert_eq!(ana.get("/chat/sessions?state=ended").await.expect(StatusCode::OK)["total"], 1);
    })
    .await;
}

#[tokio::test]
async fn a_session_is_not_deleted_under_a_turn_that_is_at_work() {
    Door::run(async |door| {
        let ana = door.ana();
        let session = ana.session().await;
        let run = ana.say(&session, "hello").await["id"].as_str().expect("an id").to_owned();
        let path = format!("/chat/sessions/{session}");
        let delete = || ana.request(Method::DELETE, &path);
        Answer::of(delete()).await.problem(409, "INVALID_STATE");
        ana.post(&format!("/runs/{run}/cancel"), &json!({})).await.expect(StatusCode::OK);
        assert_eq!(Answer::of(delete()).await.status, StatusCode::NO_CONTENT);
        ana.get(&path).await.problem(404, "SESSION_NOT_FOUND");
        ana.get(&format!("/runs/{run}")).await.problem(404, "RUN_NOT_FOUND");
        Answer::of(delete()).await.problem(404, "SESSION_NOT_FOUND");
    })
    .await;
}
