//! What is asked of runs: how it is accepted, and why not.

use hellosales_simulator::Role;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{email, made, patch, text};
use crate::api::door::{Answer, Door};

#[tokio::test]
async fn a_generation_is_a_run_whose_target_is_known_at_once() {
    Door::run(async |door| {
        let ana = door.ana();
        let (product, client) = (made(&ana, "/products", "Beacon").await, made(&ana, "/clients", "Ana Reyes").await);
        for (body, product, client) in [
            (json!({"product_id": product, "client_id": client, "email_type": "closing", "instructions": "Be brief", "name": "N",
                    "description": "D", "quality_mode": "fast"}), json!(product), json!(client)),
            (json!({"product_id": product}), json!(product), json!(null)),
            (json!({"client_id": client}), json!(null), json!(client)),
            (json!({}), json!(null), json!(null)),
        ] {
            let answer = ana.post("/emails/generate", &body).await;
            assert_eq!(answer.header("retry-after"), Some("1"));
            let location = answer.header("location").expect("a location").to_owned();
            let run = answer.expect(StatusCode::ACCEPTED);
            assert_eq!(location, format!("/runs/{}", text(&run, "id")));
            let shape = (run["pipeline"].as_str(), run["lane"].as_str(), run["target"]["type"].as_str());
            assert_eq!(shape, (Some("email"), Some("standard"), Some("email")));
            assert_eq!(run["quality_mode"], *body.get("quality_mode").unwrap_or(&json!("balanced")));
            assert_eq!((&run["result"], &run["batch_id"], &run["session_id"]), (&Value::Null, &Value::Null, &Value::Null));
            let input: Value = door.bench.value(&format!("SELECT input FROM pipeline_runs WHERE id = '{}'", text(&run, "id"))).await;
            let told = |name: &str| body.get(name).cloned().unwrap_or(Value::Null);
            assert_eq!(input, json!({
                "email_id": run["target"]["id"], "email_type": body.get("email_type").unwrap_or(&json!("general")), "product_id": product,
                "client_id": client, "instructions": told("instructions"), "name": told("name"), "description": told("description"),
                "session_id": null, "previous": null,
            }));
            let stands: bool = door
                .bench
                .value(&format!("SELECT stream AND user_id IS NOT NULL FROM pipeline_runs WHERE id = '{}'", text(&run, "id")))
                .await;
            assert!(stands);
        }
        let run = ana.post("/scripts/generate", &json!({"script_type": "demo"})).await.expect(StatusCode::ACCEPTED);
        assert_eq!((run["pipeline"].as_str(), run["target"]["type"].as_str()), (Some("script"), Some("script")));
        let ranks: Vec<i64> = door.bench.column("SELECT fair_rank FROM pipeline_runs ORDER BY id").await;
        assert!(ranks.windows(2).all(|pair| pair[1] - pair[0] == 1_000_000), "{ranks:?}");
        assert_eq!(ana.get("/runs?pipeline=email").await.expect(StatusCode::OK)["total"], 4);
    })
    .await;
}

#[tokio::test]
async fn what_is_not_there_or_not_active_or_does_not_fit_is_refused() {
    Door::run(async |door| {
        let ana = door.ana();
        let product = made(&ana, "/products", "Beacon").await;
        let away = ana.request(Method::PATCH, &format!("/products/{product}")).json(&json!({"is_active": false}));
        Answer::of(away).await.expect(StatusCode::OK);
        let before = door.rows().await;
        for path in ["/emails/generate", "/scripts/generate"] {
            ana.post(path, &json!({"product_id": uuid::Uuid::now_v7()})).await.problem(404, "PRODUCT_NOT_FOUND");
            ana.post(path, &json!({"client_id": uuid::Uuid::now_v7()})).await.problem(404, "CLIENT_NOT_FOUND");
            ana.post(path, &json!({"session_id": uuid::Uuid::now_v7()})).await.problem(404, "SESSION_NOT_FOUND");
            ana.post(path, &json!({"product_id": product})).await.fault("/product_id", "not_active");
            ana.post(path, &json!({"product_id": "x"})).await.problem(400, "MALFORMED_REQUEST");
            ana.post(path, &json!({"instructions": " "})).await.fault("/instructions", "blank");
            ana.post(path, &json!({"instructions": "x".repeat(10_001)})).await.fault("/instructions", "too_long");
            ana.post(path, &json!({"name": "x".repeat(256)})).await.fault("/name", "too_long");
            ana.post(path, &json!({"quality_mode": "best"})).await.fault("/quality_mode", "unknown_value");
            ana.post(path, &json!({"stream": false})).await.fault("/stream", "unknown_field");
        }
        assert_eq!(door.rows().await, before);
        ana.post("/emails/generate", &json!({"name": "ä".repeat(255)})).await.expect(StatusCode::ACCEPTED);
    })
    .await;
}

#[tokio::test]
async fn a_session_that_asks_is_the_callers_own() {
    Door::run(async |door| {
        let (ana, ben) = (door.ana(), door.person("Acme", "Ben", Role::Member));
        let session = ana.session().await;
        ben.post("/emails/generate", &json!({"session_id": session})).await.problem(404, "SESSION_NOT_FOUND");
        let run = ana.post("/emails/generate", &json!({"session_id": session})).await.expect(StatusCode::ACCEPTED);
        assert_eq!(run["session_id"], session.as_str());
        ben.get(&format!("/runs/{}", text(&run, "id"))).await.problem(404, "RUN_NOT_FOUND");
        Answer::of(ana.request(Method::DELETE, &format!("/chat/sessions/{session}")))
            .await
            .problem(409, "INVALID_STATE");
    })
    .await;
}

#[tokio::test]
async fn the_same_key_is_one_run_however_often_it_comes() {
    Door::run(async |door| {
        let ana = door.ana();
        let body = json!({"instructions": "Be brief"});
        let answers = futures::future::join_all((0..8).map(|_| ana.post_once("k", "/emails/generate", &body))).await;
        let replayed = answers.iter().filter(|answer| answer.header("idempotent-replayed").is_some()).count();
        let mut targets: Vec<String> =
            answers.into_iter().map(|answer| answer.expect(StatusCode::ACCEPTED)["target"]["id"].to_string()).collect();
        targets.dedup();
        assert_eq!((targets.len(), replayed), (1, 7));
        assert_eq!(door.bench.value::<i64>("SELECT count(*) FROM pipeline_runs").await, 1);
        ana.post_once("k", "/emails/generate", &json!({})).await.problem(422, "IDEMPOTENCY_KEY_REUSED");
        ana.post_once("k", "/scripts/generate", &body).await.problem(422, "IDEMPOTENCY_KEY_REUSED");
    })
    .await;
}

#[tokio::test]
async fn a_generation_whose_commit_lost_its_answer_is_accepted_once() {
    Door::run_behind_proxy(async |door, proxy| {
        let ana = door.ana();
        ana.get("/auth/me").await.expect(StatusCode::OK);
        // The first COMMIT is the rank's: its submit is told to come back, and nothing stands.
        proxy.control().swallow_answer("COMMIT");
        let first = ana.post_once("k", "/emails/generate", &json!({})).await;
        assert!(proxy.control().has_swallowed());
        assert!(
            first.status == StatusCode::ACCEPTED || first.status == StatusCode::SERVICE_UNAVAILABLE,
            "{}",
            first.body
        );
        ana.post_once("k", "/emails/generate", &json!({})).await.expect(StatusCode::ACCEPTED);
        assert_eq!(door.bench.value::<i64>("SELECT count(*) FROM pipeline_runs").await, 1);
    })
    .await;
}

#[tokio::test]
async fn an_organisation_with_too_much_waiting_comes_back_later() {
    Door::run_with(
        |config| config.max_backlog = 2,
        async |door| {
            let ana = door.ana();
            for _ in 0..2 {
                ana.post("/emails/generate", &json!({})).await.expect(StatusCode::ACCEPTED);
            }
            let before = door.rows().await;
            let refused = ana.post_once("k", "/emails/generate", &json!({})).await;
            refused.problem(429, "RATE_LIMITED");
            assert_eq!(refused.header("retry-after"), Some("10"));
            assert_eq!(door.rows().await, before);
            // Another organisation isn't held up, and neither is chat.
            door.person("Other", "Eve", Role::Member)
                .post("/emails/generate", &json!({}))
                .await
                .expect(StatusCode::ACCEPTED);
            ana.say(&ana.session().await, "hello").await;
            door.bench.sql("SELECT setval('queue_v_1', 2000000)").await;
            ana.post_once("k", "/emails/generate", &json!({})).await.expect(StatusCode::ACCEPTED);
        },
    )
    .await;
}

#[tokio::test]
async fn a_text_is_written_anew_from_its_latest_version_by_one_run_at_a_time() {
    Door::run(async |door| {
        let ana = door.ana();
        let client = made(&ana, "/clients", "Ana Reyes").await;
        let email = email(&ana, json!({"client_id": client, "email_type": "proposal"})).await;
        let path = format!("/emails/{}", text(&email, "id"));
        let latest = patch(&ana, &path, &json!({"body": "second"})).await.expect(StatusCode::OK);
        let again = format!("{path}/regenerate");
        let (shorter, none) = (json!({"instructions": "shorter"}), json!({}));
        let (one, other) = tokio::join!(ana.post(&again, &shorter), ana.post(&again, &none));
        let (won, lost) = if one.status == StatusCode::ACCEPTED { (one, other) } else { (other, one) };
        lost.problem(409, "INVALID_STATE");
        let run = won.expect(StatusCode::ACCEPTED);
        assert_eq!(run["target"], json!({"type": "email", "id": email["id"], "sequence_number": null}));
        let input: Value = door.bench.value("SELECT input FROM pipeline_runs").await;
        assert_eq!((&input["previous"], &input["client_id"]), (&latest["version_id"], &json!(client)));
        assert_eq!((&input["email_type"], &input["email_id"]), (&json!("proposal"), &email["id"]));
        ana.post(&format!("/runs/{}/cancel", text(&run, "id")), &json!({})).await.expect(StatusCode::OK);
        // Who wants nothing different says nothing.
        let silent = Answer::of(ana.request(Method::POST, &again)).await.expect(StatusCode::ACCEPTED);
        ana.post(&format!("/runs/{}/cancel", text(&silent, "id")), &json!({})).await.expect(StatusCode::OK);
        Answer::of(ana.request(Method::POST, &again).body("{}")).await.problem(415, "UNSUPPORTED_MEDIA_TYPE");
        Answer::of(ana.request(Method::POST, "/emails/generate")).await.problem(415, "UNSUPPORTED_MEDIA_TYPE");
        ana.post(&again, &json!({"instructions": "longer"})).await.expect(StatusCode::ACCEPTED);
        // Who it is to can't be told any more.
        let run = ana.get("/runs?limit=1").await.expect(StatusCode::OK)["data"][0].clone();
        ana.post(&format!("/runs/{}/cancel", text(&run, "id")), &json!({})).await.expect(StatusCode::OK);
        let away = ana.request(Method::PATCH, &format!("/clients/{client}")).json(&json!({"is_active": false}));
        Answer::of(away).await.expect(StatusCode::OK);
        ana.post(&again, &json!({})).await.problem(409, "INVALID_STATE");
    })
    .await;
}
