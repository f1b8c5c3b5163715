//! Orders and pages.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{made, names};
use crate::api::door::{Door, Person};

/// Every row of a list, page by page; between two pages somebody does something.
async fn all(person: &Person, path: &str, mut between: impl AsyncFnMut(usize)) -> Vec<Value> {
    let (mut rows, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = person.get(&format!("{path}&limit=3{cursor}")).await.expect(StatusCode::OK);
        rows.extend(page["data"].as_array().expect("a list").iter().cloned());
        assert_eq!(page["has_more"], page["next_cursor"].is_string());
        let Some(next) = page["next_cursor"].as_str() else { return rows };
        cursor = format!("&cursor={next}");
        between(pages).await;
        pages += 1;
    }
}

/// Ten clients: three names, and times that are shared by several.
async fn ties(door: &Door<'_>, ana: &Person) {
    for name in ["b", "a", "c"].into_iter().cycle().take(10) {
        made(ana, "/clients", &json!({"name": name})).await;
    }
    let sql = "WITH numbered AS (SELECT id, row_number() OVER (ORDER BY id) / 4 AS n FROM clients)
         UPDATE clients c SET created_at = timestamptz '2026-01-01 00:00:00.123456Z' + n.n * interval '1 us'
         FROM numbered n WHERE n.id = c.id";
    door.bench.db.owner().await.run(sql).await;
}

#[tokio::test]
async fn every_order_goes_over_ties_without_loss_or_repeat() {
    Door::run(async |door| {
        let ana = door.ana();
        ties(door, &ana).await;
        for (sort, order) in [
            ("-created_at", "created_at DESC, id DESC"),
            ("created_at", "created_at, id"),
            ("name", "name, id"),
            ("-name", "name DESC, id DESC"),
        ] {
            let rows = all(&ana, &format!("/clients?sort={sort}"), async |_| {}).await;
            let found: Vec<&str> = rows.iter().map(|row| row["id"].as_str().expect("an id")).collect();
            let sql = format!("SELECT id::text FROM clients ORDER BY {order}");
            let expected: Vec<String> = door.bench.db.owner().await.column(&sql).await;
            assert_eq!(found, expected, "{sort}");
        }
    })
    .await;
}

#[tokio::test]
async fn rows_that_are_added_while_one_reads_move_nothing() {
    Door::run(async |door| {
        let ana = door.ana();
        ties(door, &ana).await;
        let before: Vec<String> = door.bench.db.owner().await.column("SELECT id::text FROM clients ORDER BY id").await;
        for sort in ["-created_at", "created_at", "name", "-name"] {
            let rows = all(&ana, &format!("/clients?sort={sort}"), async |page| {
                if page < 3 {
                    for name in ["a", "b", "c"] {
                        made(&ana, "/clients", &json!({"name": name})).await;
                    }
                }
            })
            .await;
            let mut ids: Vec<String> = rows.iter().map(|row| row["id"].as_str().expect("an id").to_owned()).collect();
            ids.sort();
            let count = ids.len();
            ids.dedup();
            assert_eq!(ids.len(), count, "{sort}: a row came twice");
            assert!(before.iter().all(|id| ids.contains(id)), "{sort}: a row was lost");
        }
    })
    .await;
}

#[tokio::test]
async fn a_cursor_belongs_to_its_order_filter_list_and_reader() {
    Door::run(async |door| {
        let ana = door.ana();
        ties(door, &ana).await;
        for _ in 0..2 {
            made(&ana, "/products", &json!({"name": "p"})).await;
        }
        let page = ana.get("/clients?limit=1&sort=name").await.expect(StatusCode::OK);
        let cursor = page["next_cursor"].as_str().expect("a cursor");
        assert_eq!(names(&ana, &format!("/clients?sort=name&cursor={cursor}&limit=100")).await.len(), 9);
        for path in [
            format!("/clients?sort=-name&cursor={cursor}"),
            format!("/clients?cursor={cursor}"),
            format!("/clients?sort=name&is_active=all&cursor={cursor}"),
            format!("/clients?sort=name&q=a&cursor={cursor}"),
            format!("/products?sort=name&cursor={cursor}"),
            format!("/clients?sort=name&cursor={cursor}x"),
        ] {
            ana.get(&path).await.problem(400, "MALFORMED_REQUEST");
        }
        let ben = door.person("Acme", "Ben", hellosales_simulator::Role::Member);
        ben.get(&format!("/clients?sort=name&cursor={cursor}")).await.problem(400, "MALFORMED_REQUEST");
    })
    .await;
}

#[tokio::test]
async fn a_query_that_does_not_fit_is_named() {
    Door::run(async |door| {
        let ana = door.ana();
        let long = format!("/clients?q={}", "a".repeat(501));
        for (path, pointer, code) in [
            ("/clients?sort=company", "/sort", "unknown_value"),
            ("/products?is_active=yes", "/is_active", "unknown_value"),
            ("/clients?has_email=1", "/has_email", "unknown_value"),
            ("/products?has_email=true", "/has_email", "unknown_parameter"),
            ("/clients?limit=0", "/limit", "out_of_range"),
            ("/clients?limit=101", "/limit", "out_of_range"),
            ("/clients?q=a%00", "/q", "null_character"),
            (long.as_str(), "/q", "too_long"),
        ] {
            ana.get(path).await.fault(pointer, code);
        }
        ana.get("/clients?import_id=7").await.problem(400, "MALFORMED_REQUEST");
        ana.get("/clients?q=%ff").await.problem(400, "MALFORMED_REQUEST");
    })
    .await;
}
