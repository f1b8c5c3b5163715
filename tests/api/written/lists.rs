//! Lists: filters, words, orders, cursors; and what makes a text stale.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Wrote, email, made, patch, text, warning, write};
use crate::api::door::{Answer, Door, Person};

/// The ids of a list, page by page.
async fn ids(person: &Person, list: &str) -> Vec<String> {
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = person.get(&format!("{list}{cursor}")).await.expect(StatusCode::OK);
        let data = page["data"].as_array().expect("a list");
        seen.extend(data.iter().map(|one| text(one, "id")));
        let Some(next) = page["next_cursor"].as_str() else {
            assert_eq!(page["total"], seen.len());
            return seen;
        };
        cursor = format!("&cursor={next}");
    }
}

#[tokio::test]
async fn a_list_is_filtered_by_what_is_asked() {
    Door::run(async |door| {
        let ana = door.ana();
        let (product, client) = (made(&ana, "/products", "Beacon").await, made(&ana, "/clients", "Ana Reyes").await);
        let plain = text(&email(&ana, json!({"body": "Ships on Tuesday"})).await, "id");
        let labels =
            json!({"product_id": product, "client_id": client, "email_type": "closing", "body": "Ships on Monday"});
        let labelled = text(&email(&ana, labels).await, "id");
        let wrote =
            Wrote { warnings: vec![warning("UNSUPPORTED_NUMBER", "37 %")], body: "Save 37 %", ..Wrote::default() };
        let written = write(door, wrote).await;
        let made_at = text(&ana.get(&format!("/emails/{labelled}")).await.expect(StatusCode::OK), "created_at");
        for (query, expected) in [
            (String::new(), vec![&written, &labelled, &plain]),
            ("q=ships".to_owned(), vec![&labelled, &plain]),
            ("q=TUES".to_owned(), vec![&plain]),
            ("q=!!!".to_owned(), vec![]),
            ("type=closing".to_owned(), vec![&labelled]),
            (format!("product_id={product}"), vec![&labelled]),
            (format!("client_id={client}"), vec![&labelled]),
            (format!("client_id={client}&q=tuesday"), vec![]),
            (format!("client_id={product}"), vec![]),
            (format!("batch_id={product}"), vec![]),
            ("origin=generated".to_owned(), vec![&written]),
            ("origin=manual".to_owned(), vec![&labelled, &plain]),
            ("has_warnings=true".to_owned(), vec![&written]),
            ("has_warnings=false".to_owned(), vec![&labelled, &plain]),
            ("warning=UNSUPPORTED_NUMBER".to_owned(), vec![&written]),
            ("warning=NEAR_TWIN".to_owned(), vec![]),
            (format!("created_after={}", made_at.replace('+', "%2B")), vec![&written]),
            ("stale=true".to_owned(), vec![]),
            ("stale=false&origin=generated".to_owned(), vec![&written]),
        ] {
            assert_eq!(ids(&ana, &format!("/emails?{query}")).await.iter().collect::<Vec<_>>(), expected, "{query}");
        }
        // No script is a batch's.
        assert_eq!(ids(&ana, &format!("/scripts?batch_id={product}")).await, Vec::<String>::new());
        // An old version is no row of a list, and its words find nothing.
        patch(&ana, &format!("/emails/{plain}"), &json!({"body": "Ships on Friday"})).await.expect(StatusCode::OK);
        assert_eq!(ids(&ana, "/emails?q=tuesday").await, Vec::<String>::new());
        assert_eq!(ids(&ana, "/emails?q=friday").await, [plain]);
    })
    .await;
}

#[tokio::test]
async fn every_order_is_paged_without_a_gap_or_a_repeat() {
    Door::run(async |door| {
        let ana = door.ana();
        let client = made(&ana, "/clients", "Ana Reyes").await;
        let names = ["b", "a", "c", "a", "b"];
        let mut emails = Vec::new();
        for name in names {
            let id = text(&email(&ana, json!({"name": name, "client_id": client})).await, "id");
            ana.post("/scripts", &json!({"name": name, "content": "x", "client_id": client}))
                .await
                .expect(StatusCode::CREATED);
            emails.push((name, id));
        }
        let newest: Vec<String> = emails.iter().rev().map(|(_, id)| id.clone()).collect();
        let mut by_name = emails.clone();
        by_name.sort();
        let by_name: Vec<String> = by_name.into_iter().map(|(_, id)| id).collect();
        let turned = |ids: &[String]| ids.iter().rev().cloned().collect::<Vec<_>>();
        // The list's own order, and one that is put in order.
        for filter in [String::new(), format!("&client_id={client}")] {
            for (sort, expected) in [
                ("-created_at", newest.clone()),
                ("created_at", turned(&newest)),
                ("name", by_name.clone()),
                ("-name", turned(&by_name)),
            ] {
                assert_eq!(
                    ids(&ana, &format!("/emails?limit=2&sort={sort}{filter}")).await,
                    expected,
                    "{sort} {filter}"
                );
                assert_eq!(ids(&ana, &format!("/scripts?limit=2&sort={sort}{filter}")).await.len(), names.len());
            }
        }
        let page = ana.get("/emails?limit=2").await.expect(StatusCode::OK);
        let cursor = text(&page, "next_cursor");
        for other in ["/scripts?limit=2", "/emails?limit=2&sort=name", "/emails?limit=2&stale=true"] {
            ana.get(&format!("{other}&cursor={cursor}")).await.problem(400, "MALFORMED_REQUEST");
        }
    })
    .await;
}

#[tokio::test]
async fn a_filter_that_can_not_be_read_is_named() {
    Door::run(async |door| {
        let ana = door.ana();
        for (query, pointer, code) in [
            ("sort=subject", "/sort", "unknown_value"),
            ("type=cold_call", "/type", "unknown_value"),
            ("origin=found", "/origin", "unknown_value"),
            ("stale=1", "/stale", "unknown_value"),
            ("warning=", "/warning", "out_of_range"),
            ("created_after=yesterday", "/created_after", "wrong_format"),
            ("is_active=no", "/is_active", "unknown_value"),
            ("company=x", "/company", "unknown_parameter"),
        ] {
            ana.get(&format!("/emails?{query}")).await.fault(pointer, code);
        }
        ana.get("/scripts?batch_id=0").await.problem(400, "MALFORMED_REQUEST");
        ana.get("/emails?client_id=0").await.problem(400, "MALFORMED_REQUEST");
    })
    .await;
}

#[tokio::test]
async fn a_text_is_stale_when_what_it_was_written_from_has_changed_and_only_then() {
    Door::run(async |door| {
        let ana = door.ana();
        let (product, client) = (made(&ana, "/products", "Beacon").await, made(&ana, "/clients", "Ana Reyes").await);
        let from_both = Wrote { product: Some(product.clone()), client: Some(client.clone()), body: "x", ..Wrote::default() };
        let both = write(door, from_both).await;
        let of_client = write(door, Wrote { client: Some(client.clone()), body: "x", ..Wrote::default() }).await;
        let by_hand = text(&email(&ana, json!({"product_id": product})).await, "id");
        let stale = async || ids(&ana, "/emails?stale=true").await;
        assert_eq!(stale().await, Vec::<String>::new());
        // The address of a client stands in no prompt; the price of a product does.
        let change = async |path: String, body: Value| {
            Answer::of(ana.request(Method::PATCH, &path).json(&body)).await.expect(StatusCode::OK)
        };
        change(format!("/clients/{client}"), json!({"email": "ana@globex.example"})).await;
        change(format!("/products/{product}"), json!({"is_active": false})).await;
        assert_eq!(stale().await, Vec::<String>::new());
        change(format!("/products/{product}"), json!({"pricing_info": {"per_seat": "29 USD"}})).await;
        assert_eq!(stale().await, [both.as_str()]);
        assert_eq!(ana.get(&format!("/emails/{both}")).await.expect(StatusCode::OK)["generated"]["stale"], true);
        assert_eq!(ids(&ana, "/emails?stale=false").await, [by_hand.as_str(), of_client.as_str()]);
        // What it is no longer about can't make it stale; a profile that is there since can.
        patch(&ana, &format!("/emails/{both}"), &json!({"product_id": null})).await.expect(StatusCode::OK);
        assert_eq!(stale().await, Vec::<String>::new());
        door.bench
            .sql("INSERT INTO company_profiles (id, org_id, industry) SELECT gen_random_uuid(), id, 'Software' FROM organizations WHERE name = 'Acme'")
            .await;
        assert_eq!(stale().await, [of_client.as_str(), both.as_str()]);
    })
    .await;
}
