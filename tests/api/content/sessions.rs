//! Sessions are found by their title and by what was said in them.

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::change;
use crate::api::door::{Door, Person};

async fn titles(person: &Person, query: &str) -> Vec<String> {
    let page = person.get(&format!("/chat/sessions?{query}")).await.expect(StatusCode::OK);
    let rows = page["data"].as_array().expect("a list");
    rows.iter().map(|row| row["title"].as_str().expect("a title").to_owned()).collect()
}

#[tokio::test]
async fn a_session_is_found_by_its_title_and_by_what_was_said() {
    Door::run(async |door| {
        let ana = door.ana();
        let mut ids = Vec::new();
        for title in ["Acme renewal", "Lumen", "Ended one"] {
            let session = ana.post("/chat/sessions", &json!({"title": title})).await.expect(StatusCode::CREATED);
            ids.push(session["id"].as_str().expect("an id").to_owned());
        }
        ana.say(&ids[1], "What about the Rotterdam pricing?").await;
        ana.post(&format!("/chat/sessions/{}/end", ids[2]), &json!({})).await.expect(StatusCode::OK);
        assert_eq!(titles(&ana, "q=renew").await, ["Acme renewal"]);
        assert_eq!(titles(&ana, "q=rotterdam+pric").await, ["Lumen"]);
        assert_eq!(titles(&ana, "q=ended&state=ended").await, ["Ended one"]);
        assert!(titles(&ana, "q=ended&state=active").await.is_empty());
        assert!(titles(&ana, "q=%27%26").await.is_empty());
        let ben = door.person("Acme", "Ben", hellosales_simulator::Role::Admin);
        assert!(titles(&ben, "q=rotterdam").await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn sessions_go_both_ways_in_time_and_a_cursor_keeps_its_way() {
    Door::run(async |door| {
        let ana = door.ana();
        for title in ["1", "2", "3"] {
            ana.post("/chat/sessions", &json!({"title": title})).await.expect(StatusCode::CREATED);
        }
        assert_eq!(titles(&ana, "sort=-created_at").await, ["3", "2", "1"]);
        assert_eq!(titles(&ana, "sort=created_at").await, ["1", "2", "3"]);
        let page = ana.get("/chat/sessions?sort=created_at&limit=2").await.expect(StatusCode::OK);
        let cursor = page["next_cursor"].as_str().expect("a cursor");
        assert_eq!(titles(&ana, &format!("sort=created_at&cursor={cursor}")).await, ["3"]);
        ana.get(&format!("/chat/sessions?cursor={cursor}")).await.problem(400, "MALFORMED_REQUEST");
        ana.get("/chat/sessions?sort=name").await.fault("/sort", "unknown_value");
    })
    .await;
}

#[tokio::test]
async fn a_session_takes_strong_tags_only() {
    Door::run(async |door| {
        let ana = door.ana();
        let path = format!("/chat/sessions/{}", ana.session().await);
        let tag = ana.get(&path).await.header("etag").expect("a tag").to_owned();
        let rename =
            async |tag: &str| change(&ana, Method::PATCH, &path, (Some(tag), Some(&json!({"title": "x"})))).await;
        rename(&format!("W/{tag}")).await.problem(412, "VERSION_CONFLICT");
        rename(tag.trim_matches('"')).await.problem(400, "MALFORMED_REQUEST");
        rename(&format!("\"other\", {tag}")).await.expect(StatusCode::OK);
    })
    .await;
}
