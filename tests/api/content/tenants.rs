//! Who may do what, and what another organisation sees: nothing.

use hellosales_simulator::{Role, TokenRequest};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{change, delete, made};
use crate::api::door::{Answer, Door, Person};

/// An answer without what differs from one request to the next.
fn plain(answer: Answer) -> (StatusCode, Vec<String>, Value) {
    let mut body = answer.body;
    for name in ["request_id", "timestamp"] {
        body[name] = Value::Null;
    }
    let mut headers: Vec<String> = answer
        .headers
        .iter()
        .filter(|(name, _)| !["x-request-id", "date"].contains(&name.as_str()))
        .map(|(name, value)| format!("{name}: {}", value.to_str().expect("text")))
        .collect();
    headers.sort();
    (answer.status, headers, body)
}

#[tokio::test]
async fn another_organisations_id_answers_as_one_that_is_not_there() {
    Door::run(async |door| {
        let (ana, eve) = (door.ana(), door.person("Other", "Eve", Role::Admin));
        for (list, code) in [("/products", "PRODUCT_NOT_FOUND"), ("/clients", "CLIENT_NOT_FOUND")] {
            let foreign = made(&ana, list, &json!({"name": "theirs"})).await;
            let absent = format!("{list}/{}", uuid::Uuid::now_v7());
            let body = json!({"name": "mine"});
            for (method, tag, body) in [
                (Method::GET, None, None),
                (Method::PATCH, None, Some(&body)),
                (Method::PATCH, Some("\"1\""), Some(&body)),
                (Method::PATCH, Some("\"9\""), Some(&body)),
                (Method::DELETE, None, None),
                (Method::DELETE, Some("*"), None),
            ] {
                let there = change(&eve, method.clone(), &foreign, (tag, body)).await;
                there.problem(404, code);
                assert_eq!(plain(there), plain(change(&eve, method, &absent, (tag, body)).await));
            }
            assert_eq!(eve.get(&format!("{list}?is_active=all")).await.expect(StatusCode::OK)["total"], 0);
            assert_eq!(ana.get(&foreign).await.expect(StatusCode::OK)["name"], "theirs");
        }
        ana.get("/products/7").await.problem(400, "MALFORMED_REQUEST");
    })
    .await;
}

fn with(door: &Door<'_>, permissions: &[&str]) -> Person {
    let mut request = TokenRequest::new("Acme", "Ana", Role::Member);
    request.permissions = permissions.iter().map(|name| (*name).to_owned()).collect();
    door.bearer(door.issuer.token(&request))
}

#[tokio::test]
async fn reading_and_writing_are_permissions_of_their_own() {
    Door::run(async |door| {
        let ana = door.ana();
        let reader = with(door, &["content:read"]);
        let other = with(door, &["chat:use", "generate", "batch:manage"]);
        for list in ["/products", "/clients"] {
            let path = made(&ana, list, &json!({"name": "x"})).await;
            reader.get(list).await.expect(StatusCode::OK);
            reader.get(&path).await.expect(StatusCode::OK);
            other.get(list).await.problem(403, "INSUFFICIENT_PERMISSIONS");
            other.get(&path).await.problem(403, "INSUFFICIENT_PERMISSIONS");
            for person in [&reader, &other] {
                person.post(list, &json!({"name": "y"})).await.problem(403, "INSUFFICIENT_PERMISSIONS");
                super::patch(person, &path, &json!({"name": "y"})).await.problem(403, "INSUFFICIENT_PERMISSIONS");
                delete(person, &path).await.problem(403, "INSUFFICIENT_PERMISSIONS");
            }
            assert_eq!(ana.get(&path).await.expect(StatusCode::OK)["version"], 1);
        }
        reader.get("/company-profile").await.expect(StatusCode::OK);
        other.get("/company-profile").await.problem(403, "INSUFFICIENT_PERMISSIONS");
        for method in [Method::PUT, Method::PATCH] {
            let answer = change(&reader, method, "/company-profile", (Some("*"), Some(&json!({"notes": "x"})))).await;
            answer.problem(403, "INSUFFICIENT_PERMISSIONS");
        }
    })
    .await;
}

#[tokio::test]
async fn nothing_is_served_without_a_token() {
    Door::run(async |door| {
        let nobody = door.bearer("x.y.z".to_owned());
        for path in ["/products", "/clients", "/company-profile"] {
            nobody.get(path).await.problem(401, "TOKEN_INVALID");
        }
    })
    .await;
}
