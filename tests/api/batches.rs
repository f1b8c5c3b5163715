//! Batches over HTTP. What admission and workers do to them is written by hand here.

mod accept;
mod csv;
mod estimate;
mod events;
mod refused;
mod replay;
mod results;
mod steer;
mod tenancy;

use reqwest::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::door::{Answer, Door, Person};

/// The organisation of a person.
async fn org_of(person: &Person) -> Uuid {
    let me = person.get("/auth/me").await.expect(StatusCode::OK);
    me["organization"]["id"].as_str().expect("an id").parse().expect("an id")
}

/// Clients of a person's organisation, the oldest first: `Name 0 of Company 0` in retail, and so on by turns.
pub(super) async fn clients(door: &Door<'_>, person: &Person, count: usize) -> Vec<Uuid> {
    let org = org_of(person).await;
    door.bench
        .column(&format!(
            "INSERT INTO clients (id, org_id, name, company, industry, email, created_at)
             SELECT gen_random_uuid(), '{org}', 'Name ' || i, 'Company ' || i / 2, (ARRAY['Retail', 'Health', 'Finance'])[1 + i % 3],
               CASE WHEN i % 4 <> 3 THEN 'a' || i || '@example.com' END, now() - interval '1 day' + i * interval '1 ms'
             FROM generate_series(0, {count} - 1) i ORDER BY i RETURNING id"
        ))
        .await
}

/// A product of a person's organisation.
async fn product(door: &Door<'_>, person: &Person) -> Uuid {
    let (org, id) = (org_of(person).await, Uuid::now_v7());
    door.bench.sql(&format!("INSERT INTO products (id, org_id, name) VALUES ('{id}', '{org}', 'Lumen')")).await;
    id
}

/// Submits with a new key.
async fn post(person: &Person, body: &Value) -> Answer {
    person.post_once(&Uuid::now_v7().to_string(), "/email-batches", body).await
}

/// A batch for these clients.
pub(super) async fn submit(person: &Person, clients: &[Uuid]) -> Value {
    post(person, &json!({"client_ids": clients, "email_type": "follow_up"})).await.expect(StatusCode::ACCEPTED)
}

pub(super) fn id(object: &Value) -> &str {
    object["id"].as_str().expect("an id")
}

/// The clients of a batch in the order of its items.
async fn frozen(door: &Door<'_>, batch: &Value) -> Vec<Uuid> {
    door.bench.column(&format!("SELECT client_id FROM batch_items WHERE batch_id = '{}' ORDER BY n", id(batch))).await
}

/// An item's email is written.
pub(super) async fn write_email(door: &Door<'_>, batch: &str, n: i32, subject: &str, body: &str) {
    let (subject, body) = (subject.replace('\'', "''"), body.replace('\'', "''"));
    door.bench
        .sql(&format!(
            "WITH i AS (UPDATE batch_items SET status = 'completed', run_id = gen_random_uuid(), cost_cents = 0.25, ended_at = clock_timestamp()
                        WHERE batch_id = '{batch}' AND n = {n} RETURNING *)
             INSERT INTO sales_emails (id, email_id, org_id, name, email_type, subject, body, origin, run_id, batch_id, batch_n, cost_cents, client_id)
             SELECT gen_random_uuid(), gen_random_uuid(), org_id, 'An email', 'follow_up', '{subject}', '{body}', 'generated', run_id,
               batch_id, n, cost_cents, client_id FROM i"
        ))
        .await;
}

/// An item's run failed.
pub(super) async fn fail(door: &Door<'_>, batch: &str, n: i32) {
    door.bench
        .sql(&format!(
            "WITH i AS (UPDATE batch_items SET status = 'failed', run_id = gen_random_uuid(), ended_at = clock_timestamp()
                        WHERE batch_id = '{batch}' AND n = {n} RETURNING *)
             INSERT INTO pipeline_runs (id, org_id, service, topology, behavior, pipeline, pipeline_version, lane, fair_rank, input, stream,
               status, status_reason, success, completed_at, failure, batch_id, batch_n, quality_mode)
             SELECT run_id, org_id, 'email', 'email@1', 'bulk', 'email', 1, 2, 0, '{{}}', false, 'failed', 'error', false, now(),
               '{{\"code\": \"PROVIDER_REFUSED\", \"message\": \"no, \\\"never\\\"\", \"retryable\": false}}', batch_id, n, 'balanced' FROM i"
        ))
        .await;
}

/// A batch stands so.
pub(super) async fn stands(door: &Door<'_>, batch: &str, status: &str) {
    let ended = matches!(status, "completed" | "cancelled");
    door.bench
        .sql(&format!(
            "UPDATE email_batches SET status = '{status}', paused_from = CASE '{status}' WHEN 'paused' THEN 'running' END,
               completed_at = CASE WHEN {ended} THEN clock_timestamp() END WHERE id = '{batch}'"
        ))
        .await;
}
