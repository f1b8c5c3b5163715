//! Products, clients and the company profile.

mod bad_input;
mod clients;
mod company_profile;
mod idempotency;
mod lists;
mod plans;
mod products;
mod search;
mod sessions;
mod tenants;

use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::door::{Answer, Door, Person};

/// A change, with a tag and a body where there are any.
async fn change(person: &Person, method: Method, path: &str, (tag, body): (Option<&str>, Option<&Value>)) -> Answer {
    let mut request = person.request(method, path);
    if let Some(tag) = tag {
        request = request.header("if-match", tag);
    }
    if let Some(body) = body {
        request = request.json(body);
    }
    Answer::of(request).await
}

async fn patch(person: &Person, path: &str, body: &Value) -> Answer {
    change(person, Method::PATCH, path, (None, Some(body))).await
}

async fn delete(person: &Person, path: &str) -> Answer {
    change(person, Method::DELETE, path, (None, None)).await
}

/// Makes one; its path.
async fn made(person: &Person, path: &str, body: &Value) -> String {
    let object = person.post(path, body).await.expect(StatusCode::CREATED);
    format!("{path}/{}", object["id"].as_str().expect("an id"))
}

/// The names on one page of a list.
async fn names(person: &Person, path: &str) -> Vec<String> {
    names_of(&person.get(path).await.expect(StatusCode::OK))
}

fn names_of(page: &Value) -> Vec<String> {
    let rows = page["data"].as_array().expect("a list");
    rows.iter().map(|row| row["name"].as_str().expect("a name").to_owned()).collect()
}

/// How many rows of content there are, and keys.
async fn written(door: &Door<'_>) -> i64 {
    door.bench
        .value(
            "SELECT (SELECT count(*) FROM products) + (SELECT count(*) FROM clients) + (SELECT count(*) FROM company_profiles)
               + (SELECT count(*) FROM idempotency_keys)",
        )
        .await
}
