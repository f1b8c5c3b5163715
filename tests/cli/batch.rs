//! `batch`: estimated, sampled, approved, followed, read; through pipes, so nothing is asked and lines are plain.

use std::process::Output;

use serde_json::Value;
use tokio::process::Command;

use super::program::{Dev, Folder, eventually, program, said, send};

fn command(dev: &Dev, args: &[&str]) -> Command {
    let mut command = program(&[&["batch"], args].concat());
    command.env("API_URL", dev.text("url")).env("HELLOSALES_TOKEN", dev.text("token"));
    command
}

async fn batch(dev: &Dev, args: &[&str]) -> Output {
    command(dev, args).output().await.expect("it starts")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no JSON: {}{}", out(output), said(output)))
}

/// Has clients come in; the import.
async fn clients(dev: &Dev, folder: &Folder, count: u32) -> String {
    let path = folder.path().join("clients.csv");
    let head = "name,email,company,goals\n".to_owned();
    let file = (0..count).fold(head, |file, n| file + &format!("Client {n},c{n}@x{n}.example,Company {n},grow\n"));
    std::fs::write(&path, file).expect("written");
    let mut import = program(&["clients", "import", path.to_str().expect("a plain path"), "-o", "json"]);
    import.env("API_URL", dev.text("url")).env("HELLOSALES_TOKEN", dev.text("token"));
    json(&import.output().await.expect("it starts"))["import_id"].as_str().expect("an id").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_estimated_sampled_approved_followed_and_read() {
    let folder = Folder::new();
    let dev = Dev::start(&folder, &["--workers", "1"]).await;
    let import = clients(&dev, &folder, 12).await;

    let estimate = batch(&dev, &["estimate", "--import", &import, "--type", "follow_up"]).await;
    assert_eq!(estimate.status.code(), Some(0), "{}", said(&estimate));
    assert!(out(&estimate).starts_with("12 emails, about "), "{}", out(&estimate));
    let none = batch(&dev, &["estimate", "--filter", "industry=nothing", "--type", "general"]).await;
    assert_eq!(none.status.code(), Some(3), "{}", said(&none));

    let order =
        ["--import", &import, "--type", "follow_up", "--instructions", "Say hello", "--sample", "2", "--key", "k1"];
    let made = batch(&dev, &[&["create"], &order[..], &["-o", "json"]].concat()).await;
    assert_eq!(made.status.code(), Some(0), "{}", said(&made));
    let id = json(&made)["id"].as_str().expect("an id").to_owned();
    let again = batch(&dev, &[&["create"], &order[..], &["--watch"]].concat()).await;
    assert_eq!(again.status.code(), Some(0), "{}", said(&again));
    assert!(out(&again).contains(&id) && said(&again).contains("this key came before"), "{}", said(&again));
    assert!(said(&again).contains(&format!("batch approve {id}")), "{}", said(&again));

    let prefix: String = id.chars().take(13).collect();
    let sample = batch(&dev, &["results", &prefix, "--status", "completed", "-o", "jsonl"]).await;
    assert_eq!((sample.status.code(), out(&sample).lines().count()), (Some(0), 2), "{}", said(&sample));
    let done = batch(&dev, &["approve", &id, "--watch"]).await;
    assert_eq!(done.status.code(), Some(0), "{}", said(&done));
    assert!(out(&done).lines().last().is_some_and(|line| line.contains("completed 12/12")), "{}", out(&done));
    assert_eq!(batch(&dev, &["approve", &id]).await.status.code(), Some(5));
    assert_eq!(batch(&dev, &["watch", &id]).await.status.code(), Some(0), "an ended one is told at once");

    let file = folder.path().join("emails.csv");
    let path = file.to_str().expect("a plain path");
    let csv = batch(&dev, &["results", &id, "-o", "csv", "-f", path]).await;
    assert_eq!((csv.status.code(), out(&csv)), (Some(0), String::new()), "{}", said(&csv));
    let text = std::fs::read_to_string(&file).expect("a file");
    assert!(text.contains("Client 11") && text.contains("n,status,client_id"), "{text}");
    let table = batch(&dev, &["results", &id]).await;
    assert_eq!(out(&table).lines().count(), 13, "{}", out(&table));
    assert_eq!(batch(&dev, &["results", &id, "--status", "failed"]).await.status.code(), Some(3));
    let listed = batch(&dev, &["list", "-o", "json"]).await;
    assert_eq!(json(&listed)[0]["id"], id.as_str());
    let shown = batch(&dev, &["show", &id]).await;
    assert!(out(&shown).contains("instructions: Say hello"), "{}", out(&shown));

    // The same clients by a file of theirs.
    let order = ["create", "--clients", path, "--type", "general", "-o", "json"];
    assert_eq!(json(&batch(&dev, &order).await)["counts"]["total"], 12);
    assert_eq!(batch(&dev, &["show", "00000000-0000-7000-8000-000000000000"]).await.status.code(), Some(3));
    assert_eq!(batch(&dev, &["show", "00000000"]).await.status.code(), Some(3));
    assert_eq!(batch(&dev, &["show", "0000"]).await.status.code(), Some(2));
    assert_eq!(batch(&dev, &["create", "--type", "general"]).await.status.code(), Some(2));
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
    http.post(&control).json(&serde_json::json!({"hold_after_tokens": 3})).send().await.expect("an answer");
    let mut watching = command(&dev, &["create", "--import", &import, "--type", "general", "--watch"]);
    let watching = watching.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn();
    let watching = watching.expect("it starts");
    let pid = u64::from(watching.id().expect("it runs"));
    let running = async || {
        let listed = batch(&dev, &["list", "-o", "json"]).await;
        listed.status.success() && json(&listed)[0]["counts"]["running"].as_i64().is_some_and(|running| running > 0)
    };
    eventually("the batch runs", running).await;
    send("INT", pid).await;
    let output = watching.wait_with_output().await.expect("it ends");
    assert_eq!(output.status.code(), Some(130), "{}", said(&output));
    assert!(said(&output).contains("the batch goes on; come back: ") && said(&output).contains("batch watch"));
    let id = json(&batch(&dev, &["list", "-o", "json"]).await)[0]["id"].as_str().expect("an id").to_owned();
    let paused = batch(&dev, &["pause", &id]).await;
    assert!(out(&paused).contains(": paused"), "{}{}", out(&paused), said(&paused));
    http.delete(&control).send().await.expect("an answer");
    let done = batch(&dev, &["resume", &id, "--watch"]).await;
    assert_eq!(done.status.code(), Some(0), "{}", said(&done));
    assert_eq!(batch(&dev, &["cancel", &id]).await.status.code(), Some(5), "it has ended");
    dev.end("INT").await;
}
