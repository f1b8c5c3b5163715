//! Runs, looked at, waited for and stopped.

use std::time::Instant;

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::door::{Answer, Door};
use crate::queue::ends::retry;

#[tokio::test]
async fn a_cancel_is_done_when_it_returns_and_twice_is_as_good_as_once() {
    Door::run(async |door| {
        let ana = door.ana();
        let session = ana.session().await;
        let run = ana.say(&session, "hello").await["id"].as_str().expect("an id").to_owned();
        for _ in 0..2 {
            let run = ana.post(&format!("/runs/{run}/cancel"), &json!({})).await.expect(StatusCode::OK);
            assert_eq!((run["status"].as_str(), run["status_reason"].as_str()), (Some("cancelled"), Some("user")));
            assert!(run["links"]["cancel"].is_null() && run["timing"]["total_ms"].is_i64());
        }
        let empty = Answer::of(ana.request(Method::POST, &format!("/runs/{run}/cancel"))).await;
        assert_eq!(empty.status, StatusCode::OK);
        ana.post(&format!("/runs/{run}/cancel"), &json!({"why": 1})).await.fault("/why", "unknown_field");
    })
    .await;
}

#[tokio::test]
async fn a_wait_ends_with_the_run_or_with_its_time() {
    Door::run(async |door| {
        let ana = door.ana();
        let session = ana.session().await;
        let run = ana.say(&session, "hello").await["id"].as_str().expect("an id").to_owned();
        let started = Instant::now();
        let waited = ana.get(&format!("/runs/{run}?wait=1")).await.expect(StatusCode::OK);
        assert_eq!(waited["status"], "queued");
        assert!(started.elapsed().as_millis() >= 1000);
        let (cancel, nothing) = (format!("/runs/{run}/cancel"), json!({}));
        let path = format!("/runs/{run}?wait=60");
        let (waited, _) = tokio::join!(ana.get(&path), ana.post(&cancel, &nothing));
        assert_eq!(waited.expect(StatusCode::OK)["status"], "cancelled");
        assert!(started.elapsed().as_secs() < 20);
    })
    .await;
}

#[tokio::test]
async fn a_run_that_backs_off_says_until_when_and_why() {
    Door::run(async |door| {
        let ana = door.ana();
        let session = ana.session().await;
        let run = ana.say(&session, "hello").await["id"].as_str().expect("an id").to_owned();
        let hand = door.bench.hand().await;
        let mut steps = hand.claim(3).await;
        for end in [crate::queue::ends::ok(), crate::queue::ends::ok(), retry()] {
            hand.land(steps.remove(0), end).await;
        }
        let run = ana.get(&format!("/runs/{run}")).await.expect(StatusCode::OK);
        assert_eq!((run["status"].as_str(), run["waiting"]["reason"].as_str()), (Some("running"), Some("backoff")));
        assert_eq!(run["waiting"]["detail"], "not now");
        assert!(run["waiting"]["until"].as_str().is_some_and(|until| until.ends_with('Z')));
        assert_eq!(
            run["progress"],
            json!({"stage": "summary_enrich", "done": 2, "total": 6, "attempt": 2, "max_attempts": 3})
        );
    })
    .await;
}

#[tokio::test]
async fn lists_are_paged_without_a_gap_or_a_repeat() {
    Door::run(async |door| {
        let ana = door.ana();
        let mut made = Vec::new();
        for n in 0..7 {
            let session = ana.session().await;
            made.push(ana.say(&session, &format!("hello {n}")).await["id"].clone());
        }
        made.reverse();
        for (list, total) in [("/runs?limit=3&status=queued&pipeline=chat", 7), ("/chat/sessions?limit=3", 7)] {
            let (mut seen, mut cursor) = (Vec::new(), String::new());
            loop {
                let page = ana.get(&format!("{list}{cursor}")).await.expect(StatusCode::OK);
                assert_eq!((page["total"].as_i64(), page["total_is_exact"].as_bool()), (Some(total), Some(true)));
                seen.extend(page["data"].as_array().expect("a list").iter().map(|one| one["id"].clone()));
                let Some(next) = page["next_cursor"].as_str() else { break };
                assert_eq!(page["has_more"], true);
                cursor = format!("&cursor={next}");
            }
            assert_eq!(seen.len(), 7);
            if list.starts_with("/runs") {
                assert_eq!(seen, made);
                ana.get(&format!("/runs?limit=3{cursor}")).await.problem(400, "MALFORMED_REQUEST");
                ana.get(&format!("/chat/sessions?limit=3{cursor}")).await.problem(400, "MALFORMED_REQUEST");
            }
        }
        let one = ana.get("/chat/sessions?limit=1").await.expect(StatusCode::OK)["data"][0]["id"].clone();
        let of_one =
            ana.get(&format!("/runs?session_id={}", one.as_str().expect("an id"))).await.expect(StatusCode::OK);
        assert_eq!((of_one["total"].as_i64(), of_one["data"][0]["session_id"].as_str()), (Some(1), one.as_str()));
    })
    .await;
}

#[tokio::test]
async fn what_a_pipeline_hands_on_between_its_stages_is_no_result() {
    Door::run(async |door| {
        let ana = door.ana();
        let session = ana.session().await;
        let run = ana.say(&session, "hello").await["id"].as_str().expect("an id").to_owned();
        // As a summary's run is: it makes no object of the contract, but its last stage has an output.
        door.bench
            .sql("UPDATE pipeline_runs SET target_type = NULL, target_id = NULL, result = '{\"text\": \"x\"}'")
            .await;
        let shown = ana.get(&format!("/runs/{run}")).await.expect(StatusCode::OK);
        assert_eq!((&shown["target"], &shown["result"]), (&json!(null), &json!(null)));
    })
    .await;
}
