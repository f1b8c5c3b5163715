//! Faults on request: each as its client meets it.

use std::time::{Duration, Instant};

use futures::StreamExt;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{Running, frames, plain, streamed, texts};

#[tokio::test]
async fn a_status_rule_counts_its_requests_and_names_the_wait() {
    let sim = Running::start().await;
    sim.control(json!({"status": 429, "retry_after_s": 7, "requests": 2, "model": "m"})).await;
    let mut other = plain("x");
    other["model"] = json!("other");
    assert_eq!(sim.ask(&other).send().await.unwrap().status(), 200);
    for body in [plain("x"), streamed("x")] {
        let response = sim.ask(&body).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()["retry-after"], "7");
        assert_eq!(response.headers()["x-ratelimit-remaining-requests"], "0");
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["error"]["code"], "rate_limit_exceeded");
        assert_eq!(sim.last_end().await["end"], "status_429");
    }
    assert_eq!(sim.ask(&plain("x")).send().await.unwrap().status(), 200);
    assert_eq!(sim.get("/_control").await, json!({"rules": [], "held": 0}));
}

#[tokio::test]
async fn an_unknown_field_is_refused_and_changes_nothing() {
    let sim = Running::start().await;
    let url = format!("{}/_control", sim.url);
    let response = sim.client.post(url).json(&json!({"statuss": 500})).send().await.unwrap();
    assert_eq!(response.status(), 400);
    assert_eq!(sim.get("/_control").await["rules"], json!([]));
    assert!(sim.get("/_control?hold=1").await["error"].is_object());
}

#[tokio::test]
async fn a_cut_breaks_the_connection_after_its_tokens() {
    let sim = Running::start().await;
    sim.control(json!({"cut_after_tokens": 3})).await;
    let (frames, ended) = frames(sim.ask(&streamed("x")).send().await.unwrap()).await;
    assert!(!ended);
    assert_eq!(texts(&frames).len(), 3);
    let entry = sim.last_end().await;
    assert_eq!((&entry["end"], &entry["tokens_sent"]), (&json!("cut"), &json!(3)));
    assert_eq!(entry["text"], texts(&frames).concat());
    let whole = sim.ask(&plain("x")).send().await.unwrap();
    assert_eq!(whole.status(), 200);
    assert!(whole.bytes().await.is_err());
    assert_eq!(sim.last_end().await["end"], "cut");
}

#[tokio::test]
async fn a_malformed_answer_is_no_json() {
    let sim = Running::start().await;
    sim.control(json!({"malformed": true})).await;
    let (frames, ended) = frames(sim.ask(&streamed("x")).send().await.unwrap()).await;
    assert!(ended);
    let garbled = &frames[frames.len() - 2];
    assert!(serde_json::from_str::<Value>(garbled).is_err(), "{garbled}");
    assert_eq!(sim.last_end().await["end"], "malformed");
    let whole = sim.ask(&plain("x")).send().await.unwrap().text().await.unwrap();
    assert!(serde_json::from_str::<Value>(&whole).is_err());
}

#[tokio::test]
async fn a_hang_never_answers_and_a_client_that_leaves_is_seen_at_once() {
    let sim = Running::start().await;
    sim.control(json!({"hang": true, "requests": 1})).await;
    let request = sim.ask(&streamed("x")).timeout(Duration::from_millis(150)).send();
    assert!(request.await.unwrap_err().is_timeout());
    let left = Instant::now();
    assert_eq!(sim.last_end().await["end"], "hung_up");
    assert!(left.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn a_client_that_leaves_a_held_stream_is_seen_at_once() {
    let sim = Running::start().await;
    sim.control(json!({"hold_after_tokens": 2})).await;
    let response = sim.ask(&streamed("x")).send().await.unwrap();
    sim.wait_held(1).await;
    assert_eq!(sim.get("/_log").await[0]["end"], Value::Null);
    drop(response);
    let left = Instant::now();
    let entry = sim.last_end().await;
    assert!(left.elapsed() < Duration::from_secs(1));
    assert_eq!((&entry["end"], &entry["tokens_sent"]), (&json!("hung_up"), &json!(2)));
    assert_eq!(sim.get("/_control").await["held"], 0);
}

#[tokio::test]
async fn a_client_that_leaves_a_running_stream_is_seen_at_once() {
    let sim = Running::start().await;
    sim.control(json!({"token_delay_ms": 200})).await;
    let mut response = sim.ask(&streamed("x")).send().await.unwrap();
    response.chunk().await.unwrap();
    drop(response);
    let left = Instant::now();
    let entry = sim.last_end().await;
    assert!(left.elapsed() < Duration::from_secs(2));
    assert_eq!(entry["end"], "hung_up");
    assert!(entry["tokens_sent"].as_u64().unwrap() < 10);
}

#[tokio::test]
async fn held_answers_go_on_when_back_to_normal() {
    let sim = Running::start().await;
    sim.control(json!({"hold_after_tokens": 2})).await;
    let mut stream = sim.ask(&streamed("x")).send().await.unwrap().bytes_stream();
    let plain = tokio::spawn(sim.ask(&plain("x")).send());
    sim.wait_held(2).await;
    let mut early = String::new();
    while texts(&early.split("\n\n").map(|frame| frame.replace("data: ", "")).collect::<Vec<_>>()).len() < 2 {
        early.push_str(std::str::from_utf8(&stream.next().await.unwrap().unwrap()).unwrap());
    }
    sim.back_to_normal().await;
    let mut late = String::new();
    while let Some(part) = stream.next().await {
        late.push_str(std::str::from_utf8(&part.unwrap()).unwrap());
    }
    assert!(late.ends_with("data: [DONE]\n\n"));
    assert_eq!(plain.await.unwrap().unwrap().status(), 200);
    assert_eq!(sim.get("/_control").await["held"], 0);
}

#[tokio::test]
async fn the_pace_can_be_set() {
    let sim = Running::start().await;
    sim.control(json!({"first_token_ms": 80, "token_delay_ms": 2})).await;
    let mut body = streamed("x");
    body["max_tokens"] = json!(11);
    for streaming in [true, false] {
        body["stream"] = json!(streaming);
        if !streaming {
            body.as_object_mut().unwrap().remove("stream_options");
        }
        let began = Instant::now();
        sim.ask(&body).send().await.unwrap().bytes().await.unwrap();
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(100) && took < Duration::from_secs(5), "{took:?}");
    }
}
