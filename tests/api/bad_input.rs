//! The kinds of bad input, and their answers: a 4xx that names the field, and nothing is written.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::door::{Answer, Door, Person};

async fn raw(person: &Person, path: &str, content_type: Option<&str>, body: impl Into<reqwest::Body>) -> Answer {
    let request = person.request(Method::POST, path).body(body);
    Answer::of(match content_type {
        Some(content_type) => request.header("content-type", content_type),
        None => request,
    })
    .await
}

#[tokio::test]
async fn a_body_that_is_no_json_is_400_and_of_another_type_415() {
    Door::run(async |door| {
        let ana = door.ana();
        let path = format!("/chat/sessions/{}/messages", ana.session().await);
        let before = door.rows().await;
        let deep = format!("{{\"message\":{}{}}}", "[".repeat(150), "]".repeat(150));
        for body in [
            &b""[..],
            b"{",
            b"{\"message\":\"a\"} x",
            b"\xef\xbb\xbf{}",
            b"{\"message\":\"\xff\"}",
            b"{\"message\":\"\x00\"}",
            br#"{"message":"\ud800"}"#,
            b"{\"message\":NaN}",
            b"{\"temperature\":1e400}",
            deep.as_bytes(),
        ] {
            raw(&ana, &path, Some("application/json"), body.to_vec()).await.problem(400, "MALFORMED_REQUEST");
        }
        for content_type in
            [None, Some("text/plain"), Some("application/json; charset=latin1"), Some("application/xml")]
        {
            raw(&ana, &path, content_type, "{}").await.problem(415, "UNSUPPORTED_MEDIA_TYPE");
        }
        let gzip = ana.request(Method::POST, &path).header("content-encoding", "gzip").json(&json!({"message": "a"}));
        Answer::of(gzip).await.problem(415, "UNSUPPORTED_MEDIA_TYPE");
        assert_eq!(door.rows().await, before);
    })
    .await;
}

#[tokio::test]
async fn a_value_that_does_not_fit_is_named() {
    Door::run(async |door| {
        let ana = door.ana();
        let session = ana.session().await;
        let path = format!("/chat/sessions/{session}/messages");
        let before = door.rows().await;
        let cases: [(Value, &str, &str); 16] = [
            (json!({}), "/message", "required"),
            (json!({"message": null}), "/message", "required"),
            (json!({"message": 7}), "/message", "wrong_type"),
            (json!({"message": " \n\t\u{3000}"}), "/message", "blank"),
            (json!({"message": ""}), "/message", "blank"),
            (json!({"message": "x".repeat(10_001)}), "/message", "too_long"),
            (json!({"message": "a\u{0}b"}), "/message", "null_character"),
            (json!({"message": "a", "mesage_id": "x"}), "/mesage_id", "unknown_field"),
            (json!({"message": "a", "message_id": "x".repeat(101)}), "/message_id", "too_long"),
            (json!({"message": "a", "temperature": 2.01}), "/temperature", "out_of_range"),
            (json!({"message": "a", "temperature": -0.1}), "/temperature", "out_of_range"),
            (json!({"message": "a", "temperature": "1"}), "/temperature", "wrong_type"),
            (json!({"message": "a", "max_tokens": 0}), "/max_tokens", "out_of_range"),
            (json!({"message": "a", "max_tokens": 8193}), "/max_tokens", "out_of_range"),
            (json!({"message": "a", "max_tokens": 1.5}), "/max_tokens", "wrong_type"),
            (json!({"message": "a", "quality_mode": "best"}), "/quality_mode", "unknown_value"),
        ];
        for (body, pointer, code) in cases {
            ana.post(&path, &body).await.fault(pointer, code);
        }
        let both = ana.post(&path, &json!({"message": " ", "max_tokens": 0})).await;
        assert_eq!(both.body["errors"].as_array().map(Vec::len), Some(2));
        raw(&ana, &path, Some("application/json"), r#"{"message":"a","message":"b"}"#)
            .await
            .fault("/message", "duplicate_field");
        ana.post(&path, &json!({"message": "a", "replaces": "x"})).await.problem(400, "MALFORMED_REQUEST");
        ana.post(&path, &json!(["message"])).await.problem(422, "VALIDATION_FAILED");
        let metadata = json!({"metadata": {"x": "y".repeat(16 * 1024)}});
        ana.post("/chat/sessions", &metadata).await.fault("/metadata", "too_long");
        ana.post("/chat/sessions", &json!({"metadata": []})).await.fault("/metadata", "wrong_type");
        ana.post("/chat/sessions", &json!({"metadata": {"a": {"b\u{0}": 1}}})).await.problem(422, "VALIDATION_FAILED");
        ana.post("/chat/sessions", &json!({"title": "x".repeat(256)})).await.fault("/title", "too_long");
        let nobody = uuid::Uuid::now_v7();
        ana.post("/chat/sessions", &json!({"product_id": nobody})).await.problem(404, "PRODUCT_NOT_FOUND");
        ana.post("/chat/sessions", &json!({"client_id": nobody})).await.problem(404, "CLIENT_NOT_FOUND");
        assert_eq!(door.rows().await, before);
    })
    .await;
}

#[tokio::test]
async fn the_bounds_themselves_are_good_and_odd_text_is_stored_as_it_is() {
    Door::run(async |door| {
        let ana = door.ana();
        let session = ana.session().await;
        let path = format!("/chat/sessions/{session}/messages");
        let odd = "'; DROP TABLE x; <script>alert(1)</script> \u{202e} 😀";
        let body = json!({"message": odd, "message_id": "x".repeat(100), "temperature": 2, "max_tokens": 8192});
        ana.post(&path, &body).await.expect(StatusCode::ACCEPTED);
        ana.post(&path, &json!({"message": "ä".repeat(10_000), "temperature": 0, "max_tokens": 1}))
            .await
            .expect(StatusCode::ACCEPTED);
        let history = ana.get(&format!("/chat/sessions/{session}/history")).await.expect(StatusCode::OK);
        assert_eq!(history["data"][0]["content"], odd);
        let title = ana.get(&format!("/chat/sessions/{session}")).await.expect(StatusCode::OK);
        assert!(title["title"].as_str().is_some_and(|title| title.starts_with("'; DROP")));
    })
    .await;
}

#[tokio::test]
async fn ids_queries_cursors_and_keys_are_read_strictly() {
    Door::run(async |door| {
        let ana = door.ana();
        let session = ana.session().await;
        for path in [
            "/runs/x",
            "/chat/sessions/0199/history",
            "/runs/{0199}",
            "/runs/%ff",
            "/runs/00000000000000000000000000000000",
        ] {
            ana.get(path).await.problem(400, "MALFORMED_REQUEST");
        }
        for (query, pointer) in [
            ("limit=0", "/limit"),
            ("limit=101", "/limit"),
            ("limit=x", "/limit"),
            ("status=odd", "/status"),
            ("nope=1", "/nope"),
            ("limit=1&limit=1", "/limit"),
            ("sort=name", "/sort"),
            ("org_id=1", "/org_id"),
        ] {
            let answer = ana.get(&format!("/runs?{query}")).await;
            answer.problem(422, "VALIDATION_FAILED");
            assert_eq!(answer.body["errors"][0]["pointer"], pointer, "{query}");
        }
        ana.get("/runs?cursor=AAAA").await.problem(400, "MALFORMED_REQUEST");
        ana.get("/runs?session_id=x").await.problem(400, "MALFORMED_REQUEST");
        ana.get(&format!("/runs/{session}?wait=61")).await.problem(422, "VALIDATION_FAILED");
        let before = door.rows().await;
        for key in ["", &"x".repeat(256), "schlüssel"] {
            let value = reqwest::header::HeaderValue::from_bytes(key.as_bytes()).expect("a header");
            let request = ana.request(Method::POST, "/chat/sessions").header("Idempotency-Key", value).json(&json!({}));
            Answer::of(request).await.problem(400, "MALFORMED_REQUEST");
        }
        assert_eq!(door.rows().await, before);
    })
    .await;
}

/// Every route that there is.
const ROUTES: &[&str] = &[
    "/auth/me",
    "/chat/sessions",
    "/chat/sessions/{id}",
    "/chat/sessions/{id}/end",
    "/chat/sessions/{id}/history",
    "/chat/sessions/{id}/messages",
    "/clients",
    "/clients/import",
    "/clients/imports/{id}",
    "/clients/{id}",
    "/company-profile",
    "/email-batches",
    "/email-batches/estimate",
    "/email-batches/{id}",
    "/email-batches/{id}/approve",
    "/email-batches/{id}/cancel",
    "/email-batches/{id}/events",
    "/email-batches/{id}/pause",
    "/email-batches/{id}/results",
    "/email-batches/{id}/results.csv",
    "/email-batches/{id}/resume",
    "/email-batches/{id}/retry-failed",
    "/email-batches/{id}/sample",
    "/emails",
    "/emails/generate",
    "/emails/{id}",
    "/emails/{id}/regenerate",
    "/emails/{id}/versions",
    "/emails/{id}/versions/{n}",
    "/emails/{id}/versions/{n}/changes",
    "/events",
    "/health",
    "/products",
    "/products/{id}",
    "/pulse/dead-letter-queue",
    "/pulse/dead-letter-queue/bulk",
    "/pulse/dead-letter-queue/{id}",
    "/pulse/dead-letter-queue/{id}/redrive",
    "/pulse/dead-letter-queue/{id}/retry",
    "/pulse/operations",
    "/pulse/operations/{id}",
    "/pulse/operations/{id}/abort",
    "/ready",
    "/runs",
    "/runs/{id}",
    "/runs/{id}/cancel",
    "/runs/{id}/events",
    "/runs/{id}/retry",
    "/scripts",
    "/scripts/generate",
    "/scripts/{id}",
    "/scripts/{id}/regenerate",
    "/scripts/{id}/versions",
    "/scripts/{id}/versions/{n}",
    "/scripts/{id}/versions/{n}/changes",
];

#[tokio::test]
async fn an_unknown_route_is_404_and_an_unknown_method_405() {
    Door::run(async |door| {
        let ana = door.ana();
        ana.get("/nowhere").await.problem(404, "NOT_FOUND");
        let answer = Answer::of(ana.request(Method::PUT, "/chat/sessions")).await;
        answer.problem(405, "METHOD_NOT_ALLOWED");
        assert!(answer.header("allow").is_some_and(|allow| allow.contains("GET") && allow.contains("POST")));
        let options = ana.request(Method::OPTIONS, "/runs").send().await.expect("an answer");
        assert_eq!(options.status(), StatusCode::NO_CONTENT);
        assert!(options.headers().contains_key("allow"));
        let head = ana.request(Method::HEAD, "/runs").send().await.expect("an answer");
        assert_eq!(head.status(), StatusCode::OK);
        for (name, value) in [("x-content-type-options", "nosniff"), ("cache-control", "no-store")] {
            assert_eq!(head.headers()[name], value);
        }
        assert!(
            head.headers().contains_key("strict-transport-security")
                && head.headers().contains_key("content-security-policy")
        );
        let document = ana.get("/openapi.json").await.expect(StatusCode::OK);
        let listed: Vec<&str> = document["paths"].as_object().expect("paths").keys().map(String::as_str).collect();
        assert_eq!(listed, ROUTES);
    })
    .await;
}
