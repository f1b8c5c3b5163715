//! Dead letters over HTTP: seen by whom they may be, decided once, put back, by one and by many; another organisation's are not
//! there.

use hellosales_simulator::Role as TokenRole;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::door::{Answer, Door, Person};
use crate::queue::ends::failed;

const LIST: &str = "/pulse/dead-letter-queue";

/// A turn of Ana's that failed at its first stage; the letter's id.
async fn failed_turn(door: &Door<'_>, ana: &Person) -> (String, String) {
    let session = ana.session().await;
    let run = ana.say(&session, "a secret question").await["id"].as_str().expect("an id").to_owned();
    let hand = door.bench.hand().await;
    hand.land(hand.take("input_guard").await, failed()).await;
    let sql = format!("SELECT id::text FROM dead_letter_queue WHERE pipeline_run_id = '{run}'");
    (run, door.bench.value(&sql).await)
}

async fn patch(person: &Person, path: &str, body: &Value) -> Answer {
    Answer::of(person.request(Method::PATCH, path).json(body)).await
}

#[tokio::test]
async fn letters_are_listed_to_managers_and_what_people_wrote_only_to_admins_who_are_written_down() {
    Door::run(async |door| {
        let ana = door.ana();
        let (run, letter) = failed_turn(door, &ana).await;
        ana.get(LIST).await.problem(403, "INSUFFICIENT_PERMISSIONS");
        let manager = door.person("Acme", "Max", TokenRole::Manager);
        let list = manager.get(LIST).await.expect(StatusCode::OK);
        assert_eq!(list.as_array().map(Vec::len), Some(1), "the plan's plain list: {list}");
        let one = &list[0];
        assert_eq!((one["id"].as_str(), one["pipeline_run_id"].as_str()), (Some(&*letter), Some(&*run)));
        assert_eq!(
            (&one["status"], &one["error_code"], &one["failed_stage"]),
            (&json!("pending"), &json!("STAGE_FAILED"), &json!("input_guard"))
        );
        assert!(one["fingerprint"].is_string() && one["attempts"].as_array().is_some_and(|all| all.len() == 1));
        let seen = manager.get(&format!("{LIST}/{letter}")).await.expect(StatusCode::OK);
        assert_eq!(
            (&seen["payload"], &seen["context_snapshot"], &seen["input_data"]),
            (&Value::Null, &Value::Null, &Value::Null)
        );
        assert!(!seen.to_string().contains("secret") && !list.to_string().contains("secret"));
        let admin = door.person("Acme", "Ada", TokenRole::Admin);
        let seen = admin.get(&format!("{LIST}/{letter}")).await.expect(StatusCode::OK);
        assert_eq!(seen["payload"]["input"]["message"], "a secret question");
        let written: i64 =
            door.bench.value("SELECT count(*) FROM audit_log WHERE action = 'dead_letter.read_payload'").await;
        assert_eq!(written, 1);
    })
    .await;
}

#[tokio::test]
async fn pages_follow_each_other_by_the_link_and_filters_narrow() {
    Door::run(async |door| {
        let ana = door.ana();
        for _ in 0..3 {
            failed_turn(door, &ana).await;
        }
        let manager = door.person("Acme", "Max", TokenRole::Manager);
        let page = manager.get(&format!("{LIST}?limit=2&status=pending&error_code=STAGE_*")).await;
        let link = page.header("link").expect("a link").to_owned();
        assert_eq!(page.expect(StatusCode::OK).as_array().map(Vec::len), Some(2));
        let next = link.split('>').next().and_then(|link| link.strip_prefix('<')).expect("a path");
        let rest = manager.get(next).await;
        assert!(rest.header("link").is_none());
        assert_eq!(rest.expect(StatusCode::OK).as_array().map(Vec::len), Some(1));
        for nothing in [
            "status=resolved",
            "pipeline=email",
            "stage=llm",
            "provider=groq",
            "until=2020-01-01T00:00:00Z",
            "fingerprint=x",
        ] {
            let none = manager.get(&format!("{LIST}?{nothing}")).await.expect(StatusCode::OK);
            assert_eq!(none, json!([]), "{nothing}");
        }
        for (query, pointer, code) in [
            ("status=dead", "/status", "unknown_value"),
            ("limit=0", "/limit", "out_of_range"),
            ("since=yesterday", "/since", "not_a_time"),
            ("since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", "/until", "out_of_range"),
            ("colour=red", "/colour", "unknown_parameter"),
            ("org_id=0199f2ab-1234-7000-8000-000000000001", "/org_id", "not_allowed"),
        ] {
            manager.get(&format!("{LIST}?{query}")).await.fault(pointer, code);
        }
        manager.get(&format!("{LIST}?cursor=x")).await.problem(400, "MALFORMED_REQUEST");
        manager.get(&format!("{LIST}?batch_id=x")).await.problem(400, "MALFORMED_REQUEST");
    })
    .await;
}

#[tokio::test]
async fn another_organisations_letter_is_answered_like_none() {
    Door::run(async |door| {
        let (_, letter) = failed_turn(door, &door.ana()).await;
        let eve = door.person("Evil", "Eve", TokenRole::Admin);
        assert_eq!(eve.get(LIST).await.expect(StatusCode::OK), json!([]));
        let absent = "0199f2ab-1234-7000-8000-000000000001";
        let bare = |mut body: Value| {
            for name in ["request_id", "timestamp"] {
                body[name] = Value::Null;
            }
            body
        };
        for (method, tail, body) in [
            (Method::GET, "", json!({})),
            (Method::PATCH, "", json!({"status": "resolved"})),
            (Method::PATCH, "", json!({"notes": "mine"})),
            (Method::POST, "/retry", json!({})),
            (Method::POST, "/redrive", json!({"from": "start"})),
        ] {
            let ask = async |id: &str| {
                let request = eve.request(method.clone(), &format!("{LIST}/{id}{tail}"));
                Answer::of(if method == Method::GET { request } else { request.json(&body) }).await
            };
            let (theirs, none) = (ask(&letter).await, ask(absent).await);
            theirs.problem(404, "DEAD_LETTER_NOT_FOUND");
            assert_eq!(bare(theirs.body), bare(none.body));
        }
        let bulk = json!({"action": "resolve", "ids": [letter], "reason": "mine now"});
        eve.post(&format!("{LIST}/bulk"), &bulk).await.problem(404, "DEAD_LETTER_NOT_FOUND");
        eve.get("/pulse/dead-letter-queue/x").await.problem(400, "MALFORMED_REQUEST");
        let operator = door.person("Ops", "Olga", TokenRole::Operator);
        let acme: String = door.bench.value("SELECT org_id::text FROM dead_letter_queue").await;
        let seen = operator.get(&format!("{LIST}/{letter}?org_id={acme}")).await.expect(StatusCode::OK);
        assert_eq!(seen["id"], letter);
        operator.get(&format!("{LIST}/{letter}")).await.problem(404, "DEAD_LETTER_NOT_FOUND");
        let status: String = door.bench.value("SELECT status FROM dead_letter_queue").await;
        assert_eq!(status, "pending");
    })
    .await;
}

#[tokio::test]
async fn a_decision_is_made_once_and_a_redrive_puts_the_run_back() {
    Door::run(async |door| {
        let ana = door.ana();
        let (_, closed) = failed_turn(door, &ana).await;
        let (run, letter) = failed_turn(door, &ana).await;
        let manager = door.person("Acme", "Max", TokenRole::Manager);
        let path = format!("{LIST}/{closed}");
        let resolved =
            patch(&manager, &path, &json!({"status": "resolved", "notes": "known"})).await.expect(StatusCode::OK);
        assert_eq!((&resolved["status"], &resolved["resolution"]), (&json!("resolved"), &json!("fixed")));
        assert_eq!(resolved["resolution_notes"], "known");
        assert!(
            resolved["resolved_by"].is_string()
                && resolved["resolved_by_actor"].as_str().is_some_and(|by| by.starts_with("user:"))
        );
        patch(&manager, &path, &json!({"status": "abandoned"})).await.problem(409, "INVALID_STATE");
        patch(&manager, &path, &json!({"status": "pending"})).await.problem(409, "INVALID_STATE");
        manager.post(&format!("{path}/retry"), &json!({})).await.problem(409, "INVALID_STATE");
        patch(&manager, &path, &json!({})).await.fault("/status", "required");
        patch(&manager, &path, &json!({"status": "dead"})).await.fault("/status", "unknown_value");
        patch(&manager, &path, &json!({"notes": " "})).await.fault("/notes", "blank");
        patch(&ana, &path, &json!({"notes": "x"})).await.problem(403, "INSUFFICIENT_PERMISSIONS");

        let path = format!("{LIST}/{letter}");
        manager.post(&format!("{path}/retry"), &json!({"from": "start"})).await.problem(409, "INVALID_STATE");
        manager.post(&format!("{path}/retry"), &json!({"from": "llm"})).await.fault("/from", "unknown_value");
        manager
            .post(&format!("{path}/retry"), &json!({"from": "failed", "input": {}}))
            .await
            .fault("/from", "unknown_value");
        let answer = manager.post(&format!("{path}/redrive"), &json!({"model": "big", "reason": "INC-81"})).await;
        assert_eq!(answer.header("location"), Some(&*format!("/runs/{run}")));
        let redriven = answer.expect(StatusCode::ACCEPTED);
        assert_eq!((&redriven["status"], &redriven["resolution"]), (&json!("resolved"), &json!("redriven")));
        manager.post(&format!("{path}/retry"), &json!({})).await.problem(409, "INVALID_STATE");
        let model: String =
            door.bench.value(&format!("SELECT model_override FROM pipeline_runs WHERE id = '{run}'")).await;
        assert_eq!(model, "big");
        let shown = ana.get(&format!("/runs/{run}")).await.expect(StatusCode::OK);
        assert_eq!((&shown["generation"], &shown["links"]["retry"]), (&json!(2), &Value::Null));
    })
    .await;
}

#[tokio::test]
async fn the_owner_puts_a_failed_run_back_by_its_link() {
    Door::run(async |door| {
        let ana = door.ana();
        let (run, _) = failed_turn(door, &ana).await;
        let shown = ana.get(&format!("/runs/{run}")).await.expect(StatusCode::OK);
        let link = shown["links"]["retry"].as_str().expect("a link").to_owned();
        let bea = door.person("Acme", "Bea", TokenRole::Member);
        bea.post(&link, &json!({})).await.problem(404, "RUN_NOT_FOUND");
        let again = ana.post(&link, &json!({})).await.expect(StatusCode::ACCEPTED);
        assert_eq!((&again["status"], &again["generation"]), (&json!("queued"), &json!(2)));
        ana.post(&link, &json!({})).await.problem(409, "INVALID_STATE");
    })
    .await;
}

#[tokio::test]
async fn many_are_an_operation_that_can_be_seen_and_stopped() {
    Door::run(async |door| {
        let ana = door.ana();
        for _ in 0..3 {
            failed_turn(door, &ana).await;
        }
        let manager = door.person("Acme", "Max", TokenRole::Manager);
        let bulk = format!("{LIST}/bulk");
        let order = json!({"action": "redrive", "filter": {"error_code": "STAGE_FAILED"}, "reason": "INC-81", "max": 2, "canary": 1});
        let made = manager.post(&bulk, &order).await;
        let path = made.header("location").expect("where").to_owned();
        let made = made.expect(StatusCode::ACCEPTED);
        assert_eq!((&made["status"], &made["total"], &made["done"]), (&json!("canary"), &json!(2), &json!(0)));
        assert_eq!(manager.get(&path).await.expect(StatusCode::OK), made);
        let listed = manager.get("/pulse/operations").await.expect(StatusCode::OK);
        assert_eq!((&listed["total"], &listed["data"][0]), (&json!(1), &made));
        let eve = door.person("Evil", "Eve", TokenRole::Admin);
        eve.get(&path).await.problem(404, "OPERATION_NOT_FOUND");
        eve.post(&format!("{path}/abort"), &json!({})).await.problem(404, "OPERATION_NOT_FOUND");
        for _ in 0..2 {
            let stopped = manager.post(&format!("{path}/abort"), &json!({})).await.expect(StatusCode::OK);
            assert_eq!(stopped["status"], "aborted");
        }
        for (body, pointer, code) in [
            (json!({"action": "resolve", "reason": "x"}), "/filter", "required"),
            (json!({"action": "resolve", "filter": {}, "ids": [made["id"]], "reason": "x"}), "/filter", "required"),
            (json!({"action": "cancel", "filter": {}, "reason": "x"}), "/action", "unknown_value"),
            (json!({"filter": {}, "reason": "x"}), "/action", "required"),
            (json!({"action": "resolve", "filter": {}}), "/reason", "required"),
            (json!({"action": "resolve", "filter": {"colour": 1}, "reason": "x"}), "/filter/colour", "unknown_field"),
            (json!({"action": "resolve", "filter": {"since": "now"}, "reason": "x"}), "/filter/since", "not_a_time"),
            (json!({"action": "resolve", "filter": {}, "canary": 1, "reason": "x"}), "/canary", "unknown_value"),
            (json!({"action": "redrive", "ids": [], "reason": "x"}), "/ids", "empty"),
            (json!({"action": "redrive", "filter": {}, "reason": "x", "rate_per_second": 0}), "/rate_per_second", "out_of_range"),
        ] {
            manager.post(&bulk, &body).await.fault(pointer, code);
        }
        let nobody = json!({"action": "redrive", "filter": {"pipeline": "email"}, "reason": "x"});
        manager.post(&bulk, &nobody).await.problem(404, "DEAD_LETTER_NOT_FOUND");
        ana.post(&bulk, &order).await.problem(403, "INSUFFICIENT_PERMISSIONS");
    })
    .await;
}
