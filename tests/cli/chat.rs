//! `chat`: a conversation through a pipe.

use std::process::Stdio;

use tokio::io::AsyncWriteExt;

use super::program::{Dev, Folder, program, said};

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_goes_on_in_its_session_with_the_api_and_token_that_are_named() {
    let folder = Folder::new();
    let dev = Dev::start(&folder, &["--workers", "1"]).await;
    let mut session = None;
    for question in ["How do I open the call?", "And if she has no time?"] {
        let mut command = program(&["chat", "--no-color"]);
        command.args(session.iter().flat_map(|session: &String| ["--session", session]));
        command.env("API_URL", dev.text("url")).env("HELLOSALES_TOKEN", dev.text("token"));
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut chat = spawned.expect("it starts");
        let mut stdin = chat.stdin.take().expect("stdin is a pipe");
        stdin.write_all(format!("{question}\n").as_bytes()).await.expect("it listens");
        drop(stdin);
        let output = chat.wait_with_output().await.expect("it ends");
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        assert!(output.stdout.len() > 40, "{}", String::from_utf8_lossy(&output.stdout));
        let talk = said(&output);
        session = talk.split_whitespace().last().map(str::to_owned);
    }
    let history = reqwest::Client::new()
        .get(format!("{}/chat/sessions/{}/history", dev.text("url"), session.expect("a session")))
        .bearer_auth(dev.text("token"));
    let history: serde_json::Value = history.send().await.expect("an answer").json().await.expect("a list");
    assert_eq!(history["data"].as_array().map(Vec::len), Some(4), "{history}");
    let mut command = program(&["chat", "--session", "00000000-0000-7000-8000-000000000000"]);
    command.env("API_URL", dev.text("url")).env("HELLOSALES_TOKEN", dev.text("token"));
    let output = command.output().await.expect("it ends");
    assert_eq!(output.status.code(), Some(3), "a session that is not there: {}", said(&output));
    dev.end("INT").await;
}
