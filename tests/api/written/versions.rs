//! Versions, looked at and compared.

use reqwest::StatusCode;
use serde_json::json;

use super::{email, patch, text};
use crate::api::door::Door;

#[tokio::test]
async fn an_old_version_keeps_its_words_and_has_the_labels_of_now() {
    Door::run(async |door| {
        let ana = door.ana();
        let path = format!("/emails/{}", text(&email(&ana, json!({"body": "first"})).await, "id"));
        patch(&ana, &path, &json!({"body": "second"})).await.expect(StatusCode::OK);
        let now =
            patch(&ana, &path, &json!({"name": "Renamed", "email_type": "proposal"})).await.expect(StatusCode::OK);
        let old = ana.get(&format!("{path}/versions/1")).await.expect(StatusCode::OK);
        assert_eq!(
            (old["body"].as_str(), old["is_latest"].as_bool(), old["version"].as_i64()),
            (Some("first"), Some(false), Some(1))
        );
        assert_eq!(
            (old["name"].as_str(), old["email_type"].as_str(), &old["id"]),
            (Some("Renamed"), Some("proposal"), &now["id"])
        );
        assert_eq!(ana.get(&format!("{path}/versions/2")).await.expect(StatusCode::OK), now);
        ana.get(&format!("{path}/versions/3")).await.problem(404, "EMAIL_NOT_FOUND");
        for n in ["0", "01", "-1", "x", "1.0", "99999999999"] {
            ana.get(&format!("{path}/versions/{n}")).await.problem(400, "MALFORMED_REQUEST");
        }
    })
    .await;
}

#[tokio::test]
async fn versions_are_paged_newest_first() {
    Door::run(async |door| {
        let ana = door.ana();
        let path = format!("/emails/{}", text(&email(&ana, json!({})).await, "id"));
        for n in 2..=5 {
            patch(&ana, &path, &json!({"body": format!("body {n}")})).await.expect(StatusCode::OK);
        }
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = ana.get(&format!("{path}/versions?limit=2{cursor}")).await.expect(StatusCode::OK);
            assert_eq!(page["total"], 5);
            seen.extend(page["data"].as_array().expect("a list").iter().filter_map(|one| one["version"].as_i64()));
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(seen, [5, 4, 3, 2, 1]);
        let other = format!("/emails/{}", text(&email(&ana, json!({})).await, "id"));
        ana.get(&format!("{other}/versions?limit=2{cursor}")).await.problem(400, "MALFORMED_REQUEST");
    })
    .await;
}

#[tokio::test]
async fn two_versions_are_compared_field_by_field() {
    Door::run(async |door| {
        let ana = door.ana();
        let path = format!("/emails/{}", text(&email(&ana, json!({"subject": "a", "body": "first"})).await, "id"));
        patch(&ana, &path, &json!({"body": "second"})).await.expect(StatusCode::OK);
        patch(&ana, &path, &json!({"call_to_action": "call", "body": "third"})).await.expect(StatusCode::OK);
        let differs = ana.get(&format!("{path}/versions/3/changes?since=1")).await.expect(StatusCode::OK);
        let expected = json!([
            {"field": "body", "before": "first", "after": "third"},
            {"field": "call_to_action", "before": null, "after": "call"}
        ]);
        assert_eq!(
            (&differs["changes"], differs["from_version"].as_i64(), differs["to_version"].as_i64()),
            (&expected, Some(1), Some(3))
        );
        let step = ana.get(&format!("{path}/versions/2/changes")).await.expect(StatusCode::OK);
        assert_eq!(step["changes"], json!([{"field": "body", "before": "first", "after": "second"}]));
        assert_eq!(ana.get(&format!("{path}/versions/1/changes")).await.expect(StatusCode::OK)["changes"], json!([]));
        ana.get(&format!("{path}/versions/3/changes?since=9")).await.problem(404, "EMAIL_NOT_FOUND");
        ana.get(&format!("{path}/versions/3/changes?since=0")).await.fault("/since", "out_of_range");
    })
    .await;
}
