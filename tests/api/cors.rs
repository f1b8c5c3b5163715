//! Scripts in browsers, by their origin.

use reqwest::{Method, StatusCode};

use super::door::Door;

#[tokio::test]
async fn a_script_of_an_allowed_origin_may_use_every_route_and_one_of_another_none() {
    let allow = |config: &mut hellosales_api::ApiConfig| config.cors_origins = vec!["https://app.example".to_owned()];
    Door::run_with(allow, async |door| {
        let ana = door.ana();
        let ask = async |origin: &str, method: &str, path: &str| {
            let request = ana.request(Method::OPTIONS, path).header("origin", origin);
            request.header("access-control-request-method", method).send().await.expect("an answer")
        };
        let (session, run) =
            (format!("/chat/sessions/{}", uuid::Uuid::now_v7()), format!("/runs/{}", uuid::Uuid::now_v7()));
        for (method, path) in [
            ("POST", "/chat/sessions"),
            ("PATCH", session.as_str()),
            ("DELETE", session.as_str()),
            ("POST", &format!("{session}/messages")),
            ("POST", &format!("{run}/cancel")),
            ("GET", &format!("{run}/events")),
        ] {
            let answer = ask("https://app.example", method, path).await;
            let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
            assert_eq!(
                (answer.status(), header("access-control-allow-origin")),
                (StatusCode::NO_CONTENT, "https://app.example")
            );
            assert!(header("access-control-allow-methods").split(", ").any(|one| one == method), "{method} {path}");
            assert!(header("access-control-allow-headers").contains("Authorization"));
            let other = ask("https://app.example.evil", method, path).await;
            assert!(!other.headers().contains_key("access-control-allow-origin"));
        }
    })
    .await;
}
