//! Another organisation's batch is like one that isn't there, byte for byte; and who may do what.

use hellosales_simulator::{Role, TokenRequest};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::door::{Answer, Door, Person};
use super::{clients, id, post, submit};

const ROUTES: [(Method, &str); 12] = [
    (Method::GET, ""),
    (Method::PATCH, ""),
    (Method::POST, "/sample"),
    (Method::POST, "/approve"),
    (Method::POST, "/pause"),
    (Method::POST, "/resume"),
    (Method::POST, "/cancel"),
    (Method::POST, "/retry-failed"),
    (Method::GET, "/results"),
    (Method::GET, "/results.csv"),
    (Method::GET, "/events"),
    (Method::GET, "/events?items=true&after=1"),
];

async fn ask(person: &Person, method: &Method, batch: &str, rest: &str) -> Answer {
    let request = person.request(method.clone(), &format!("/email-batches/{batch}{rest}"));
    let body = json!({"name": "mine now"});
    Answer::of(if *method == Method::PATCH { request.json(&body) } else { request }).await
}

#[tokio::test]
async fn another_organisations_batch_is_not_there() {
    Door::run(async |door| {
        let (ana, eve) = (door.ana(), door.person("Other", "Eve", Role::Admin));
        let ids = clients(door, &ana, 2).await;
        let batch = submit(&ana, &ids).await;
        let row = "SELECT md5(string_agg(b::text, '')) FROM email_batches b";
        let before: String = door.bench.value(row).await;
        let absent = Uuid::now_v7().to_string();
        let bare = |answer: &Answer| {
            let mut body = answer.body.clone();
            for name in ["request_id", "timestamp"] {
                body[name] = Value::Null;
            }
            (answer.status, body)
        };
        for (method, rest) in &ROUTES {
            let foreign = ask(&eve, method, id(&batch), rest).await;
            foreign.problem(404, "BATCH_NOT_FOUND");
            assert_eq!(bare(&foreign), bare(&ask(&eve, method, &absent, rest).await), "{method} {rest}");
            ask(&eve, method, "x", rest).await.problem(400, "MALFORMED_REQUEST");
        }
        assert_eq!(eve.get("/email-batches").await.expect(StatusCode::OK)["total"], 0);
        assert_eq!(door.bench.value::<String>(row).await, before);
    })
    .await;
}

#[tokio::test]
async fn a_token_must_allow_it_and_writing_costs_more() {
    Door::run(async |door| {
        let ana = door.ana();
        let ids = clients(door, &ana, 1).await;
        let batch = submit(&ana, &ids).await;
        let with = |permissions: &[&str]| {
            let mut request = TokenRequest::new("Acme", "Ana", Role::Member);
            request.permissions = permissions.iter().map(|one| (*one).to_owned()).collect();
            door.bearer(door.issuer.token(&request))
        };
        let (nobody, reader, manager) = (with(&["chat:use"]), with(&["pulse:read"]), with(&["batch:manage"]));
        let body = json!({"client_ids": ids, "email_type": "general"});
        for person in [&nobody, &reader, &manager] {
            post(person, &body).await.problem(403, "INSUFFICIENT_PERMISSIONS");
            person.post("/email-batches/estimate", &body).await.problem(403, "INSUFFICIENT_PERMISSIONS");
        }
        for (method, rest) in &ROUTES {
            ask(&nobody, method, id(&batch), rest).await.problem(403, "INSUFFICIENT_PERMISSIONS");
            if *method != Method::GET {
                ask(&reader, method, id(&batch), rest).await.problem(403, "INSUFFICIENT_PERMISSIONS");
            }
        }
        reader.get("/email-batches").await.expect(StatusCode::OK);
        nobody.get("/email-batches").await.problem(403, "INSUFFICIENT_PERMISSIONS");
        for what in ["sample", "approve", "retry-failed"] {
            ask(&manager, &Method::POST, id(&batch), &format!("/{what}"))
                .await
                .problem(403, "INSUFFICIENT_PERMISSIONS");
        }
        for what in ["pause", "resume", "cancel"] {
            ask(&manager, &Method::POST, id(&batch), &format!("/{what}")).await.expect(StatusCode::OK);
        }
    })
    .await;
}
