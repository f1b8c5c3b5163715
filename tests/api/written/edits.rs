//! What people write and change.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Wrote, email, patch, patch_seen, tag, text, warning, write};
use crate::api::door::{Answer, Door};

#[tokio::test]
async fn an_email_and_a_script_have_every_member_of_the_contract() {
    Door::run(async |door| {
        let ana = door.ana();
        let common = [
            "client_id",
            "created_at",
            "created_by",
            "description",
            "generated",
            "id",
            "is_active",
            "is_latest",
            "name",
            "object",
            "origin",
            "parent_version_id",
            "product_id",
            "updated_at",
            "version",
            "version_id",
            "warnings",
        ];
        let script = json!({"name": "Call", "content": "Hello", "objection_handlers": {"too dear": "it pays"}});
        for (path, body, own) in [
            (
                "/emails",
                json!({"name": "n", "subject": "s", "body": "b"}),
                &["body", "call_to_action", "email_type", "personalization_fields", "subject"][..],
            ),
            (
                "/scripts",
                script,
                &[
                    "closing_techniques",
                    "content",
                    "discovery_questions",
                    "key_talking_points",
                    "objection_handlers",
                    "script_type",
                ],
            ),
        ] {
            let answer = ana.post(path, &body).await;
            let (location, tag) =
                (answer.header("location").expect("a location").to_owned(), answer.header("etag").map(str::to_owned));
            let made = answer.expect(StatusCode::CREATED);
            let mut names: Vec<&str> = made.as_object().expect("an object").keys().map(String::as_str).collect();
            let mut expected = [&common[..], own].concat();
            names.sort_unstable();
            expected.sort_unstable();
            assert_eq!(names, expected);
            assert_eq!(
                (made["version"].as_i64(), made["origin"].as_str(), &made["generated"]),
                (Some(1), Some("manual"), &Value::Null)
            );
            let read = ana.get(&location).await;
            assert_eq!(read.header("etag").map(str::to_owned), tag);
            assert_eq!(read.expect(StatusCode::OK), made);
        }
    })
    .await;
}

#[tokio::test]
async fn a_change_of_the_words_makes_a_version_and_a_change_of_the_labels_does_not() {
    Door::run(async |door| {
        let ana = door.ana();
        let made = email(&ana, json!({"personalization_fields": ["first_name"]})).await;
        let path = format!("/emails/{}", text(&made, "id"));
        let labels = json!({"name": "Other", "description": "For later", "email_type": "closing", "is_active": false});
        let labelled = patch(&ana, &path, &labels).await.expect(StatusCode::OK);
        assert_eq!(
            (labelled["version"].as_i64(), labelled["version_id"].as_str()),
            (Some(1), made["version_id"].as_str())
        );
        for (name, value) in labels.as_object().expect("an object") {
            assert_eq!(&labelled[name], value);
        }
        let mut version = 1;
        for words in [
            json!({"subject": "Another question"}),
            json!({"body": "Dear Ben"}),
            json!({"call_to_action": "Call me"}),
            json!({"call_to_action": null}),
            json!({"personalization_fields": []}),
        ] {
            version += 1;
            let before = ana.get(&path).await.expect(StatusCode::OK);
            let after = patch(&ana, &path, &words).await.expect(StatusCode::OK);
            assert_eq!(
                (after["version"].as_i64(), &after["parent_version_id"]),
                (Some(version), &before["version_id"])
            );
            assert_eq!(
                (&after["id"], &after["created_at"], after["origin"].as_str()),
                (&made["id"], &made["created_at"], Some("manual"))
            );
        }
        // What is as it was changes nothing, not even the tag.
        let seen = tag(&ana, &path).await;
        let same = patch(&ana, &path, &json!({"body": "Dear Ben", "name": "Other"})).await;
        assert_eq!((same.header("etag"), same.body["version"].as_i64()), (Some(seen.as_str()), Some(version)));
        assert_eq!(door.bench.value::<i64>("SELECT count(*) FROM sales_emails").await, version);
        assert_eq!(door.bench.value::<i64>("SELECT count(*) FROM sales_emails WHERE is_latest").await, 1);
    })
    .await;
}

#[tokio::test]
async fn each_of_a_scripts_words_makes_a_version() {
    Door::run(async |door| {
        let ana = door.ana();
        let made = ana.post("/scripts", &json!({"name": "Call", "content": "Hello"})).await.expect(StatusCode::CREATED);
        let path = format!("/scripts/{}", text(&made, "id"));
        let words = [
            json!({"content": "Good day"}),
            json!({"key_talking_points": ["speed"]}),
            json!({"objection_handlers": {"too dear": "it pays"}}),
            json!({"discovery_questions": ["who decides?"]}),
            json!({"closing_techniques": ["ask"]}),
        ];
        for (n, body) in words.iter().enumerate() {
            let changed = patch(&ana, &path, body).await.expect(StatusCode::OK);
            assert_eq!(changed["version"], json!(n + 2));
        }
        let renamed = patch(&ana, &path, &json!({"name": "Other", "script_type": "demo"})).await.expect(StatusCode::OK);
        assert_eq!((renamed["version"].as_i64(), renamed["script_type"].as_str()), (Some(6), Some("demo")));
    })
    .await;
}

#[tokio::test]
async fn an_edit_of_what_a_run_wrote_keeps_where_it_comes_from_and_the_warnings_that_stand() {
    Door::run(async |door| {
        let ana = door.ana();
        ana.get("/auth/me").await.expect(StatusCode::OK);
        let warnings = vec![warning("UNSUPPORTED_NUMBER", "37 %"), warning("NEAR_TWIN", "to Ben Ruiz")];
        let id = write(door, Wrote { warnings, body: "Save 37 % now", ..Wrote::default() }).await;
        let path = format!("/emails/{id}");
        let written = ana.get(&path).await.expect(StatusCode::OK);
        assert_eq!(
            (written["origin"].as_str(), written["warnings"].as_array().map(Vec::len)),
            (Some("generated"), Some(2))
        );
        let edited = patch(&ana, &path, &json!({"body": "Save a lot now"})).await.expect(StatusCode::OK);
        assert_eq!((edited["origin"].as_str(), edited["version"].as_i64()), (Some("edited"), Some(2)));
        assert_eq!(edited["generated"], written["generated"]);
        assert_eq!(edited["warnings"], json!([{"code": "NEAR_TWIN", "text": "to Ben Ruiz"}]));
        assert_eq!(edited["personalization_fields"], json!(["first_name"]));
    })
    .await;
}

#[tokio::test]
async fn of_two_editors_who_saw_the_same_one_is_told_that_it_changed() {
    Door::run(async |door| {
        let ana = door.ana();
        let path = format!("/emails/{}", text(&email(&ana, json!({})).await, "id"));
        for version in 2..6 {
            let seen = tag(&ana, &path).await;
            let (one, other) = (json!({"body": format!("one {version}")}), json!({"body": format!("other {version}")}));
            let (one, other) =
                tokio::join!(patch_seen(&ana, &path, &seen, &one), patch_seen(&ana, &path, &seen, &other));
            let (won, lost) = if one.status == StatusCode::OK { (one, other) } else { (other, one) };
            lost.problem(412, "VERSION_CONFLICT");
            assert_eq!(won.expect(StatusCode::OK)["version"], version);
            assert_eq!(ana.get(&format!("{path}/versions")).await.expect(StatusCode::OK)["total"], version);
        }
        // A label that another changed is a change, too.
        let seen = tag(&ana, &path).await;
        patch(&ana, &path, &json!({"name": "Other"})).await.expect(StatusCode::OK);
        patch_seen(&ana, &path, &seen, &json!({"body": "late"})).await.problem(412, "VERSION_CONFLICT");
    })
    .await;
}

#[tokio::test]
async fn nothing_is_changed_unseen() {
    Door::run(async |door| {
        let ana = door.ana();
        let made = email(&ana, json!({})).await;
        let script =
            ana.post("/scripts", &json!({"name": "Call", "content": "Hello"})).await.expect(StatusCode::CREATED);
        for path in [format!("/emails/{}", text(&made, "id")), format!("/scripts/{}", text(&script, "id"))] {
            Answer::of(ana.request(Method::PATCH, &path).json(&json!({"name": "x"})))
                .await
                .problem(428, "PRECONDITION_REQUIRED");
            Answer::of(ana.request(Method::DELETE, &path)).await.problem(428, "PRECONDITION_REQUIRED");
            Answer::of(ana.request(Method::DELETE, &path).header("if-match", "\"99\""))
                .await
                .problem(412, "VERSION_CONFLICT");
            Answer::of(ana.request(Method::DELETE, &path).header("if-match", "99"))
                .await
                .problem(400, "MALFORMED_REQUEST");
        }
        assert_eq!(ana.get(&format!("/emails/{}", text(&made, "id"))).await.expect(StatusCode::OK), made);
    })
    .await;
}

#[tokio::test]
async fn what_was_put_away_is_out_of_lists_and_comes_back() {
    Door::run(async |door| {
        let ana = door.ana();
        let id = text(&email(&ana, json!({})).await, "id");
        let path = format!("/emails/{id}");
        for _ in 0..2 {
            let seen = tag(&ana, &path).await;
            let away = Answer::of(ana.request(Method::DELETE, &path).header("if-match", &seen)).await;
            assert_eq!(away.status, StatusCode::NO_CONTENT);
        }
        let total =
            async |query: &str| ana.get(&format!("/emails{query}")).await.expect(StatusCode::OK)["total"].as_i64();
        assert_eq!(
            (total("").await, total("?is_active=false").await, total("?is_active=all").await),
            (Some(0), Some(1), Some(1))
        );
        assert_eq!(ana.get(&path).await.expect(StatusCode::OK)["is_active"], false);
        ana.post(&format!("{path}/regenerate"), &json!({})).await.problem(409, "INVALID_STATE");
        let back = patch(&ana, &path, &json!({"is_active": true})).await.expect(StatusCode::OK);
        assert_eq!(
            (back["is_active"].as_bool(), back["version"].as_i64(), total("").await),
            (Some(true), Some(1), Some(1))
        );
    })
    .await;
}

#[tokio::test]
async fn the_same_key_makes_one_email() {
    Door::run(async |door| {
        let ana = door.ana();
        let body = json!({"name": "n", "subject": "s", "body": "b"});
        let first = ana.post_once("k", "/emails", &body).await.expect(StatusCode::CREATED);
        patch(&ana, &format!("/emails/{}", text(&first, "id")), &json!({"name": "now"})).await.expect(StatusCode::OK);
        let again = ana.post_once("k", "/emails", &body).await;
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        assert_eq!((&again.body["id"], again.body["name"].as_str()), (&first["id"], Some("now")));
        ana.post_once("k", "/emails", &json!({"name": "m", "subject": "s", "body": "b"}))
            .await
            .problem(422, "IDEMPOTENCY_KEY_REUSED");
        assert_eq!(door.bench.value::<i64>("SELECT count(*) FROM sales_emails").await, 1);
    })
    .await;
}
