//! What is told to a batch, where it can be done and where not.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::super::door::{Answer, Door, Person};
use super::{clients, fail, id, post, stands, submit};

pub(super) async fn tell(person: &Person, batch: &str, what: &str) -> Answer {
    person.post(&format!("/email-batches/{batch}/{what}"), &json!({})).await
}

async fn patch(person: &Person, batch: &str, body: &Value) -> Answer {
    Answer::of(person.request(Method::PATCH, &format!("/email-batches/{batch}")).json(body)).await
}

#[tokio::test]
async fn each_wrong_state_is_a_409_that_names_it() {
    Door::run_by_hand(async |door| {
        let ana = door.ana();
        let ids = clients(door, &ana, 2).await;
        let batch = submit(&ana, &ids).await;
        let batch = id(&batch);
        let wrong = [
            ("running", &["approve", "sample"][..]),
            ("paused", &["approve", "sample"]),
            ("cancelling", &["approve", "sample", "pause", "resume", "retry-failed"]),
            ("completed", &["approve", "sample", "pause", "resume", "cancel"]),
            ("cancelled", &["approve", "sample", "pause", "resume", "retry-failed"]),
        ];
        for (status, refused) in wrong {
            stands(door, batch, status).await;
            for what in refused {
                let answer = tell(&ana, batch, what).await;
                answer.problem(409, "INVALID_STATE");
                assert_eq!(answer.body["message"], format!("the batch is {status}"), "{what}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_second_time_is_as_good_as_the_first() {
    Door::run_by_hand(async |door| {
        let ana = door.ana();
        let ids = clients(door, &ana, 3).await;
        let body = json!({"client_ids": ids, "email_type": "general", "sample": 1});
        let batch = post(&ana, &body).await.expect(StatusCode::ACCEPTED);
        let batch = id(&batch);
        let twice = async |what: &str, status: &str| {
            for _ in 0..2 {
                assert_eq!(tell(&ana, batch, what).await.expect(StatusCode::OK)["status"], status, "{what}");
            }
        };
        twice("pause", "paused").await;
        twice("resume", "running").await;
        stands(door, batch, "awaiting_approval").await;
        assert_eq!(ana.get(&format!("/email-batches/{batch}")).await.body["waiting"]["reason"], "awaiting_approval");
        twice("sample", "running").await;
        stands(door, batch, "awaiting_approval").await;
        twice("approve", "running").await;
        fail(door, batch, 0).await;
        for n in 1..3 {
            super::write_email(door, batch, n, "s", "b").await;
        }
        stands(door, batch, "completed").await;
        assert_eq!(ana.get(&format!("/email-batches/{batch}")).await.body["outcome"], "some_failed");
        let retried = tell(&ana, batch, "retry-failed").await.expect(StatusCode::OK);
        assert_eq!((&retried["status"], &retried["round"]), (&json!("running"), &json!(2)));
        assert_eq!(tell(&ana, batch, "retry-failed").await.expect(StatusCode::OK)["round"], 2);
        twice("cancel", "cancelling").await;
    })
    .await;
}

#[tokio::test]
async fn what_is_asked_for_may_change_until_the_rest_is_being_written() {
    Door::run_by_hand(async |door| {
        let ana = door.ana();
        let ids = clients(door, &ana, 3).await;
        let body = json!({"client_ids": ids, "email_type": "general", "sample": 1, "max_cost_cents": 10});
        let batch = post(&ana, &body).await.expect(StatusCode::ACCEPTED);
        let batch = id(&batch);
        let other = json!({"instructions": "Shorter."});
        for status in ["running", "awaiting_approval", "paused"] {
            stands(door, batch, status).await;
            assert_eq!(patch(&ana, batch, &other).await.expect(StatusCode::OK)["input"]["instructions"], "Shorter.");
        }
        door.bench.sql("UPDATE email_batches SET is_approved = true").await;
        patch(&ana, batch, &json!({"instructions": null})).await.expect(StatusCode::OK);
        stands(door, batch, "running").await;
        patch(&ana, batch, &other).await.problem(409, "INVALID_STATE");
        for status in ["cancelling", "completed", "cancelled"] {
            stands(door, batch, status).await;
            patch(&ana, batch, &other).await.problem(409, "INVALID_STATE");
            patch(&ana, batch, &json!({"max_cost_cents": 20})).await.problem(409, "INVALID_STATE");
            assert_eq!(patch(&ana, batch, &json!({"name": status})).await.expect(StatusCode::OK)["name"], status);
        }
        assert_eq!(ana.get(&format!("/email-batches/{batch}")).await.body["input"]["instructions"], json!(null));
    })
    .await;
}

#[tokio::test]
async fn a_budget_moves_but_not_below_what_is_spent_or_reserved() {
    Door::run_by_hand(async |door| {
        let ana = door.ana();
        let ids = clients(door, &ana, 1).await;
        let body = json!({"client_ids": ids, "email_type": "general", "max_cost_cents": 10});
        let batch = post(&ana, &body).await.expect(StatusCode::ACCEPTED);
        let batch = id(&batch);
        let budget = "SELECT max_cost_cents::text FROM batch_budgets";
        assert_eq!(
            patch(&ana, batch, &json!({"max_cost_cents": 20.5})).await.expect(StatusCode::OK)["max_cost_cents"],
            20.5
        );
        assert_eq!(door.bench.value::<String>(budget).await, "20.500000");
        door.bench.sql("UPDATE batch_budgets SET spent_cents = 4, reserved_cents = 2").await;
        patch(&ana, batch, &json!({"max_cost_cents": 5.9})).await.problem(409, "INVALID_STATE");
        assert_eq!(door.bench.value::<String>(budget).await, "20.500000");
        patch(&ana, batch, &json!({"max_cost_cents": 6})).await.expect(StatusCode::OK);
        assert_eq!(door.bench.value::<String>(budget).await, "6.000000");
        patch(&ana, batch, &json!({"max_cost_cents": null})).await.fault("/max_cost_cents", "wrong_type");
        let unbounded = submit(&ana, &ids).await;
        patch(&ana, id(&unbounded), &json!({"max_cost_cents": 5})).await.problem(409, "INVALID_STATE");
    })
    .await;
}

#[tokio::test]
async fn a_change_is_made_to_what_its_editor_has_seen() {
    Door::run_by_hand(async |door| {
        let ana = door.ana();
        let ids = clients(door, &ana, 2).await;
        let batch = submit(&ana, &ids).await;
        let path = format!("/email-batches/{}", id(&batch));
        let seen = ana.get(&path).await.header("etag").expect("a tag").to_owned();
        super::write_email(door, id(&batch), 0, "s", "b").await;
        assert_eq!(ana.get(&path).await.header("etag"), Some(seen.as_str()));
        let named = async |name: &str| {
            let request = ana.request(Method::PATCH, &path).header("if-match", &seen).json(&json!({"name": name}));
            Answer::of(request).await
        };
        named("one").await.expect(StatusCode::OK);
        named("two").await.problem(412, "VERSION_CONFLICT");
        assert_eq!(ana.get(&path).await.body["name"], "one");
    })
    .await;
}
