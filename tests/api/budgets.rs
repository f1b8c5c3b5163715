//! What is submitted over an organisation's budget.

use hellosales_core::budget::{self, Change, OnExceeded};
use hellosales_core::{OrgId, Role};
use hellosales_simulator::Role as TokenRole;
use reqwest::StatusCode;
use serde_json::json;

use super::door::Door;

/// One request a day, which was made; how it is told to whom.
async fn spend(door: &Door<'_>, org: OrgId, on_exceeded: OnExceeded) {
    let change = Change { requests_per_day: Some(Some(1)), on_exceeded: Some(on_exceeded), ..Change::default() };
    let operator = door.bench.db.pools(Role::Operator);
    budget::set(&operator, org, &change, "operator:dana", Some("r")).await.expect("set");
    let used = "INSERT INTO budget_windows (org_id, span, starts_at, requests, before_requests)";
    door.bench.sql(&format!("{used} VALUES ('{org}', 'day', date_trunc('day', now(), 'UTC'), 1, 1)")).await;
}

#[tokio::test]
async fn every_submit_over_a_budget_that_refuses_is_a_429_that_says_when_and_what_stood_before_still_stands() {
    Door::run(async |door| {
        let ana = door.ana();
        let session = ana.session().await;
        let client =
            ana.post("/clients", &json!({"name": "Ana Reyes"})).await.expect(StatusCode::CREATED)["id"].clone();
        let product = ana.post("/products", &json!({"name": "Till"})).await.expect(StatusCode::CREATED)["id"].clone();
        let email = json!({"client_id": client});
        let before = ana.post_once("k", "/emails/generate", &email).await.expect(StatusCode::ACCEPTED);
        let me = ana.get("/auth/me").await.expect(StatusCode::OK);
        let org = me["organization"]["id"].as_str().expect("an id").parse().expect("an id");
        spend(door, org, OnExceeded::Refuse).await;

        let messages = format!("/chat/sessions/{session}/messages");
        let batch = json!({"client_ids": [client], "email_type": "follow_up"});
        let rows = door.rows().await;
        for (path, body) in [
            (messages.as_str(), json!({"message": "hello"})),
            ("/emails/generate", json!({})),
            ("/scripts/generate", json!({"product_id": product, "script_type": "cold_call"})),
            ("/email-batches", batch),
        ] {
            let refused = ana.post_once(&format!("k{path}"), path, &body).await;
            refused.problem(429, "BUDGET_EXCEEDED");
            let seconds: u32 = refused.header("retry-after").expect("a time").parse().expect("seconds");
            assert!((1..=86_400).contains(&seconds), "{path}: {seconds}");
            assert_eq!(refused.header("ratelimit-limit"), Some("1"), "{path}");
            assert_eq!(refused.header("ratelimit-remaining"), Some("0"), "{path}");
            assert_eq!(refused.header("ratelimit-reset"), refused.header("retry-after"), "{path}");
        }
        assert_eq!(door.rows().await, rows, "nothing was written");
        let again = ana.post_once("k", "/emails/generate", &email).await.expect(StatusCode::ACCEPTED);
        assert_eq!(again["id"], before["id"]);

        // Others go in; and so does whoever would rather wait.
        let eve = door.person("Other", "Eve", TokenRole::Member);
        let free = eve.post("/emails/generate", &json!({})).await;
        assert_eq!((free.status, free.header("ratelimit-limit")), (StatusCode::ACCEPTED, None));
        door.bench.sql("UPDATE budgets SET on_exceeded = 'snooze'").await;
        let late = ana.post("/emails/generate", &json!({})).await;
        assert_eq!((late.status, late.header("ratelimit-remaining")), (StatusCode::ACCEPTED, Some("0")));
    })
    .await;
}

#[tokio::test]
async fn what_waits_for_a_pause_or_its_turn_says_whose() {
    Door::run(async |door| {
        let ana = door.ana();
        let session = ana.session().await;
        let first = ana.say(&session, "one").await["id"].as_str().expect("an id").to_owned();
        let second = ana.say(&session, "two").await;
        assert_eq!(second["waiting"]["reason"], "session_busy");
        assert_eq!(second["waiting"]["detail"], format!("the session works on run {first}, which goes first").as_str());
        let third = ana.say(&session, "three").await;
        assert_eq!(third["waiting"]["detail"], format!("the session works on run {first}; 2 turns go first").as_str());

        let pause = "INSERT INTO pauses (scope, key, actor, reason, until)";
        door.bench
            .sql(&format!("{pause} VALUES ('lane', 'interactive', 'op', 'INC-81', now() + interval '1 hour')"))
            .await;
        let paused = ana.get(&format!("/runs/{first}")).await.expect(StatusCode::OK);
        assert_eq!(paused["waiting"]["reason"], "queue_paused");
        assert_eq!(paused["waiting"]["detail"], "the lane interactive is paused: INC-81");
        assert!(paused["waiting"]["until"].is_string());
    })
    .await;
}
