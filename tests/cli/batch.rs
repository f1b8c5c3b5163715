//! `batch`: estimated, submitted once, listed, steered, read; through pipes, so nothing is asked and lines are plain.

use std::process::Output;

use serde_json::Value;
use tokio::process::Command;

use super::program::{Dev, Folder, program, said};

pub(super) fn command(dev: &Dev, args: &[&str]) -> Command {
    let mut command = program(&[&["batch"], args].concat());
    command.env("API_URL", dev.text("url")).env("HELLOSALES_TOKEN", dev.text("token"));
    command
}

pub(super) async fn batch(dev: &Dev, args: &[&str]) -> Output {
    command(dev, args).output().await.expect("it starts")
}

pub(super) fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(super) fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no JSON: {}{}", out(output), said(output)))
}

/// Has clients come in; the import.
pub(super) async fn clients(dev: &Dev, folder: &Folder, count: u32) -> String {
    let path = folder.path().join("clients.csv");
    let head = "name,email,company,goals\n".to_owned();
    let file = (0..count).fold(head, |file, n| file + &format!("Client {n},c{n}@x{n}.example,Company {n},grow\n"));
    std::fs::write(&path, file).expect("written");
    let mut import = program(&["clients", "import", path.to_str().expect("a plain path"), "-o", "json"]);
    import.env("API_URL", dev.text("url")).env("HELLOSALES_TOKEN", dev.text("token"));
    json(&import.output().await.expect("it starts"))["import_id"].as_str().expect("an id").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_estimated_submitted_once_listed_and_read() {
    let folder = Folder::new();
    let dev = Dev::start(&folder, &["--workers", "1"]).await;
    let import = clients(&dev, &folder, 12).await;
    let estimate = batch(&dev, &["estimate", "--import", &import, "--type", "follow_up"]).await;
    assert_eq!(estimate.status.code(), Some(0), "{}", said(&estimate));
    assert!(out(&estimate).starts_with("12 emails, about "), "{}", out(&estimate));
    let none = batch(&dev, &["estimate", "--filter", "industry=nothing", "--type", "general"]).await;
    assert_eq!(none.status.code(), Some(3), "{}", said(&none));

    let order = ["--import", &import, "--type", "follow_up", "--instructions", "Say hello", "--key", "k1"];
    let made = batch(&dev, &[&["create"], &order[..], &["-o", "json"]].concat()).await;
    assert_eq!(made.status.code(), Some(0), "{}", said(&made));
    let id = json(&made)["id"].as_str().expect("an id").to_owned();
    let again = batch(&dev, &[&["create"], &order[..]].concat()).await;
    assert_eq!(again.status.code(), Some(0), "{}", said(&again));
    assert!(out(&again).contains(&id) && said(&again).contains("this key came before"), "{}", said(&again));

    let prefix: String = id.chars().take(13).collect();
    let shown = batch(&dev, &["show", &prefix]).await;
    assert!(out(&shown).contains(&id) && out(&shown).contains("instructions: Say hello"), "{}", said(&shown));
    let lines = batch(&dev, &["results", &prefix, "-o", "jsonl"]).await;
    assert_eq!((lines.status.code(), out(&lines).lines().count()), (Some(0), 12), "{}", said(&lines));
    let path = folder.path().join("emails.csv");
    let file = path.to_str().expect("a plain path");
    let csv = batch(&dev, &["results", &id, "-o", "csv", "-f", file]).await;
    assert_eq!((csv.status.code(), out(&csv)), (Some(0), String::new()), "{}", said(&csv));
    let text = std::fs::read_to_string(&path).expect("a file");
    assert!(text.contains("Client 11") && text.contains("n,status,client_id"), "{text}");
    let table = batch(&dev, &["results", &id]).await;
    assert_eq!(out(&table).lines().count(), 13, "{}", out(&table));
    assert_eq!(batch(&dev, &["results", &id, "--status", "cancelled"]).await.status.code(), Some(3));

    // The same clients by a file of theirs.
    let order = ["create", "--clients", file, "--type", "general", "-o", "json"];
    assert_eq!(json(&batch(&dev, &order).await)["counts"]["total"], 12);
    let listed = batch(&dev, &["list", "-o", "json"]).await;
    let ids = json(&listed).as_array().map(|all| all.iter().map(|one| one["id"].clone()).collect::<Vec<_>>());
    assert!(ids.as_ref().is_some_and(|ids| ids.len() == 2 && ids[1] == id.as_str()), "{ids:?}");
    for (args, exit) in [
        (&["show", "00000000-0000-7000-8000-000000000000"][..], 3),
        (&["show", "00000000"], 3),
        (&["show", "0000"], 2),
        (&["create", "--type", "general"], 2),
        (&["create", "--all", "--type", "poem"], 2),
        (&["approve", &id], 5),
    ] {
        let output = batch(&dev, args).await;
        assert_eq!(output.status.code(), Some(exit), "{args:?}: {}", said(&output));
    }
    dev.end("INT").await;
}
