//! Full-text search.

use serde_json::json;

use super::{made, names};
use crate::api::door::{Door, Person};

async fn find(person: &Person, q: &str) -> Vec<String> {
    let q: String = q.bytes().map(|byte| format!("%{byte:02x}")).collect();
    names(person, &format!("/clients?sort=name&q={q}")).await
}

#[tokio::test]
async fn words_are_found_by_their_beginning_in_every_script() {
    Door::run(async |door| {
        let ana = door.ana();
        for (name, company, email) in [
            ("Ana Ferreira", "Lumen Retail", "ana@lumen-retail.example"),
            ("Jürgen O'Brien-Weber", "Größe & Co.", "j.weber@groesse.example"),
            ("Анна Каренина", "Почта", "anna@post.example"),
            ("שלום כהן", "חברה", "shalom@hevra.example"),
            ("संगीता हिन्दी", "東京 タワー", "s@tower.example"),
            ("🎉 Party Person 😀", "Emoji", "p@party.example"),
        ] {
            made(&ana, "/clients", &json!({"name": name, "company": company, "email": email})).await;
        }
        for (q, expected) in [
            ("ferr", "Ana Ferreira"),
            ("FERREIRA lum", "Ana Ferreira"),
            ("ana@lumen-retail.example", "Ana Ferreira"),
            ("o'brien", "Jürgen O'Brien-Weber"),
            ("jürg", "Jürgen O'Brien-Weber"),
            ("GRÖSSE größe", ""),
            ("größe", "Jürgen O'Brien-Weber"),
            ("каренин", "Анна Каренина"),
            ("АННА", "Анна Каренина"),
            ("שלום", "שלום כהן"),
            ("हिन्दी", "संगीता हिन्दी"),
            ("東京", "संगीता हिन्दी"),
            ("party 😀", "🎉 Party Person 😀"),
            ("party! & (person)", "🎉 Party Person 😀"),
            ("erreira", ""),
            ("ana weber", ""),
        ] {
            let expected: Vec<&str> = Some(expected).into_iter().filter(|name| !name.is_empty()).collect();
            assert_eq!(find(&ana, q).await, expected, "{q}");
        }
        assert_eq!(find(&ana, "example").await.len(), 6);
    })
    .await;
}

#[tokio::test]
async fn no_query_breaks_the_search_and_signs_alone_find_nothing() {
    Door::run(async |door| {
        let ana = door.ana();
        made(&ana, "/clients", &json!({"name": "a b c"})).await;
        for q in ["'", "''", "\\", "!", "&|!():*<->", "😀", "\u{202e}", "%", "--"] {
            assert!(find(&ana, q).await.is_empty(), "{q:?}");
        }
        for q in [
            "a & b",
            "a | b",
            "!a",
            "a:*",
            "'a' 'b'",
            "a <-> b",
            "a\\'b",
            "a\u{a0}b",
            "\u{202e}a",
            "a\nb",
            "(a",
            "a'; DROP TABLE clients",
        ] {
            let found = find(&ana, q).await;
            assert_eq!(found.is_empty(), q.contains("DROP"), "{q:?}");
        }
        assert_eq!(find(&ana, &"a ".repeat(250)).await, ["a b c"]);
    })
    .await;
}

#[tokio::test]
async fn a_search_goes_with_filters_orders_and_pages_and_follows_a_change() {
    Door::run(async |door| {
        let ana = door.ana();
        for (name, category) in [("Tide One", "x"), ("Tide Two", "y"), ("Tide Three", "x"), ("Other", "x")] {
            made(&ana, "/products", &json!({"name": name, "category": category, "description": "Forecasts"})).await;
        }
        assert_eq!(names(&ana, "/products?q=tide&category=x&sort=-name").await, ["Tide Three", "Tide One"]);
        // A cleared box asks for nothing; signs alone are no word of any text.
        for blank in ["", "%20", "%0A%09", "%C2%A0"] {
            assert_eq!(names(&ana, &format!("/products?q={blank}&category=y")).await, ["Tide Two"], "{blank:?}");
        }
        assert!(names(&ana, "/products?q=%21%21").await.is_empty());
        let page = ana.get("/products?q=tid&sort=name&limit=2").await.expect(reqwest::StatusCode::OK);
        assert_eq!((super::names_of(&page), &page["total"]), (vec!["Tide One".into(), "Tide Three".into()], &json!(3)));
        let cursor = page["next_cursor"].as_str().expect("a cursor");
        assert_eq!(names(&ana, &format!("/products?q=tid&sort=name&limit=2&cursor={cursor}")).await, ["Tide Two"]);
        let other = ana.get("/products?q=other").await.expect(reqwest::StatusCode::OK)["data"][0]["id"].clone();
        let path = format!("/products/{}", other.as_str().expect("an id"));
        super::patch(&ana, &path, &json!({"name": "Tide Four"})).await.expect(reqwest::StatusCode::OK);
        assert_eq!(names(&ana, "/products?q=tide").await.len(), 4);
        assert!(names(&ana, "/products?q=other").await.is_empty());
    })
    .await;
}
