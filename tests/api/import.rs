//! Clients by file: what is read, who is known again, what is refused, and that nothing is half-written.

mod bounds;
mod matching;
mod once;
mod refused;
mod shapes;

use reqwest::{Body, Method, StatusCode};
use serde_json::Value;

use super::door::{Answer, Door, Person};

/// Sends a file.
async fn send(person: &Person, query: &str, file: impl Into<Body>) -> Answer {
    let request = person.request(Method::POST, &format!("/clients/import{query}"));
    Answer::of(request.header("content-type", "text/csv").body(file)).await
}

/// Sends a file that is accepted; how many rows created, updated, left unchanged, were rejected.
async fn counts(person: &Person, query: &str, file: impl Into<Body>) -> [i64; 4] {
    of(&send(person, query, file).await.expect(StatusCode::OK))
}

fn of(import: &Value) -> [i64; 4] {
    ["created", "updated", "unchanged", "rejected"].map(|name| import[name].as_i64().expect("a number"))
}

/// How many rows of all that an import may write are there.
async fn written(door: &Door<'_>) -> i64 {
    // What waits is cleared up just after the answer.
    door.until("SELECT NOT EXISTS (SELECT 1 FROM client_import_rows)").await;
    door.bench
        .value(
            "SELECT (SELECT count(*) FROM clients) + (SELECT count(*) FROM client_imports) + (SELECT count(*) FROM client_import_members)
               + (SELECT count(*) FROM idempotency_keys)",
        )
        .await
}

/// Every client as text, by name.
async fn clients(door: &Door<'_>) -> Vec<String> {
    door.bench
        .column(
            "SELECT concat_ws('/', coalesce(external_id, '-'), name, coalesce(company, '-'), coalesce(email, '-'), coalesce(title, '-'), version)
             FROM clients ORDER BY name COLLATE \"C\", id",
        )
        .await
}
