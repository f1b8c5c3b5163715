//! An api whose database loses answers, or whose LISTEN is deaf.

use reqwest::StatusCode;
use serde_json::json;

use super::batches::clients;
use super::door::Door;
use super::events::Attempt;

#[tokio::test]
async fn a_turn_whose_commit_lost_its_answer_is_found_and_accepted_once() {
    Door::run_behind_proxy(async |door, proxy| {
        let ana = door.ana();
        let session = ana.session().await;
        proxy.control().swallow_answer("COMMIT");
        let run = ana.say(&session, "hello").await;
        assert!(proxy.control().has_swallowed());
        assert_eq!(run["status"], "queued");
        assert_eq!(door.bench.value::<i64>("SELECT count(*) FROM pipeline_runs").await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_batch_whose_commit_lost_its_answer_is_accepted_once() {
    Door::run_behind_proxy(async |door, proxy| {
        let ana = door.ana();
        let ids = clients(door, &ana, 3).await;
        let body = json!({"client_ids": ids, "email_type": "general", "max_cost_cents": 5});
        proxy.control().swallow_answer("COMMIT");
        let first = ana.post_once("k1", "/email-batches", &body).await;
        assert!(proxy.control().has_swallowed());
        // Found again at once, or by the key when it is said again.
        let batch = match first.status {
            StatusCode::ACCEPTED => first.body,
            _ => ana.post_once("k1", "/email-batches", &body).await.expect(StatusCode::ACCEPTED),
        };
        assert_eq!(batch["counts"]["total"], 3);
        let rows = "SELECT (SELECT count(*) FROM email_batches) * 100 + (SELECT count(*) FROM batch_budgets) * 10 + (SELECT count(*) FROM batch_items)";
        assert_eq!(door.bench.value::<i64>(rows).await, 113);
    })
    .await;
}

#[tokio::test]
async fn rule_08_without_wake_ups_a_follower_has_every_event_all_the_same() {
    Door::run_behind_proxy(async |door, proxy| {
        proxy.control().drop_notifications(true);
        let ana = door.ana();
        let session = ana.session().await;
        let run = ana.say(&session, "hello").await["id"].as_str().expect("an id").to_owned();
        let hand = door.bench.hand().await;
        let mut attempt = Attempt::begin(&hand).await;
        let mut events = ana.follow(&run, None).await;
        events.expect("run.snapshot").await;
        attempt.write("Hello").await;
        assert_eq!(events.expect("output.delta").await.data["delta"], "Hello");
        // Every connection dies: the client's stream goes on, or is resumed where it was.
        proxy.control().cut_all();
        attempt.end().await;
        let mut last = events.rest().await.pop();
        if last.as_ref().is_none_or(|event| event.name != "run.completed") {
            last = ana.follow(&run, last.and_then(|event| event.id).or(Some(0))).await.rest().await.pop();
        }
        assert_eq!(last.expect("an event").data["run"]["status"], "completed");
        assert_eq!(ana.get(&format!("/runs/{run}")).await.status, StatusCode::OK);
    })
    .await;
}
