//! Dead letters by the hundred at the terminal, through pipes: summed up, shown, put back with a canary, closed; and what scripts
//! read of it, which is exit codes and JSON.

use std::process::Output;

use serde_json::{Value, json};

use super::batch::{batch, clients, json as parsed, out};
use super::program::{Dev, Folder, eventually, program, said};

const CODE: &str = "PROVIDER_INVALID_REQUEST";

async fn ask(dev: &Dev, args: &[&str]) -> Output {
    let mut command = program(args);
    command.env("DATABASE_URL", dev.text("database_url")).env("HELLOSALES_ACTOR", "ana");
    command.output().await.expect("it starts")
}

async fn control(dev: &Dev, rule: Option<Value>) {
    let http = reqwest::Client::new();
    let url = format!("{}/_control", dev.text("simulator_url"));
    let request = match rule {
        Some(rule) => http.post(&url).json(&rule),
        None => http.delete(&url),
    };
    assert!(request.send().await.expect("an answer").status().is_success());
}

/// So many emails that the provider refused.
async fn failed_emails(dev: &Dev, folder: &Folder, count: u32) {
    let import = clients(dev, folder, count).await;
    control(dev, Some(json!({"status": 400}))).await;
    let failed = batch(dev, &["create", "--import", &import, "--type", "general", "--watch"]).await;
    assert_eq!(failed.status.code(), Some(4), "{}", said(&failed));
    control(dev, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_dead_letters_are_put_back_from_the_terminal() {
    let folder = Folder::new();
    let dev = Dev::start(&folder, &["--workers", "2"]).await;
    failed_emails(&dev, &folder, 100).await;

    let summary = ask(&dev, &["dlq", "summary", "--by", "error,stage,fingerprint", "-o", "json"]).await;
    assert_eq!(summary.status.code(), Some(0), "{}", said(&summary));
    let summary = parsed(&summary);
    assert_eq!(
        (summary.as_array().map(Vec::len), &summary[0]["count"]),
        (Some(1), &json!(100)),
        "one cause: {summary}"
    );
    assert_eq!((&summary[0]["error"], &summary[0]["stage"]), (&json!(CODE), &json!("llm")));
    let fingerprint = summary[0]["fingerprint"].as_str().expect("a fingerprint").to_owned();

    let list = ask(&dev, &["dlq", "list", "--fingerprint", &fingerprint, "--limit", "3", "-o", "json"]).await;
    assert_eq!(list.status.code(), Some(0), "{}", said(&list));
    let id = parsed(&list)[0]["id"].as_str().expect("an id").to_owned();
    let shown = ask(&dev, &["dlq", "show", &id, "--payload", "-o", "json"]).await;
    let shown = parsed(&shown);
    assert_eq!(shown["payload"]["input"]["email_type"], "general");
    let call = &shown["attempts"].as_array().and_then(|all| all.last()).expect("an attempt")["provider_calls"][0];
    assert_eq!((&call["provider"], &call["error_code"]), (&json!("simulator"), &json!(CODE)));
    let file = folder.path().join("letters.jsonl");
    let exported = ask(&dev, &["dlq", "export", "--error", "PROVIDER_*", "-f", file.to_str().expect("a path")]).await;
    assert_eq!(exported.status.code(), Some(0), "{}", said(&exported));
    assert_eq!(std::fs::read_to_string(&file).expect("a file").lines().count(), 100);

    let redrive = ["dlq", "redrive", "--error", CODE, "--since", "1h", "--canary", "3", "--rate", "50/s"];
    let dry = ask(&dev, &[&redrive[..], &["--dry-run", "--reason", "INC-81"]].concat()).await;
    assert_eq!(dry.status.code(), Some(0), "{}", said(&dry));
    assert!(said(&dry).contains("100 dead letters, 1 organisation"), "{}", said(&dry));
    let unasked = ask(&dev, &[&redrive[..], &["--reason", "INC-81"]].concat()).await;
    assert_eq!(unasked.status.code(), Some(2), "nobody is here to ask: {}", said(&unasked));
    let unreasoned = ask(&dev, &[&redrive[..], &["-y"]].concat()).await;
    assert_eq!(unreasoned.status.code(), Some(2), "{}", said(&unreasoned));

    // The first three end well, then one of the others doesn't.
    let args = [&redrive[..], &["-y", "--reason", "INC-81"]].concat();
    let going = ask(&dev, &args);
    let spoil = async {
        let past_canary = async || {
            let ops = ask(&dev, &["ops", "list", "-o", "json"]).await;
            ops.status.success() && parsed(&ops)[0]["status"] == "running"
        };
        eventually("the canary ends well", past_canary).await;
        control(&dev, Some(json!({"status": 400, "requests": 1}))).await;
    };
    let (done, ()) = tokio::join!(going, spoil);
    assert_eq!(done.status.code(), Some(4), "{}{}", out(&done), said(&done));
    let line = out(&done);
    assert!(line.contains("canary 3/3 ok · 100/100 redriven · 99 completed · 1 failed again"), "{line}");
    let ops = parsed(&ask(&dev, &["ops", "list", "-o", "json"]).await);
    let op = ops[0]["id"].as_str().expect("an id");
    let shown = parsed(&ask(&dev, &["ops", "show", op, "-o", "json"]).await);
    assert_eq!((&shown["runs"]["completed"], &shown["items"][0]["run_error"]), (&json!(99), &json!(CODE)));
    assert_eq!((&shown["actor"], &shown["reason"]), (&json!("operator:ana"), &json!("INC-81")));
    assert_eq!(ask(&dev, &["ops", "abort", op, "--reason", "x"]).await.status.code(), Some(5), "it is done");
    assert_eq!(ask(&dev, &args).await.status.code(), Some(0), "the one that failed again completes now");
    assert_eq!(ask(&dev, &args).await.status.code(), Some(3), "nothing is left");
    dev.end("INT").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_read_exit_codes_of_single_letters_and_of_what_is_closed() {
    let folder = Folder::new();
    let dev = Dev::start(&folder, &["--workers", "1"]).await;
    failed_emails(&dev, &folder, 4).await;
    let list = parsed(&ask(&dev, &["dlq", "list", "-o", "json"]).await);
    let ids: Vec<&str> = list.as_array().expect("a list").iter().filter_map(|one| one["id"].as_str()).collect();
    let code = async |args: &[&str]| {
        let ended = ask(&dev, args).await;
        (ended.status.code(), format!("{}{}", out(&ended), said(&ended)))
    };
    let investigate = ["dlq", "investigate", ids[0], "--note", "looks odd"];
    assert_eq!(code(&investigate).await.0, Some(0));
    let (late, told) = code(&investigate).await;
    assert!(late == Some(5) && told.contains("operator:ana"), "{told}");
    assert_eq!(code(&["dlq", "resolve", ids[0], "--note", "fixed"]).await.0, Some(0));
    assert_eq!(code(&["dlq", "redrive", ids[0], "--reason", "x"]).await.0, Some(5), "it is closed");
    assert_eq!(code(&["dlq", "reopen", ids[0], "--note", "not yet"]).await.0, Some(0));
    let (gone, told) = code(&["dlq", "redrive", ids[0], "--reason", "x"]).await;
    assert!(gone == Some(5) && told.contains("from the start"), "{told}");
    let (done, told) = code(&["dlq", "redrive", ids[0], "--from", "start", "--reason", "x"]).await;
    assert_eq!(done, Some(0), "{told}");

    let input = folder.path().join("input.json");
    let shown = parsed(&ask(&dev, &["dlq", "show", ids[1], "--payload", "-o", "json"]).await);
    let mut edited = shown["payload"]["input"].clone();
    edited["instructions"] = json!("Say it in one sentence");
    let write = |value: &Value| std::fs::write(&input, value.to_string()).expect("written");
    write(&edited);
    let path = input.to_str().expect("a path");
    assert_eq!(code(&["dlq", "retry", ids[1], "--input", path, "--from", "failed", "--reason", "x"]).await.0, Some(2));
    let mut other = edited.clone();
    other["email_id"] = json!(ids[0]);
    write(&other);
    assert_eq!(
        code(&["dlq", "retry", ids[1], "--input", path, "--reason", "x"]).await.0,
        Some(2),
        "what it makes is reserved"
    );
    write(&edited);
    let (done, told) = code(&["dlq", "retry", ids[1], "--input", path, "--wait", "1m", "--reason", "x"]).await;
    assert_eq!(done, Some(0), "{told}");
    let run = shown["pipeline_run_id"].as_str().expect("an id");
    assert_eq!(code(&["runs", "retry", run, "--reason", "x"]).await.0, Some(5), "it is completed");

    assert_eq!(code(&["dlq", "redrive", "--reason", "x", "-y"]).await.0, Some(2), "nobody is named");
    assert_eq!(code(&["dlq", "redrive", "0199f2ab", "--reason", "x"]).await.0, Some(3));
    assert_eq!(code(&["dlq", "list", "--error", "NOTHING"]).await.0, Some(3));
    assert_eq!(code(&["dlq", "resolve", "--error", "PROVIDER_*", "-y", "--note", "let go"]).await.0, Some(0));
    assert_eq!(code(&["dlq", "abandon", "--all", "-y", "--note", "x"]).await.0, Some(3), "none is open any more");

    control(&dev, Some(json!({"hang": true}))).await;
    assert_eq!(code(&["dlq", "reopen", ids[2], "--note", "x"]).await.0, Some(0));
    let wait = ["dlq", "redrive", ids[2], "--from", "start", "--wait", "1s", "--reason", "x"];
    assert_eq!(code(&wait).await.0, Some(124), "the time ran out");
    control(&dev, None).await;
    dev.end("INT").await;
}
