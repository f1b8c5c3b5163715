//! A batch to its end by commands: sampled, approved, left and come back to, retried, cancelled; through pipes, so
//! nothing is asked and lines are plain.

use std::process::Stdio;

use serde_json::{Value, json};

use super::batch::{batch, clients, command, json as parsed, out};
use super::program::{Dev, Folder, eventually, said, send};

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_sampled_sampled_again_approved_followed_and_read() {
    let folder = Folder::new();
    let dev = Dev::start(&folder, &["--workers", "1"]).await;
    let import = clients(&dev, &folder, 12).await;
    let order =
        ["--import", &import, "--type", "follow_up", "--instructions", "Say hello", "--sample", "2", "--key", "k1"];
    let made = batch(&dev, &[&["create"], &order[..], &["--watch", "-o", "json"]].concat()).await;
    assert_eq!(made.status.code(), Some(0), "{}", said(&made));
    let told: Vec<Value> = out(&made).lines().map(|line| serde_json::from_str(line).expect("JSON a line")).collect();
    let (first, last) = (told.first().expect("a line"), told.last().expect("a line"));
    assert_eq!((&first["status"], &last["status"]), (&"running".into(), &"awaiting_approval".into()));
    let id = first["id"].as_str().expect("an id").to_owned();
    let again = batch(&dev, &[&["create"], &order[..], &["--watch"]].concat()).await;
    assert_eq!(again.status.code(), Some(0), "{}", said(&again));
    assert!(out(&again).contains(&id) && said(&again).contains("this key came before"), "{}", said(&again));
    assert!(said(&again).contains(&format!("batch approve {id}")), "{}", said(&again));

    let prefix: String = id.chars().take(13).collect();
    let sample = async || {
        let sample = batch(&dev, &["results", &prefix, "--status", "completed", "-o", "jsonl"]).await;
        let text = out(&sample);
        let ids = text.lines().map(|line| {
            let item: Value = serde_json::from_str(line).expect("JSON a line");
            (item["email"]["id"].to_string(), item["run_id"].to_string())
        });
        ids.collect::<Vec<_>>()
    };
    let before = sample().await;
    assert_eq!(before.len(), 2);
    let rewritten = batch(&dev, &["sample", &id, "--instructions", "Say hello twice", "--watch"]).await;
    assert_eq!(rewritten.status.code(), Some(0), "{}", said(&rewritten));
    let last = out(&rewritten).lines().last().unwrap_or_default().to_owned();
    assert!(last.contains(": awaiting_approval 2/12") && !last.contains("waits:"), "{last}");
    let after = sample().await;
    assert!(after.len() == 2 && after.iter().all(|email| !before.contains(email)), "{before:?} {after:?}");
    let shown = batch(&dev, &["show", &id]).await;
    assert!(out(&shown).contains("instructions: Say hello twice"), "{}", out(&shown));

    let done = batch(&dev, &["approve", &id, "--watch"]).await;
    assert_eq!(done.status.code(), Some(0), "{}", said(&done));
    assert!(out(&done).lines().last().is_some_and(|line| line.contains("completed 12/12")), "{}", out(&done));
    assert_eq!(batch(&dev, &["approve", &id]).await.status.code(), Some(0), "a second yes changes nothing");
    assert_eq!(batch(&dev, &["watch", &id]).await.status.code(), Some(0), "an ended one is told at once");
    assert_eq!(batch(&dev, &["results", &id, "--status", "failed"]).await.status.code(), Some(3));
    let table = batch(&dev, &["results", &id]).await;
    assert_eq!(out(&table).lines().count(), 13, "{}", out(&table));
    dev.end("INT").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_leaves_the_batch_running_and_says_how_to_come_back() {
    let folder = Folder::new();
    let dev = Dev::start(&folder, &["--workers", "1"]).await;
    let import = clients(&dev, &folder, 3).await;
    // No answer comes before it is let go.
    let http = reqwest::Client::new();
    let control = format!("{}/_control", dev.text("simulator_url"));
    http.post(&control).json(&json!({"hold_after_tokens": 3})).send().await.expect("an answer");
    let mut watching = command(&dev, &["create", "--import", &import, "--type", "general", "--watch"]);
    let watching = watching.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let watching = watching.expect("it starts");
    let pid = u64::from(watching.id().expect("it runs"));
    let running = async || {
        let listed = batch(&dev, &["list", "-o", "json"]).await;
        listed.status.success() && parsed(&listed)[0]["counts"]["running"].as_i64().is_some_and(|running| running > 0)
    };
    eventually("the batch runs", running).await;
    send("INT", pid).await;
    let output = watching.wait_with_output().await.expect("it ends");
    assert_eq!(output.status.code(), Some(130), "{}", said(&output));
    assert!(said(&output).contains("the batch goes on; come back: ") && said(&output).contains("batch watch"));
    let id = parsed(&batch(&dev, &["list", "-o", "json"]).await)[0]["id"].as_str().expect("an id").to_owned();
    let paused = batch(&dev, &["pause", &id]).await;
    assert!(out(&paused).contains(": paused"), "{}{}", out(&paused), said(&paused));
    http.delete(&control).send().await.expect("an answer");
    let done = batch(&dev, &["resume", &id, "--watch"]).await;
    assert_eq!(done.status.code(), Some(0), "{}", said(&done));
    assert!(out(&done).contains("completed 3/3"), "{}", out(&done));
    assert_eq!(batch(&dev, &["cancel", &id]).await.status.code(), Some(5), "it has ended");
    dev.end("INT").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_is_tried_again_and_what_is_cancelled_keeps_what_was_written() {
    let folder = Folder::new();
    let dev = Dev::start(&folder, &["--workers", "1"]).await;
    let import = clients(&dev, &folder, 4).await;
    let http = reqwest::Client::new();
    let control = format!("{}/_control", dev.text("simulator_url"));
    let refuse = json!({"status": 400, "requests": 2});
    http.post(&control).json(&refuse).send().await.expect("an answer");
    let failed = batch(&dev, &["create", "--import", &import, "--type", "general", "--watch"]).await;
    assert_eq!(failed.status.code(), Some(4), "{}", said(&failed));
    let last = out(&failed).lines().last().unwrap_or_default().to_owned();
    assert!(last.contains("completed 4/4") && last.contains("2 failed"), "{last}");
    let id = parsed(&batch(&dev, &["list", "-o", "json"]).await)[0]["id"].as_str().expect("an id").to_owned();
    assert!(said(&failed).contains(&format!("batch retry-failed {id} --watch")), "{}", said(&failed));
    let faults = batch(&dev, &["results", &id, "--status", "failed"]).await;
    assert_eq!(out(&faults).matches("PROVIDER_INVALID_REQUEST").count(), 2, "{}", out(&faults));
    let again = batch(&dev, &["retry-failed", &id, "--watch"]).await;
    assert_eq!(again.status.code(), Some(0), "{}{}", out(&again), said(&again));
    assert!(out(&again).lines().last().is_some_and(|line| line.contains("completed 4/4")), "{}", out(&again));
    assert!(!out(&again).lines().last().is_some_and(|line| line.contains("failed")), "{}", out(&again));
    let none = batch(&dev, &["retry-failed", &id]).await;
    assert_eq!(none.status.code(), Some(5), "nothing failed: {}{}", out(&none), said(&none));

    let order = ["create", "--import", &import, "--type", "general", "--sample", "1", "--watch", "-o", "json"];
    let sampled = batch(&dev, &order).await;
    assert_eq!(sampled.status.code(), Some(0), "{}", said(&sampled));
    let id = parsed(&batch(&dev, &["list", "-o", "json"]).await)[0]["id"].as_str().expect("an id").to_owned();
    let cancelled = batch(&dev, &["cancel", &id, "--watch"]).await;
    assert_eq!(cancelled.status.code(), Some(1), "{}{}", out(&cancelled), said(&cancelled));
    assert!(out(&cancelled).lines().last().is_some_and(|line| line.contains("cancelled 4/4")), "{}", out(&cancelled));
    assert_eq!(batch(&dev, &["approve", &id]).await.status.code(), Some(5), "it is over");
    let kept = batch(&dev, &["results", &id, "--status", "completed", "-o", "jsonl"]).await;
    assert_eq!(out(&kept).lines().count(), 1, "{}", out(&kept));
    assert_eq!(batch(&dev, &["results", &id, "--status", "cancelled", "-o", "jsonl"]).await.status.code(), Some(0));
    dev.end("INT").await;
}
