//! The company profile.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{change, written};
use crate::api::door::{Answer, Door, Person};

const PATH: &str = "/company-profile";

fn whole() -> Value {
    json!({
        "industry": "Software", "company_size": "50-200", "headquarters_city": "Rotterdam", "headquarters_country": "Netherlands",
        "website": "https://tidewater.example", "sales_team_size": 12, "average_deal_size_usd": 2_147_483_647,
        "sales_cycle_days": 0, "target_market": "Field sales", "market_segments": ["SMB", "Enterprise"],
        "primary_products": ["Pipeline"], "sales_regions": ["Benelux"], "deal_types": ["outbound", "renewal"],
        "sales_methodology": "MEDDIC", "sales_stage": "growing",
        "typical_buying_cycle": {"stages": [{"name": "Discovery", "days": 7}]}, "main_competitors": ["Spreadsheets"],
        "competitive_advantages": ["Live in two weeks"], "unique_selling_points": ["Forecasts from what sellers do"],
        "company_description": "Forecasts for field sales", "notes": "For us"
    })
}

async fn put(person: &Person, tag: Option<&str>, body: &Value) -> Answer {
    change(person, Method::PUT, PATH, (tag, Some(body))).await
}

async fn patch(person: &Person, tag: Option<&str>, body: &Value) -> Answer {
    change(person, Method::PATCH, PATH, (tag, Some(body))).await
}

fn of(profile: &Value, expected: &Value) {
    for (name, value) in expected.as_object().expect("an object") {
        assert_eq!(&profile[name], value, "{name}");
    }
}

#[tokio::test]
async fn an_organisation_without_a_profile_has_an_empty_one_of_the_same_shape() {
    Door::run(async |door| {
        let ana = door.ana();
        let answer = ana.get(PATH).await;
        assert_eq!(answer.header("etag"), Some("\"0\""));
        let empty = answer.expect(StatusCode::OK);
        assert_eq!((&empty["object"], &empty["version"]), (&json!("company_profile"), &json!(0)));
        assert!(empty["created_at"].is_null() && empty["updated_at"].is_null());
        let full = put(&ana, Some("\"0\""), &whole()).await.expect(StatusCode::OK);
        let members = |object: &Value| object.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
        assert_eq!(members(&empty), members(&full));
        assert_eq!((&empty["id"], &full["version"]), (&full["id"], &json!(1)));
        for (name, value) in whole().as_object().expect("an object") {
            let nothing = match value {
                Value::Array(_) => json!([]),
                Value::Object(_) => json!({}),
                _ => Value::Null,
            };
            assert_eq!(empty[name], nothing, "{name}");
        }
        of(&full, &whole());
        let read = ana.get(PATH).await;
        assert_eq!(read.header("etag"), Some("\"1\""));
        assert_eq!(read.expect(StatusCode::OK), full);
        let elsewhere = door.person("Other", "Ana", hellosales_simulator::Role::Member);
        assert_eq!(elsewhere.get(PATH).await.expect(StatusCode::OK)["version"], 0);
    })
    .await;
}

#[tokio::test]
async fn put_clears_what_it_leaves_out_and_patch_leaves_it() {
    Door::run(async |door| {
        let ana = door.ana();
        put(&ana, Some("*"), &whole()).await.expect(StatusCode::OK);
        let mut expected = whole();
        expected["notes"] = Value::Null;
        expected["sales_cycle_days"] = json!(30);
        let answer = patch(&ana, Some("\"1\""), &json!({"notes": null, "sales_cycle_days": 30})).await;
        assert_eq!(answer.header("etag"), Some("\"2\""));
        of(&answer.expect(StatusCode::OK), &expected);
        patch(&ana, Some("\"2\""), &json!({"sales_cycle_days": 30})).await.expect(StatusCode::OK);
        let emptied = put(&ana, Some("\"2\""), &json!({"industry": "Shoes"})).await.expect(StatusCode::OK);
        assert_eq!((&emptied["version"], &emptied["industry"]), (&json!(3), &json!("Shoes")));
        assert_eq!((&emptied["deal_types"], &emptied["website"]), (&json!([]), &Value::Null));
    })
    .await;
}

#[tokio::test]
async fn nothing_is_written_without_the_tag_or_with_a_stale_one() {
    Door::run(async |door| {
        let ana = door.ana();
        put(&ana, None, &whole()).await.problem(428, "PRECONDITION_REQUIRED");
        patch(&ana, None, &json!({"notes": "x"})).await.problem(428, "PRECONDITION_REQUIRED");
        for tag in ["\"1\"", "W/\"0\""] {
            put(&ana, Some(tag), &whole()).await.problem(412, "VERSION_CONFLICT");
        }
        put(&ana, Some("0"), &whole()).await.problem(400, "MALFORMED_REQUEST");
        assert_eq!(written(door).await, 0);
        patch(&ana, Some("\"0\""), &json!({"notes": "x"})).await.expect(StatusCode::OK);
        patch(&ana, Some("\"0\""), &json!({"notes": "y"})).await.problem(412, "VERSION_CONFLICT");
        assert_eq!(ana.get(PATH).await.expect(StatusCode::OK)["notes"], "x");
    })
    .await;
}

#[tokio::test]
async fn of_many_who_write_the_first_profile_one_does() {
    Door::run(async |door| {
        let ana = door.ana();
        let writes = (0..8).map(|n| {
            let ana = ana.clone();
            async move { put(&ana, Some("\"0\""), &json!({"notes": format!("n{n}")})).await.status }
        });
        let statuses = futures::future::join_all(writes).await;
        let count = |status: StatusCode| statuses.iter().filter(|found| **found == status).count();
        assert_eq!((count(StatusCode::OK), count(StatusCode::PRECONDITION_FAILED)), (1, 7));
        assert_eq!(ana.get(PATH).await.expect(StatusCode::OK)["version"], 1);
    })
    .await;
}

#[tokio::test]
async fn a_value_that_does_not_fit_is_named() {
    Door::run(async |door| {
        let ana = door.ana();
        let cases = [
            (json!({"company_size": "11-50"}), "/company_size", "unknown_value"),
            (json!({"sales_stage": "Growing"}), "/sales_stage", "unknown_value"),
            (json!({"sales_team_size": -1}), "/sales_team_size", "out_of_range"),
            (json!({"average_deal_size_usd": 2_147_483_648_u32}), "/average_deal_size_usd", "out_of_range"),
            (json!({"sales_cycle_days": 1.5}), "/sales_cycle_days", "wrong_type"),
            (json!({"sales_cycle_days": "30"}), "/sales_cycle_days", "wrong_type"),
            (json!({"website": "javascript:alert(1)"}), "/website", "not_a_url"),
            (json!({"market_segments": "SMB"}), "/market_segments", "wrong_type"),
            (json!({"market_segments": vec!["x"; 51]}), "/market_segments", "too_many"),
            (json!({"deal_types": ["x", "é".repeat(501)]}), "/deal_types/1", "too_long"),
            (json!({"deal_types": ["x", ""]}), "/deal_types/1", "blank"),
            (json!({"deal_types": ["x", 7]}), "/deal_types/1", "wrong_type"),
            (json!({"typical_buying_cycle": []}), "/typical_buying_cycle", "wrong_type"),
            (json!({"typical_buying_cycle": {"x": "y".repeat(17_000)}}), "/typical_buying_cycle", "too_long"),
            (json!({"industry": "é".repeat(101)}), "/industry", "too_long"),
            (json!({"notes": "a\u{0}b"}), "/notes", "null_character"),
            (json!({"version": 1}), "/version", "unknown_field"),
            (json!({"id": "x"}), "/id", "unknown_field"),
        ];
        for (body, pointer, code) in cases {
            put(&ana, Some("*"), &body).await.fault(pointer, code);
            patch(&ana, Some("*"), &body).await.fault(pointer, code);
        }
        assert_eq!(written(door).await, 0);
    })
    .await;
}
