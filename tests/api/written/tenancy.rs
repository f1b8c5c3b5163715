//! Of others, nothing is seen and nothing is changed; and who may do what.

use hellosales_simulator::{Role, TokenRequest};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{email, made, text};
use crate::api::door::{Answer, Door};

/// An answer without what every request has of its own.
fn bare(answer: Answer) -> (StatusCode, Value) {
    let mut body = answer.body;
    if let Some(members) = body.as_object_mut() {
        members.retain(|name, _| !["request_id", "timestamp"].contains(&name.as_str()));
    }
    (answer.status, body)
}

#[tokio::test]
async fn what_is_anothers_is_like_what_is_not_there() {
    Door::run(async |door| {
        let (ana, eve) = (door.ana(), door.person("Other", "Eve", Role::Admin));
        let theirs = text(&email(&ana, json!({})).await, "id");
        let script =
            ana.post("/scripts", &json!({"name": "Call", "content": "Hello"})).await.expect(StatusCode::CREATED);
        let absent = uuid::Uuid::now_v7().to_string();
        for (noun, theirs) in [("emails", theirs), ("scripts", text(&script, "id"))] {
            for (method, tail, body) in [
                (Method::GET, "", None),
                (Method::GET, "/versions", None),
                (Method::GET, "/versions/1", None),
                (Method::GET, "/versions/1/changes", None),
                (Method::PATCH, "", Some(json!({"name": "mine"}))),
                (Method::DELETE, "", None),
                (Method::POST, "/regenerate", Some(json!({}))),
            ] {
                let ask = async |id: &str| {
                    let request = eve.request(method.clone(), &format!("/{noun}/{id}{tail}")).header("if-match", "*");
                    bare(
                        Answer::of(match &body {
                            Some(body) => request.json(body),
                            None => request,
                        })
                        .await,
                    )
                };
                let (found, missing) = (ask(&theirs).await, ask(&absent).await);
                assert_eq!(found, missing);
                assert_eq!(found.0, StatusCode::NOT_FOUND, "{noun}{tail}");
            }
            assert_eq!(eve.get(&format!("/{noun}?is_active=all")).await.expect(StatusCode::OK)["total"], 0);
            assert_eq!(ana.get(&format!("/{noun}/{theirs}")).await.expect(StatusCode::OK)["version"], 1);
        }
        assert_eq!(door.bench.value::<i64>("SELECT count(*) FROM pipeline_runs").await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_product_or_client_of_others_is_like_one_that_is_not_there() {
    Door::run(async |door| {
        let (ana, eve) = (door.ana(), door.person("Other", "Eve", Role::Admin));
        let mine = text(&email(&eve, json!({})).await, "id");
        for (path, field, code) in
            [("/products", "product_id", "PRODUCT_NOT_FOUND"), ("/clients", "client_id", "CLIENT_NOT_FOUND")]
        {
            let theirs = made(&ana, path, "Beacon").await;
            let absent = uuid::Uuid::now_v7().to_string();
            let routes = [
                (Method::POST, "/emails".to_owned(), json!({"name": "n", "subject": "s", "body": "b"})),
                (Method::POST, "/scripts".to_owned(), json!({"name": "n", "content": "c"})),
                (Method::PATCH, format!("/emails/{mine}"), json!({})),
                (Method::POST, "/emails/generate".to_owned(), json!({})),
                (Method::POST, "/scripts/generate".to_owned(), json!({})),
                (Method::POST, "/chat/sessions".to_owned(), json!({})),
            ];
            let mut answers = Vec::new();
            for (method, path, mut body) in routes {
                for id in [&theirs, &absent] {
                    body[field] = json!(id);
                    let request = eve.request(method.clone(), &path).header("if-match", "*").json(&body);
                    let answer = Answer::of(request).await;
                    answer.problem(404, code);
                    answers.push(bare(answer));
                }
            }
            answers.dedup();
            assert_eq!(answers.len(), 1, "{answers:?}");
        }
        let rows = "SELECT (SELECT count(*) FROM sales_emails) + (SELECT count(*) FROM sales_scripts) + (SELECT count(*) FROM pipeline_runs)
            + (SELECT count(*) FROM sessions)";
        assert_eq!(door.bench.value::<i64>(rows).await, 1);
    })
    .await;
}

#[tokio::test]
async fn each_permission_opens_its_own_doors() {
    Door::run(async |door| {
        let with = |permissions: &[&str]| {
            let mut request = TokenRequest::new("Acme", "Ana", Role::Member);
            request.permissions = permissions.iter().map(|name| (*name).to_owned()).collect();
            door.bearer(door.issuer.token(&request))
        };
        let id = text(&email(&door.ana(), json!({})).await, "id");
        let doors = [
            (Method::GET, "/emails".to_owned(), json!(null), "content:read"),
            (Method::GET, format!("/emails/{id}"), json!(null), "content:read"),
            (Method::GET, format!("/emails/{id}/versions"), json!(null), "content:read"),
            (Method::GET, format!("/emails/{id}/versions/1"), json!(null), "content:read"),
            (Method::GET, format!("/emails/{id}/versions/1/changes"), json!(null), "content:read"),
            (Method::GET, "/scripts".to_owned(), json!(null), "content:read"),
            (Method::POST, "/scripts".to_owned(), json!({"name": "n", "content": "c"}), "content:write"),
            (Method::POST, "/emails".to_owned(), json!({"name": "n", "subject": "s", "body": "b"}), "content:write"),
            (Method::PATCH, format!("/emails/{id}"), json!({"name": "m"}), "content:write"),
            (Method::POST, "/emails/generate".to_owned(), json!({}), "generate"),
            (Method::POST, "/scripts/generate".to_owned(), json!({}), "generate"),
            (Method::POST, format!("/emails/{id}/regenerate"), json!({}), "generate"),
        ];
        let all = ["chat:use", "content:read", "content:write", "generate", "batch:manage", "pulse:read"];
        for (method, path, body, needed) in doors {
            for (who, may) in
                [(vec![needed], true), (all.iter().copied().filter(|one| *one != needed).collect(), false)]
            {
                let request = with(&who).request(method.clone(), &path).header("if-match", "*");
                let answer = Answer::of(if body.is_null() { request } else { request.json(&body) }).await;
                if may {
                    assert!(answer.status.is_success(), "{path} {}", answer.body);
                } else {
                    answer.problem(403, "INSUFFICIENT_PERMISSIONS");
                }
            }
        }
    })
    .await;
}
