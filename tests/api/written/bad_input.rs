//! What does not fit, and what looks odd and fits.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{email, patch, text};
use crate::api::door::Door;

#[tokio::test]
async fn a_value_that_does_not_fit_is_named_and_nothing_is_written() {
    Door::run(async |door| {
        let ana = door.ana();
        let whole = json!({"name": "n", "subject": "s", "body": "b"});
        let cases: [(&str, Value, &str, &str); 15] = [
            ("name", json!("x".repeat(256)), "/name", "too_long"),
            ("name", json!(" \u{3000}"), "/name", "blank"),
            ("name", Value::Null, "/name", "required"),
            ("name", json!("a\u{0}b"), "/name", "null_character"),
            ("subject", json!(7), "/subject", "wrong_type"),
            ("subject", json!("x".repeat(501)), "/subject", "too_long"),
            ("body", json!("x".repeat(50_001)), "/body", "too_long"),
            ("call_to_action", json!(""), "/call_to_action", "blank"),
            ("personalization_fields", json!("first_name"), "/personalization_fields", "wrong_type"),
            ("personalization_fields", json!([{"a": 1}]), "/personalization_fields/0", "wrong_type"),
            ("personalization_fields", json!(vec!["a"; 101]), "/personalization_fields", "too_many"),
            ("email_type", json!("cold_call"), "/email_type", "unknown_value"),
            ("is_active", json!("no"), "/is_active", "wrong_type"),
            ("content", json!("x"), "/content", "unknown_field"),
            ("version", json!(2), "/version", "unknown_field"),
        ];
        for (name, value, pointer, code) in cases {
            let mut body = whole.clone();
            body[name] = value;
            ana.post("/emails", &body).await.fault(pointer, code);
        }
        let script = |name: &str, value: Value| {
            let mut body = json!({"name": "n", "content": "c"});
            body[name] = value;
            body
        };
        for (name, value, pointer, code) in [
            ("objection_handlers", json!(["a"]), "/objection_handlers", "wrong_type"),
            ("objection_handlers", json!({"a": {"b": 1}}), "/objection_handlers", "wrong_type"),
            ("objection_handlers", json!({"a/b": " "}), "/objection_handlers/a~1b", "blank"),
            ("key_talking_points", json!([" "]), "/key_talking_points/0", "blank"),
            ("script_type", json!("proposal"), "/script_type", "unknown_value"),
        ] {
            ana.post("/scripts", &script(name, value)).await.fault(pointer, code);
        }
        ana.post("/emails", &json!({"name": "n", "subject": "s"})).await.fault("/body", "required");
        let rows = "SELECT (SELECT count(*) FROM sales_emails) + (SELECT count(*) FROM sales_scripts)";
        assert_eq!(door.bench.value::<i64>(rows).await, 0);
        let path = format!("/emails/{}", text(&email(&ana, json!({})).await, "id"));
        for name in ["name", "subject", "body", "personalization_fields", "email_type", "is_active"] {
            patch(&ana, &path, &json!({name: null})).await.fault(&format!("/{name}"), "wrong_type");
        }
        assert_eq!(door.bench.value::<i32>("SELECT max(revision) FROM sales_emails").await, 1);
    })
    .await;
}

#[tokio::test]
async fn long_turned_and_odd_texts_are_kept_as_they_are() {
    Door::run(async |door| {
        let ana = door.ana();
        for name in [
            "ä".repeat(255),
            "שלום לך, אנה".to_owned(),
            "a\u{202e}b".to_owned(),
            "🎉👩🏽‍💻 party".to_owned(),
            "=HYPERLINK(\"http://a.example\")".to_owned(),
            "'; DROP TABLE sales_emails; --".to_owned(),
            "<script>alert(1)</script>".to_owned(),
        ] {
            let made = email(&ana, json!({"name": name, "subject": name, "body": name})).await;
            let read = ana.get(&format!("/emails/{}", text(&made, "id"))).await.expect(StatusCode::OK);
            for field in ["name", "subject", "body"] {
                assert_eq!(read[field], name.as_str());
            }
        }
        assert_eq!(ana.get("/emails?q=%D7%A9%D7%9C%D7%95%D7%9D").await.expect(StatusCode::OK)["total"], 1);
    })
    .await;
}
