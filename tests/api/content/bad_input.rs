//! The kinds of bad input: a 4xx that names the field, and nothing is written.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{change, made, patch, written};
use crate::api::door::{Answer, Door};

#[tokio::test]
async fn a_value_that_does_not_fit_is_named() {
    Door::run(async |door| {
        let ana = door.ana();
        let deep = (0..9).fold(json!(1), |inner, _| json!({"x": inner}));
        let both = [
            (json!({"name": 7}), "/name", "wrong_type"),
            (json!({"name": ""}), "/name", "blank"),
            (json!({"name": " \n"}), "/name", "blank"),
            (json!({"name": "é".repeat(256)}), "/name", "too_long"),
            (json!({"name": "a\u{0}b"}), "/name", "null_character"),
            (json!({"name": "a", "org_id": uuid::Uuid::now_v7()}), "/org_id", "unknown_field"),
            (json!({"name": "a", "version": 2}), "/version", "unknown_field"),
            (json!({"name": "a", "is_active": "yes"}), "/is_active", "wrong_type"),
            (json!({"name": "a", "is_active": null}), "/is_active", "wrong_type"),
        ];
        let products = [
            (json!({"name": "a", "category": "é".repeat(101)}), "/category", "too_long"),
            (json!({"name": "a", "key_features": {"x": 1}}), "/key_features", "wrong_type"),
            (json!({"name": "a", "key_features": ["x", null]}), "/key_features/1", "wrong_type"),
            (json!({"name": "a", "pricing_info": 49}), "/pricing_info", "wrong_type"),
            (json!({"name": "a", "pricing_info": [49]}), "/pricing_info", "wrong_type"),
            (json!({"name": "a", "pricing_info": {"x": "y".repeat(17_000)}}), "/pricing_info", "too_long"),
            (json!({"name": "a", "pricing_info": deep}), "/pricing_info", "too_deep"),
            (json!({"name": "a", "pricing_info": {"x\u{0}": 1}}), "/pricing_info/x\u{fffd}", "null_character"),
            (json!({"name": "a", "description": "é".repeat(10_001)}), "/description", "too_long"),
            (json!({"name": "a", "email": "a@b.example"}), "/email", "unknown_field"),
        ];
        let clients = [
            (json!({"name": "a", "email": "=HYPERLINK(\"http://x\")"}), "/email", "not_an_email"),
            (json!({"name": "a", "email": "a@b.example\r\nBcc: c@d.example"}), "/email", "not_an_email"),
            (json!({"name": "a", "external_id": ""}), "/external_id", "blank"),
            (json!({"name": "a", "external_id": 17}), "/external_id", "wrong_type"),
            (json!({"name": "a", "company": "é".repeat(256)}), "/company", "too_long"),
            (json!({"name": "a", "goals": vec!["x"; 51]}), "/goals", "too_many"),
        ];
        let product = made(&ana, "/products", &json!({"name": "there"})).await;
        let client = made(&ana, "/clients", &json!({"name": "there"})).await;
        let before = written(door).await;
        for (list, one, cases) in [("/products", &product, &products[..]), ("/clients", &client, &clients[..])] {
            ana.post(list, &json!({})).await.fault("/name", "required");
            patch(&ana, one, &json!({"name": null})).await.fault("/name", "wrong_type");
            for (body, pointer, code) in both.iter().chain(cases) {
                ana.post(list, body).await.fault(pointer, code);
                patch(&ana, one, body).await.fault(pointer, code);
            }
            assert_eq!(ana.get(one).await.expect(StatusCode::OK)["version"], 1);
        }
        assert_eq!(written(door).await, before);
        let several = ana.post("/clients", &json!({"name": " ", "email": "x", "goals": [""]})).await;
        for (pointer, code) in [("/name", "blank"), ("/email", "not_an_email"), ("/goals/0", "blank")] {
            several.fault(pointer, code);
        }
    })
    .await;
}

#[tokio::test]
async fn names_are_counted_in_characters_and_stored_as_they_are() {
    Door::run(async |door| {
        let ana = door.ana();
        let long = "é".repeat(255);
        let faces = "😀".repeat(255);
        for name in [
            "x",
            &long,
            &faces,
            "'; DROP TABLE clients; --",
            "<script>alert(1)</script>",
            "\u{202e}abc",
            "שלום עולם",
            "👩‍👩‍👧 & co",
            "=HYPERLINK(\"http://x\",\"y\")",
            "  padded  ",
        ] {
            for list in ["/products", "/clients"] {
                let path = made(&ana, list, &json!({"name": name})).await;
                assert_eq!(ana.get(&path).await.expect(StatusCode::OK)["name"], name);
            }
        }
        let stored: Vec<String> = door.bench.db.owner().await.column("SELECT DISTINCT name FROM products").await;
        assert_eq!(stored.len(), 10);
        assert!(stored.contains(&faces));
    })
    .await;
}

#[tokio::test]
async fn a_body_that_is_no_json_is_400_and_of_another_type_415() {
    Door::run(async |door| {
        let ana = door.ana();
        let path = made(&ana, "/products", &json!({"name": "x"})).await;
        let before = written(door).await;
        for (method, path) in [
            (Method::POST, "/products"),
            (Method::POST, "/clients"),
            (Method::PATCH, path.as_str()),
            (Method::PUT, "/company-profile"),
            (Method::PATCH, "/company-profile"),
        ] {
            let send = async |content_type: &str, body: &[u8]| {
                let request = ana.request(method.clone(), path).header("if-match", "*");
                Answer::of(request.header("content-type", content_type).body(body.to_vec())).await
            };
            for body in [&b""[..], b"{", b"{} x", b"{\"name\":\"\xff\"}", br#"{"name":"\ud800"}"#, b"{\"name\":1e400}"]
            {
                send("application/json", body).await.problem(400, "MALFORMED_REQUEST");
            }
            send("text/csv", b"{}").await.problem(415, "UNSUPPORTED_MEDIA_TYPE");
            send("application/json", b"[]").await.problem(422, "VALIDATION_FAILED");
            send("application/json", br#"{"notes":"a","notes":"b"}"#).await.fault("/notes", "duplicate_field");
            let large = format!("{{\"name\":\"{}\"}}", "a".repeat(2 * 1024 * 1024));
            send("application/json", large.as_bytes()).await.problem(413, "PAYLOAD_TOO_LARGE");
        }
        let gone = change(&ana, Method::DELETE, &path, (None, Some(&Value::Bool(true)))).await;
        gone.problem(422, "VALIDATION_FAILED");
        ana.post("/products/", &json!({"name": "x"})).await.problem(404, "NOT_FOUND");
        change(&ana, Method::PUT, &path, (None, None)).await.problem(405, "METHOD_NOT_ALLOWED");
        assert_eq!(written(door).await, before);
    })
    .await;
}

#[tokio::test]
async fn the_document_says_what_content_takes() {
    Door::run(async |door| {
        let document = door.ana().get("/openapi.json").await.expect(StatusCode::OK);
        for name in ["NewProduct", "NewClient", "ProductChange", "ClientChange", "CompanyProfileChange"] {
            let schema = &document["components"]["schemas"][name];
            assert_eq!(schema["additionalProperties"], false, "{name}");
            let required = if name.starts_with("New") { json!(["name"]) } else { Value::Null };
            assert_eq!(schema["required"], required, "{name}");
        }
        let body = &document["paths"]["/clients"]["post"]["requestBody"]["content"]["application/json"]["schema"];
        assert_eq!(body["$ref"], "#/components/schemas/NewClient");
        let tag = |method: &str, path: &str| {
            let parameters = document["paths"][path][method]["parameters"].as_array().expect("parameters").clone();
            parameters.into_iter().find(|one| one["name"] == "If-Match").expect("If-Match")["required"].clone()
        };
        assert_eq!((tag("put", "/company-profile"), tag("patch", "/products/{id}")), (json!(true), json!(false)));
    })
    .await;
}
