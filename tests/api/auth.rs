//! Who gets in, and where.

use std::time::Duration;

use hellosales_simulator::{Issuer, Role, TokenRequest};
use reqwest::{Method, StatusCode};
use serde_json::json;
use uuid::Uuid;

use super::door::{Answer, Door};

/// Every route that needs a token, with an id that nobody has.
fn routes() -> Vec<(Method, String)> {
    let id = Uuid::now_v7();
    vec![
        (Method::GET, "/auth/me".to_owned()),
        (Method::GET, "/chat/sessions".to_owned()),
        (Method::POST, "/chat/sessions".to_owned()),
        (Method::GET, format!("/chat/sessions/{id}")),
        (Method::PATCH, format!("/chat/sessions/{id}")),
        (Method::DELETE, format!("/chat/sessions/{id}")),
        (Method::POST, format!("/chat/sessions/{id}/end")),
        (Method::GET, format!("/chat/sessions/{id}/history")),
        (Method::POST, format!("/chat/sessions/{id}/messages")),
        (Method::GET, "/runs".to_owned()),
        (Method::GET, format!("/runs/{id}")),
        (Method::GET, format!("/runs/{id}/events")),
        (Method::POST, format!("/runs/{id}/cancel")),
        (Method::POST, format!("/runs/{id}/retry")),
    ]
}

#[tokio::test]
async fn no_route_answers_without_a_token_that_is_good_here() {
    Door::run(async |door| {
        let stranger = Issuer::ephemeral().expect("a key").token(&TokenRequest::new("Acme", "Ana", Role::Admin));
        for (method, path) in routes() {
            let request = reqwest::Client::new().request(method.clone(), format!("http://{}{path}", door.address));
            let answer = Answer::of(request).await;
            answer.problem(401, "TOKEN_MISSING");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
            let answer = Answer::of(door.bearer(stranger.clone()).request(method, &path)).await;
            answer.problem(401, "TOKEN_INVALID");
        }
        assert_eq!(door.rows().await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_token_without_permissions_opens_nothing_but_auth_me() {
    Door::run(async |door| {
        let mut request = TokenRequest::new("Acme", "Ana", Role::Admin);
        request.permissions = Vec::new();
        let nobody = door.bearer(door.issuer.token(&request));
        for (method, path) in routes().into_iter().skip(1) {
            Answer::of(nobody.request(method, &path)).await.problem(403, "INSUFFICIENT_PERMISSIONS");
        }
        assert_eq!(nobody.get("/auth/me").await.expect(StatusCode::OK)["permissions"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn an_expired_token_says_so_and_one_for_no_organisation_is_forbidden() {
    Door::run(async |door| {
        let claims = TokenRequest::new("Acme", "Ana", Role::Member).claims();
        let header = json!({"alg": "RS256", "kid": door.issuer.kid()});
        let mut expired = claims.clone();
        expired["exp"] = json!(1_000_000_000);
        door.bearer(door.issuer.sign(&header, &expired)).get("/auth/me").await.problem(401, "TOKEN_EXPIRED");
        let mut homeless = claims;
        homeless.as_object_mut().expect("claims").remove("org_id");
        door.bearer(door.issuer.sign(&header, &homeless)).get("/auth/me").await.problem(403, "ORG_REQUIRED");
    })
    .await;
}

#[tokio::test]
async fn the_rows_of_a_person_are_made_at_first_sight_once() {
    Door::run(async |door| {
        let ana = door.ana();
        let (first, second) = tokio::join!(ana.get("/auth/me"), ana.get("/auth/me"));
        let me = first.expect(StatusCode::OK);
        assert_eq!(me, second.expect(StatusCode::OK));
        assert_eq!((me["object"].as_str(), me["organization"]["name"].as_str()), (Some("me"), Some("Acme")));
        assert_eq!((me["role"].as_str(), me["user"]["name"].as_str()), (Some("member"), Some("Ana")));
        // The bench's own, and Ana's.
        let counts: i64 = door
            .bench
            .value("SELECT count(*) FROM organizations, users WHERE name = 'Acme' AND display_name = 'Ana'")
            .await;
        assert_eq!(counts, 1);
        let elsewhere = door.person("Other", "Ana", Role::Member).get("/auth/me").await.expect(StatusCode::OK);
        assert_eq!(elsewhere["user"]["id"], me["user"]["id"]);
        assert_ne!(elsewhere["organization"]["id"], me["organization"]["id"]);
    })
    .await;
}

#[tokio::test]
async fn what_others_have_answers_byte_for_byte_like_what_is_not_there() {
    Door::run(async |door| {
        let ana = door.ana();
        let session = ana.session().await;
        let run = ana.say(&session, "hello").await["id"].as_str().expect("an id").to_owned();
        let others = [door.person("Acme", "Ben", Role::Member), door.person("Other", "Eve", Role::Operator)];
        for other in others {
            for (method, path) in routes().into_iter().filter(|(_, path)| path.contains("-7")) {
                let absent = path.split('/').find(|part| part.len() == 36).expect("an id").to_owned();
                let there = if path.starts_with("/runs") { &run } else { &session };
                let mut bodies = Vec::new();
                for path in [path.clone(), path.replace(&absent, there)] {
                    let mut request = other.request(method.clone(), &path).header("x-request-id", "same");
                    if path.ends_with("messages") {
                        request = request.json(&json!({"message": "hi"}));
                    } else if method == Method::PATCH {
                        request = request.json(&json!({"title": "mine"}));
                    }
                    let mut answer = Answer::of(request).await;
                    assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method} {path}");
                    answer.body["timestamp"] = json!(null);
                    bodies.push(answer.body);
                }
                assert_eq!(bodies[0], bodies[1]);
            }
            assert_eq!(other.get("/runs").await.expect(StatusCode::OK)["total"], 0);
            assert_eq!(other.get("/chat/sessions").await.expect(StatusCode::OK)["total"], 0);
        }
        let admin = door.person("Acme", "Boss", Role::Admin);
        assert_eq!(admin.get(&format!("/runs/{run}")).await.status, StatusCode::OK);
        assert_eq!(admin.get(&format!("/chat/sessions/{session}/history")).await.status, StatusCode::OK);
    })
    .await;
}

#[tokio::test]
async fn without_keys_nobody_is_refused_for_good() {
    let nowhere = |config: &mut hellosales_api::ApiConfig| {
        config.jwks_urls = vec!["http://127.0.0.1:9/jwks.json".to_owned()];
    };
    Door::run_with(nowhere, async |door| {
        let answer = door.ana().get("/auth/me").await;
        answer.problem(503, "NOT_READY");
        assert!(answer.header("retry-after").is_some());
        door.ana().get("/ready").await.problem(503, "NOT_READY");
        assert_eq!(door.ana().get("/health").await.status, StatusCode::OK);
        // A browser never comes back to a stream that was answered with 503: it gets no answer, and tries again.
        let events = format!("/runs/{}/events", Uuid::now_v7());
        assert!(door.ana().request(Method::GET, &events).send().await.is_err());
    })
    .await;
}

#[tokio::test]
async fn a_stream_ends_when_its_token_does() {
    Door::run(async |door| {
        let mut request = TokenRequest::new("Acme", "Ana", Role::Member);
        request.expires_in = Duration::from_secs(2);
        let ana = door.bearer(door.issuer.token(&request));
        let session = ana.session().await;
        let run = ana.say(&session, "hello").await["id"].as_str().expect("an id").to_owned();
        let events = ana.follow(&run, None).await.rest().await;
        let last = events.last().expect("an event");
        assert_eq!((last.name.as_str(), last.data["reason"].as_str()), ("stream.closing", Some("token_expiring")));
        assert!(last.id.is_none());
    })
    .await;
}
