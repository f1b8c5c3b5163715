//! A product's life.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{change, delete, made, names, patch};
use crate::api::door::Door;

fn whole() -> Value {
    json!({
        "name": "Tidewater", "description": "Forecasts", "category": "Software", "key_features": ["Reads calendars", "Works offline"],
        "pricing_info": {"basic": {"amount": 49, "currency": "EUR"}, "note": "per team", "tiers": [1, 2.5, null, true]},
        "target_audience": "Field sales", "competitive_advantages": "Live in two weeks", "use_cases": ["Monday forecast"]
    })
}

#[tokio::test]
async fn a_product_is_made_with_every_field_and_read_as_it_was_made() {
    Door::run(async |door| {
        let ana = door.ana();
        let answer = ana.post("/products", &whole()).await;
        let (tag, location) = (answer.header("etag").map(str::to_owned), answer.header("location").map(str::to_owned));
        let product = answer.expect(StatusCode::CREATED);
        assert_eq!(tag.as_deref(), Some("\"1\""));
        assert_eq!(location, Some(format!("/products/{}", product["id"].as_str().expect("an id"))));
        let mut expected = whole();
        for (name, value) in [("object", json!("product")), ("version", json!(1)), ("is_active", json!(true))] {
            expected[name] = value;
        }
        for name in ["id", "created_at", "updated_at"] {
            expected[name] = product[name].clone();
            assert!(product[name].is_string());
        }
        assert_eq!(product, expected);
        let path = location.expect("a location");
        let read = ana.get(&path).await;
        assert_eq!(read.header("etag"), Some("\"1\""));
        assert_eq!(read.expect(StatusCode::OK), expected);
        let prices: Value = door.bench.value("SELECT pricing_info FROM products").await;
        assert_eq!(prices, whole()["pricing_info"]);
    })
    .await;
}

#[tokio::test]
async fn what_is_left_out_is_null_or_empty() {
    Door::run(async |door| {
        let product = door.ana().post("/products", &json!({"name": "x"})).await.expect(StatusCode::CREATED);
        for name in ["description", "category", "target_audience", "competitive_advantages"] {
            assert!(product[name].is_null(), "{name}");
        }
        let empty = [&product["key_features"], &product["use_cases"], &product["pricing_info"]];
        assert_eq!(empty, [&json!([]), &json!([]), &json!({})]);
    })
    .await;
}

#[tokio::test]
async fn a_change_leaves_what_it_does_not_name_null_clears_and_nothing_new_is_no_version() {
    Door::run(async |door| {
        let ana = door.ana();
        let path = made(&ana, "/products", &whole()).await;
        let answer = patch(&ana, &path, &json!({"category": null, "key_features": null, "name": "Tide"})).await;
        assert_eq!(answer.header("etag"), Some("\"2\""));
        let changed = answer.expect(StatusCode::OK);
        let mut expected = whole();
        expected["name"] = json!("Tide");
        expected["category"] = Value::Null;
        expected["key_features"] = json!([]);
        for (name, value) in expected.as_object().expect("an object") {
            assert_eq!(&changed[name], value, "{name}");
        }
        assert!(changed["updated_at"].as_str() > changed["created_at"].as_str());
        let same = patch(&ana, &path, &json!({"name": "Tide"})).await.expect(StatusCode::OK);
        assert_eq!(same, changed);
        assert_eq!(patch(&ana, &path, &json!({})).await.expect(StatusCode::OK), changed);
    })
    .await;
}

#[tokio::test]
async fn a_stale_tag_changes_nothing_and_a_missing_one_is_fine() {
    Door::run(async |door| {
        let ana = door.ana();
        let path = made(&ana, "/products", &json!({"name": "one"})).await;
        let rename = async |tag: &str, name: &str| {
            change(&ana, Method::PATCH, &path, (Some(tag), Some(&json!({"name": name})))).await
        };
        rename("\"1\"", "two").await.expect(StatusCode::OK);
        for tag in ["\"1\"", "W/\"2\"", "\"3\", \"4\"", "\"\""] {
            rename(tag, "lost").await.problem(412, "VERSION_CONFLICT");
        }
        for tag in ["2", "\"2", "", "\"2\" \"3\""] {
            rename(tag, "lost").await.problem(400, "MALFORMED_REQUEST");
        }
        change(&ana, Method::DELETE, &path, (Some("\"1\""), None)).await.problem(412, "VERSION_CONFLICT");
        assert_eq!(ana.get(&path).await.expect(StatusCode::OK)["name"], "two");
        rename("*", "three").await.expect(StatusCode::OK);
        rename("\"1\", \"3\"", "four").await.expect(StatusCode::OK);
        let done = change(&ana, Method::DELETE, &path, (Some("\"4\""), None)).await;
        assert_eq!(done.status, StatusCode::NO_CONTENT);
    })
    .await;
}

#[tokio::test]
async fn of_two_editors_with_one_tag_one_is_told() {
    Door::run(async |door| {
        let ana = door.ana();
        let path = made(&ana, "/products", &json!({"name": "x"})).await;
        let edits = (0..8).map(|n| {
            let (ana, path) = (ana.clone(), path.clone());
            async move {
                let body = json!({"name": format!("x{n}")});
                change(&ana, Method::PATCH, &path, (Some("\"1\""), Some(&body))).await.status
            }
        });
        let statuses = futures::future::join_all(edits).await;
        let count = |status: StatusCode| statuses.iter().filter(|found| **found == status).count();
        assert_eq!((count(StatusCode::OK), count(StatusCode::PRECONDITION_FAILED)), (1, 7));
        assert_eq!(door.bench.value::<i32>("SELECT version FROM products").await, 2);
    })
    .await;
}

#[tokio::test]
async fn what_is_put_away_leaves_the_list_and_can_be_brought_back() {
    Door::run(async |door| {
        let ana = door.ana();
        let path = made(&ana, "/products", &json!({"name": "gone"})).await;
        made(&ana, "/products", &json!({"name": "here"})).await;
        for _ in 0..2 {
            assert_eq!(delete(&ana, &path).await.status, StatusCode::NO_CONTENT);
            let read = ana.get(&path).await.expect(StatusCode::OK);
            assert_eq!((&read["is_active"], &read["version"]), (&json!(false), &json!(2)));
        }
        assert_eq!(names(&ana, "/products").await, ["here"]);
        assert_eq!(names(&ana, "/products?is_active=true").await, ["here"]);
        assert_eq!(names(&ana, "/products?is_active=false").await, ["gone"]);
        assert_eq!(names(&ana, "/products?is_active=all&sort=name").await, ["gone", "here"]);
        let back = patch(&ana, &path, &json!({"is_active": true})).await.expect(StatusCode::OK);
        assert_eq!((&back["is_active"], &back["version"]), (&json!(true), &json!(3)));
        assert_eq!(ana.get("/products").await.expect(StatusCode::OK)["total"], 2);
    })
    .await;
}

#[tokio::test]
async fn products_are_listed_by_category_in_whatever_case() {
    Door::run(async |door| {
        let ana = door.ana();
        for (name, category) in [("a", "Software"), ("b", "SOFTWARE"), ("c", "Hardware")] {
            made(&ana, "/products", &json!({"name": name, "category": category})).await;
        }
        made(&ana, "/products", &json!({"name": "d"})).await;
        assert_eq!(names(&ana, "/products?category=software&sort=name").await, ["a", "b"]);
        assert!(names(&ana, "/products?category=soft").await.is_empty());
    })
    .await;
}
